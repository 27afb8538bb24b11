package underlay

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/encap"
)

// linuxSocket is the Linux driver: recvmmsg and sendmmsg over message headers that are
// laid out once. Its parts share nothing but the listening socket.
type linuxSocket struct {
	in   *receiver
	out  *sender
	post *sender // of Post: message headers of its own, and the listening socket only

	config       Config
	closed       atomic.Bool
	port         uint16 // that is listened on
	wake         int    // eventfd; readable from Close on, and when a receiver is to look up
	ports        []uint16
	barePorts    atomic.Pointer[[]uint16] // of sockets without checksum; nil until wanted
	feature      []Feature
	wantedBuffer int

	mu    sync.Mutex // guards what follows, and the listening socket against Close
	gone  bool       // the descriptors are closed
	drops dropCount
	got   int // size of the receive buffer, once gone
}

func (s *linuxSocket) Recv(dgrams []encap.Datagram) (int, error) { return s.in.recv(dgrams, true) }

func (s *linuxSocket) Poll(dgrams []encap.Datagram) (int, error) { return s.in.recv(dgrams, false) }

func (s *linuxSocket) Send(dgrams []encap.Datagram) (int, error) { return s.out.send(dgrams) }

// Post is Send of a sender of its own, so that it never waits for the worker, nor the
// worker for it.
func (s *linuxSocket) Post(d *encap.Datagram) error {
	one := [1]encap.Datagram{posted(d)}
	_, err := s.post.send(one[:])
	return err
}

// Close tells all who use the descriptors, waits until they have let go of them, and
// closes them. Send and Post notice within their wait for room.
func (s *linuxSocket) Close() error {
	if s.closed.Swap(true) {
		return net.ErrClosed
	}
	s.nudge()
	s.in.busy.Lock()
	defer s.in.busy.Unlock()
	s.out.busy.Lock()
	defer s.out.busy.Unlock()
	s.post.busy.Lock()
	defer s.post.busy.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()

	s.drops.read(s.in.fd)
	s.got = bufferSize(s.in.fd)
	s.gone = true
	s.in.groups.close()
	unix.Close(s.wake)
	for _, o := range append(s.out.sources, s.out.bare...) {
		unix.Close(o.fd)
	}
	return unix.Close(s.in.fd)
}

// Drops may be called while Recv waits, so it has a lock of its own. After Close it
// returns the last count.
func (s *linuxSocket) Drops() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.gone {
		s.drops.read(s.in.fd)
	}
	return s.drops.total + s.in.groups.dropped()
}

func (s *linuxSocket) receiveBuffer() (got, wanted int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.gone {
		s.got = bufferSize(s.in.fd)
	}
	return s.got, s.wantedBuffer
}

func (s *linuxSocket) canPoll() bool { return true }

func (s *linuxSocket) name() string { return "linux" }

func (s *linuxSocket) sourcePorts() []uint16 { return s.ports }

func (s *linuxSocket) features() []Feature { return s.feature }

func (s *linuxSocket) listenPort() uint16 { return s.port }

// dropCount extends the kernel's 32-bit count of drops.
type dropCount struct {
	last  uint32
	total uint64
}

// read adds what was dropped since the last read; the kernel's count may have wrapped
// once in between.
func (c *dropCount) read(fd int) {
	info, err := meminfo(fd)
	if err != nil {
		return // an old kernel; see FeatureDrops
	}
	now := info[unix.SK_MEMINFO_DROPS]
	c.total += uint64(now - c.last)
	c.last = now
}

// bufferSize is the receive buffer in the units of SO_RCVBUF, which the kernel doubles
// for its bookkeeping (socket(7)).
func bufferSize(fd int) int {
	size, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	if err != nil {
		return 0
	}
	return size / 2
}

// boundPort is the port that the system chose, or was told.
func boundPort(fd int) (uint16, error) {
	a, err := unix.Getsockname(fd)
	if err != nil {
		return 0, fmt.Errorf("reading back the port: %w", err)
	}
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		return uint16(a.Port), nil
	case *unix.SockaddrInet6:
		return uint16(a.Port), nil
	}
	return 0, fmt.Errorf("reading back the port: the address is a %T", a)
}
