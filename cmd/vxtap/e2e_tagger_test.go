//go:build linux

package main

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/dataplane/netlab"
)

const (
	ethernetHeader = 14
	vlanTag        = 4
	// virtioHeader is what stands before each frame of a packet socket that asks for
	// it: flags, gso_type, hdr_len, gso_size, csum_start, csum_offset (virtio 1.2
	// section 5.1.6).
	virtioHeader = 10
	needsCSUM    = 1
)

// tagger carries frames between two interfaces of a host.
type tagger struct {
	vid     uint16
	longest atomic.Int64 // tagged frame in bytes
}

// tagBetween carries what comes in on plain to tagged, with a VLAN tag, and what comes
// in on tagged with that tag to plain, without it; as superframes with unfinished
// checksums, where the kernel hands over such.
func tagBetween(t *testing.T, h *netlab.Host, plain, tagged string, vid uint16) *tagger {
	t.Helper()
	g := &tagger{vid: vid}
	p, q := packetSocket(t, h, plain), packetSocket(t, h, tagged)
	var pumps sync.WaitGroup
	start := func(from, to *os.File, change func(*tagging) []byte) {
		pumps.Go(func() {
			err := pump(from, to, change)
			if t.Context().Err() == nil { // before the sockets are closed
				t.Error(err)
			}
		})
	}
	start(p, q, g.tag)
	start(q, p, g.untag)
	t.Cleanup(func() {
		p.Close()
		q.Close()
		pumps.Wait()
	})
	return g
}

// tagging is a frame behind its virtio header, with room for a tag before both.
type tagging struct {
	buf []byte
	n   int                 // bytes behind the room
	aux unix.TpacketAuxdata // with the tag that the kernel took off
}

// tag returns the frame with a tag between its addresses and the rest.
func (g *tagger) tag(p *tagging) []byte {
	const addresses = 12
	const at = virtioHeader + addresses
	b := p.buf[:vlanTag+p.n]
	copy(b, b[vlanTag:vlanTag+at])
	binary.BigEndian.PutUint16(b[at:], unix.ETH_P_8021Q)
	binary.BigEndian.PutUint16(b[at+2:], g.vid)
	moved := []int{}
	if b[1] != 0 { // gso_type
		moved = append(moved, 2) // hdr_len
	}
	if b[0]&needsCSUM != 0 {
		moved = append(moved, 6) // csum_start
	}
	for _, field := range moved {
		binary.NativeEndian.PutUint16(b[field:], binary.NativeEndian.Uint16(b[field:])+vlanTag)
	}
	g.saw(len(b) - virtioHeader)
	return b
}

// untag returns a frame that had our tag, which the kernel has taken off; nil for any
// other.
func (g *tagger) untag(p *tagging) []byte {
	if p.aux.Status&unix.TP_STATUS_VLAN_VALID == 0 || p.aux.Vlan_tci != g.vid {
		return nil
	}
	g.saw(p.n - virtioHeader + vlanTag)
	return p.buf[vlanTag : vlanTag+p.n]
}

func (g *tagger) saw(bytes int) {
	for {
		old := g.longest.Load()
		if int64(bytes) <= old || g.longest.CompareAndSwap(old, int64(bytes)) {
			return
		}
	}
}

// pump carries what change makes of the frames until a socket is closed.
func pump(from, to *os.File, change func(*tagging) []byte) error {
	p := &tagging{buf: make([]byte, 1<<17)}
	for {
		if err := p.read(from); err != nil {
			return err
		}
		frame := change(p)
		if frame == nil {
			continue
		}
		// A full queue loses frames, as queues do.
		if _, err := to.Write(frame); err != nil && !errors.Is(err, unix.ENOBUFS) {
			return err
		}
	}
}

func (p *tagging) read(from *os.File) error {
	raw, err := from.SyscallConn()
	if err != nil {
		return err
	}
	var oob [64]byte
	var oobn int
	var readErr error
	err = raw.Read(func(fd uintptr) bool {
		p.n, oobn, _, _, readErr = unix.Recvmsg(int(fd), p.buf[vlanTag:], oob[:], 0)
		return !errors.Is(readErr, unix.EAGAIN)
	})
	if err = errors.Join(err, readErr); err != nil {
		return err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		return err
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_PACKET && m.Header.Type == unix.PACKET_AUXDATA {
			_, err = binary.Decode(m.Data, binary.NativeEndian, &p.aux)
		}
	}
	return err
}

// packetSocket opens a socket for the frames that come in on an interface, and for
// those that are to leave it.
func packetSocket(t *testing.T, h *netlab.Host, ifname string) *os.File {
	t.Helper()
	link, err := h.Netlink().LinkByName(ifname)
	check(t, err)
	var fd int
	check(t, h.Do(func() (err error) {
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		return err
	}))
	f := os.NewFile(uintptr(fd), "packet")
	t.Cleanup(func() { f.Close() })
	check(t, errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1),
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1),
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: bits.ReverseBytes16(unix.ETH_P_ALL), Ifindex: link.Attrs().Index})))
	return f
}
