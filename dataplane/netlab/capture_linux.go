package netlab

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// captureSize holds a superframe with its headers.
const captureSize = 65535 + 64

// captureBuffer is the socket's, in bytes: a quarter of a second at 1 Gbit/s.
const captureBuffer = 32 << 20

// Capture is a recording of an interface, in memory.
type Capture struct {
	file *os.File
	keep func(Frame) bool
	done chan struct{} // closed when recording has ended

	mu      sync.Mutex
	frames  []Frame
	more    chan struct{} // closed when a frame comes, and made anew
	dropped uint64
	closed  bool
	err     error // what ended the recording, if not Close
}

// Capture records what crosses an interface, in both directions, until it is closed.
// keep chooses the frames; it is called for each in order and may keep its Data. With
// nil, all are kept: mind that a second of TCP is a gigabyte.
func (h *Host) Capture(ifname string, keep func(Frame) bool) (*Capture, error) {
	link, err := h.link(ifname)
	if err != nil {
		return nil, err
	}
	var file *os.File
	err = h.Do(func() (err error) {
		file, err = packetSocket(link.Attrs().Index)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("capture on %s of host %s: %w", ifname, h.name, err)
	}
	c := &Capture{file: file, keep: keep, done: make(chan struct{}), more: make(chan struct{})}
	go c.record()
	return c, nil
}

// packetSocket opens an AF_PACKET socket on one interface of the thread's namespace.
func packetSocket(ifindex int) (*os.File, error) {
	// Protocol 0 hears nothing until it is bound, so that nothing of other
	// interfaces gets in.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open a packet socket: %w", err)
	}
	// Forcing takes CAP_NET_ADMIN of the first user namespace; Dropped tells what a
	// smaller buffer costs.
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, captureBuffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, captureBuffer)
	}
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: bits.ReverseBytes16(unix.ETH_P_ALL), Ifindex: ifindex}))
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "packet"), nil
}

// record reads frames until the socket is closed.
func (c *Capture) record() {
	defer close(c.done)
	buf, oob := make([]byte, captureSize), make([]byte, 256)
	for {
		f, err := c.read(buf, oob)
		if err != nil {
			c.fail(err)
			return
		}
		if c.keep == nil || c.keep(f) {
			c.add(f)
		}
	}
}

// read returns the next frame, in memory of its own.
func (c *Capture) read(buf, oob []byte) (Frame, error) {
	conn, err := c.file.SyscallConn()
	if err != nil {
		return Frame{}, err
	}
	var n, oobn int
	var from unix.Sockaddr
	var readErr error
	err = conn.Read(func(fd uintptr) bool {
		n, oobn, _, from, readErr = unix.Recvmsg(int(fd), buf, oob, 0)
		// ENETDOWN says, once, that the interface went down; it may come up again.
		again := errors.Is(readErr, unix.EAGAIN) || errors.Is(readErr, unix.EINTR) || errors.Is(readErr, unix.ENETDOWN)
		return !again
	})
	if err = errors.Join(err, readErr); err != nil {
		return Frame{}, err
	}
	f := Frame{Time: time.Now()}
	if ll, ok := from.(*unix.SockaddrLinklayer); ok {
		f.Outgoing = ll.Pkttype == unix.PACKET_OUTGOING
	}
	aux := parseAuxdata(oob[:oobn])
	f.PartialChecksum = aux.Status&unix.TP_STATUS_CSUMNOTREADY != 0
	f.Data = withTag(buf[:n], aux)
	return f, nil
}

// parseAuxdata finds what the kernel says about a frame beside it.
func parseAuxdata(oob []byte) unix.TpacketAuxdata {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return unix.TpacketAuxdata{}
	}
	var aux unix.TpacketAuxdata
	for _, m := range messages {
		if m.Header.Level == unix.SOL_PACKET && m.Header.Type == unix.PACKET_AUXDATA {
			// The kernel's struct, in the machine's byte order. One that is too short
			// leaves aux as it is.
			_, _ = binary.Decode(m.Data, binary.NativeEndian, &aux)
		}
	}
	return aux
}

// withTag returns a copy of frame with the outermost VLAN tag, which the kernel takes
// off and hands over beside the frame.
func withTag(frame []byte, aux unix.TpacketAuxdata) []byte {
	const addresses = 12
	if aux.Status&unix.TP_STATUS_VLAN_VALID == 0 || len(frame) < addresses {
		return slices.Clone(frame)
	}
	tpid := uint16(unix.ETH_P_8021Q)
	if aux.Status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
		tpid = aux.Vlan_tpid
	}
	out := make([]byte, 0, len(frame)+4)
	out = append(out, frame[:addresses]...)
	out = binary.BigEndian.AppendUint16(out, tpid)
	out = binary.BigEndian.AppendUint16(out, aux.Vlan_tci)
	return append(out, frame[addresses:]...)
}

func (c *Capture) add(f Frame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.frames = append(c.frames, f)
	close(c.more)
	c.more = make(chan struct{})
}

// fail notes why recording ended, unless it was closed.
func (c *Capture) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.err = err
	}
}

// Frames returns the frames kept so far. They are not copied, and not changed later.
func (c *Capture) Frames() []Frame {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.frames)
}

// Wait returns the first frame kept that match likes, one of those so far or the first
// to come.
func (c *Capture) Wait(ctx context.Context, match func(Frame) bool) (Frame, error) {
	for seen := 0; ; {
		ended := c.ended() // before the look at the frames, so that none comes after it
		c.mu.Lock()
		frames, more := c.frames, c.more
		c.mu.Unlock()
		for ; seen < len(frames); seen++ {
			if match(frames[seen]) {
				return frames[seen], nil
			}
		}
		if ended {
			return Frame{}, fmt.Errorf("wait for a frame: none of %d matches, and the capture has ended", seen)
		}
		select {
		case <-more:
		case <-c.done:
		case <-ctx.Done():
			return Frame{}, fmt.Errorf("wait for a frame: none of %d matches: %w", seen, ctx.Err())
		}
	}
}

// ended reports whether recording has.
func (c *Capture) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// Dropped is how many frames did not fit the socket's buffer.
func (c *Capture) Dropped() (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.dropped, nil // as Close found it
	}
	err := c.readDropped()
	return c.dropped, err
}

// readDropped adds the kernel's count, which reading sets to 0. mu is held.
func (c *Capture) readDropped() error {
	conn, err := c.file.SyscallConn()
	if err != nil {
		return err
	}
	var stats *unix.TpacketStats
	var getErr error
	err = conn.Control(func(fd uintptr) {
		stats, getErr = unix.GetsockoptTpacketStats(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS)
	})
	if err = errors.Join(err, getErr); err != nil {
		return err
	}
	c.dropped += uint64(stats.Drops)
	return nil
}

// Close ends the recording; the frames stay. The error is what ended it before. It may
// be called again.
func (c *Capture) Close() error {
	c.mu.Lock()
	if !c.closed {
		_ = c.readDropped() // the last chance to ask, and no more than a count
		c.closed = true
		c.file.Close()
	}
	c.mu.Unlock()
	<-c.done
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}
