package underlay

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/encap"
)

const (
	// maxBuffers is UIO_MAXIOV, the most slices that the kernel gathers into one
	// message; the messages of one system call share as many.
	maxBuffers = 1024
	// sendWait is how long Send waits for room in a socket's buffer.
	sendWait = 10 * time.Millisecond
)

// sender is the sending half of a linuxSocket, or what Post sends with, laid out as the
// receiver is.
type sender struct {
	sys    system
	closed *atomic.Bool
	// busy is held while datagrams are sent, as receiver.busy. That of Post is contended by
	// those who post at once; a socket without room holds them up for sendWait in all,
	// since it is not waited for again.
	busy  sync.Mutex
	v6    bool
	scope uint32 // index of the interface of a link-local Local

	listen  outlet
	sources []outlet // a power of two or empty
	bare    []outlet // as many, at least one, that send no checksum; empty until wanted
	local   netip.Addr
	pathMTU int // what is told to IP_MTU_DISCOVER; IP_PMTUDISC_DO, or see hearRouters

	// As in the receiver, but that the messages of a run share out the buffers.
	wait    [1]unix.PollFd
	msgs    [Batch]mmsghdr
	buffers [maxBuffers]unix.Iovec
	names   [Batch]sockaddr
	control [Batch][controlSize]byte
}

// outlet is a socket to send from.
type outlet struct {
	fd int
	// stalled: a wait for room was in vain and nothing has been sent since.
	stalled bool
}

// newSender returns a sender whose outlets are still to be set.
func newSender(sys system, local netip.AddrPort, scope uint32, closed *atomic.Bool) *sender {
	s := &sender{
		sys: sys, closed: closed, v6: local.Addr().Is6(), scope: scope, local: local.Addr(), pathMTU: unix.IP_PMTUDISC_DO,
	}
	for i := range s.msgs {
		s.msgs[i].hdr.Name = &s.names[i][0]
	}
	return s
}

// send cuts dgrams into runs that one system call can take: the same outlet, no more
// than Batch datagrams and maxBuffers slices.
func (s *sender) send(dgrams []encap.Datagram) (int, error) {
	s.busy.Lock()
	defer s.busy.Unlock()
	if s.closed.Load() {
		return 0, net.ErrClosed
	}
	sent := 0
	for sent < len(dgrams) {
		run, errno := s.load(dgrams[sent:])
		if errno == 0 {
			var n int
			n, errno = s.flushAs(s.outletOf(&dgrams[sent]), run, dgrams[sent].MayFragment)
			sent += n
		}
		if errno != 0 {
			return sent, &SendError{dgrams[sent].Remote, errno}
		}
	}
	return sent, nil
}

// outletOf returns the socket that d is to leave from, nil if there is none.
func (s *sender) outletOf(d *encap.Datagram) *outlet {
	switch i := int(d.Source); {
	case !d.NoChecksum:
		return s.outlet(d.Source)
	case i < len(s.bare):
		return &s.bare[i]
	case len(s.bare) > 0:
		return &s.bare[0]
	}
	return nil
}

// outlet returns the socket that a Source stands for, nil if there is none.
func (s *sender) outlet(source uint8) *outlet {
	switch {
	case source == encap.SourceListen, len(s.sources) == 0:
		return &s.listen
	case int(source) < len(s.sources):
		return &s.sources[source]
	}
	return nil
}

// load fills message headers for the run at the beginning of dgrams and returns its
// length, or why the first datagram cannot be sent.
func (s *sender) load(dgrams []encap.Datagram) (int, unix.Errno) {
	free := s.buffers[:]
	n := 0
	for n < min(len(dgrams), Batch) {
		d := &dgrams[n]
		errno := s.check(d)
		if errno != 0 && n == 0 {
			return 0, errno
		}
		if errno != 0 || d.Source != dgrams[0].Source || d.NoChecksum != dgrams[0].NoChecksum || d.MayFragment != dgrams[0].MayFragment || 1+len(d.More) > len(free) {
			break
		}
		free = s.put(n, d, free)
		n++
	}
	return n, 0
}

// check refuses what no system call should be asked.
func (s *sender) check(d *encap.Datagram) unix.Errno {
	switch {
	case s.outletOf(d) == nil:
		return unix.EINVAL
	case d.Remote.Addr().Unmap().Is6() != s.v6 || !d.Remote.IsValid():
		return unix.EAFNOSUPPORT
	case 1+len(d.More) > maxBuffers:
		return unix.EMSGSIZE
	}
	return 0
}

// put describes d in message header i, with iovecs from free, and returns those left.
func (s *sender) put(i int, d *encap.Datagram, free []unix.Iovec) []unix.Iovec {
	h := &s.msgs[i].hdr
	remote := netip.AddrPortFrom(d.Remote.Addr().Unmap(), d.Remote.Port())
	scope := s.scope
	if d.Interface != 0 {
		scope = d.Interface
	}
	h.Namelen = s.names[i].put(remote, scope)

	setBuffer(&free[0], d.Data)
	for k, b := range d.More {
		setBuffer(&free[1+k], b)
	}
	h.Iov = &free[0]
	h.SetIovlen(1 + len(d.More))

	h.Control = nil
	n := writeControl(s.control[i][:], s.v6, d)
	if d.Interface != 0 {
		n += writeInterface(s.control[i][n:], s.local, d.Interface)
	}
	if n > 0 {
		h.Control = &s.control[i][0]
	}
	h.SetControllen(n)
	return free[1+len(d.More):]
}

// flushAs is flush, of datagrams that may be fragmented or not. That is a matter of the socket,
// which is as the others again when it returns: a probe that Post sends meanwhile, from a
// listening socket that Send uses too, could pass in fragments, but is only one of several.
func (s *sender) flushAs(o *outlet, run int, mayFragment bool) (int, unix.Errno) {
	if !mayFragment {
		return s.flush(o, run)
	}
	_ = setPathMTU(o.fd, s.v6, fragmenting(s.v6)) // before Linux 3.15 they are as the others
	defer setPathMTU(o.fd, s.v6, s.pathMTU)       //nolint:errcheck // it was that before
	return s.flush(o, run)
}

// flush sends the first run messages and returns how many the kernel took, and the
// error about the next. When sendmmsg fails after some messages it returns only their
// number; the error shows when the rest is tried.
func (s *sender) flush(o *outlet, run int) (int, unix.Errno) {
	sent, refused := 0, false
	for sent < run {
		n, errno := s.sys.sendmmsg(o.fd, s.msgs[sent:run])
		switch {
		case errno == 0:
			sent += n
			o.stalled = false
		case errno == unix.EINTR:
		case errno == unix.EAGAIN && s.waitForRoom(o):
		case errno == unix.EAGAIN:
			return sent, unix.ENOBUFS
		case errno == unix.ECONNREFUSED && !refused:
			// The answer to an earlier datagram, reported and thereby cleared; the one
			// at hand has not been tried yet.
			refused = true
		default:
			return sent, errno
		}
	}
	return sent, 0
}

// waitForRoom reports whether it is worth trying o again.
func (s *sender) waitForRoom(o *outlet) bool {
	if o.stalled {
		return false
	}
	s.wait[0] = unix.PollFd{Fd: int32(o.fd), Events: unix.POLLOUT}
	n, errno := s.sys.poll(s.wait[:], sendWait)
	o.stalled = n == 0 && errno == 0
	return errno == unix.EINTR || n > 0
}
