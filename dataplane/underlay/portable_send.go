package underlay

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/vxtap/vxtap/encap"
)

// portableWait is how long one datagram may wait for room in a socket's buffer.
const portableWait = 10 * time.Millisecond

// Send sends one datagram a system call. Trains are gathered and cut here: if one of
// their datagrams fails, the rest of the train is not sent.
func (s *portableSocket) Send(dgrams []encap.Datagram) (int, error) {
	for i := range dgrams {
		if err := s.sendTrain(&dgrams[i], &s.out); err != nil {
			return i, sendError(dgrams[i].Remote, err)
		}
	}
	return len(dgrams), nil
}

// Post shares the listening socket with Send, and a lock with others who post.
func (s *portableSocket) Post(d *encap.Datagram) error {
	s.posting.Lock()
	defer s.posting.Unlock()
	one := posted(d)
	if err := s.sendTrain(&one, &s.post); err != nil {
		return sendError(d.Remote, err)
	}
	return nil
}

// sendError is what Send returns about a datagram that was not sent.
func sendError(remote netip.AddrPort, err error) error {
	if errors.Is(err, net.ErrClosed) {
		return net.ErrClosed
	}
	return &SendError{remote, err}
}

// sendTrain sends one datagram, or those of a train one by one. It gathers in scratch,
// which is the caller's.
func (s *portableSocket) sendTrain(d *encap.Datagram, scratch *[]byte) error {
	c := s.outlet(d.Source)
	remote := d.Remote.Addr().Unmap()
	switch {
	case s.closed.Load():
		return net.ErrClosed
	case c == nil:
		return syscall.EINVAL
	case !remote.IsValid() || remote.Is4() != s.local.Is4():
		return syscall.EAFNOSUPPORT
	case d.Len() > maxPayload:
		return syscall.EMSGSIZE
	case remote.Is6() && (remote.IsLinkLocalUnicast() || remote.IsLinkLocalMulticast()):
		remote = remote.WithZone(s.local.Zone())
	}
	payload := gather(d, scratch)
	size := int(d.SegmentSize)
	if size == 0 {
		size = max(len(payload), 1)
	}
	c.sending.Lock()
	defer c.sending.Unlock()
	c.setHeader(s.tos(d), d.TTL)
	c.setFragments(d.MayFragment)
	to := netip.AddrPortFrom(remote, d.Remote.Port())
	for {
		n := min(size, len(payload))
		if err := c.write(payload[:n], to); err != nil {
			return err
		}
		if payload = payload[n:]; len(payload) == 0 {
			return nil
		}
	}
}

// tos is what a datagram leaves with.
func (s *portableSocket) tos(d *encap.Datagram) uint8 {
	if s.blind {
		return encap.NotECT.In(d.TOS)
	}
	return d.TOS
}

// outlet returns the socket that a Source stands for, nil if there is none.
func (s *portableSocket) outlet(source uint8) *portableConn {
	switch {
	case source == encap.SourceListen, len(s.sources) == 0:
		return s.listen
	case int(source) < len(s.sources):
		return s.sources[source]
	}
	return nil
}

// gather returns the payload of d in one piece, put together in scratch if it is not.
func gather(d *encap.Datagram, scratch *[]byte) []byte {
	if len(d.More) == 0 {
		return d.Data
	}
	b := append((*scratch)[:0], d.Data...)
	for _, more := range d.More {
		b = append(b, more...)
	}
	*scratch = b
	return b
}

// write sends one datagram, the error being the system's.
func (c *portableConn) write(b []byte, to netip.AddrPort) error {
	// The only error is that the socket is closed, which the write finds too.
	_ = c.SetWriteDeadline(time.Now().Add(portableWait))
	_, err := c.WriteToUDPAddrPort(b, to)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return syscall.ENOBUFS
	}
	return systemError(err)
}

// systemError returns the system's error that err wraps, in the names that package
// syscall has on every system, net.ErrClosed, or err itself if it is neither.
func systemError(err error) error {
	var errno syscall.Errno
	switch {
	case errors.Is(err, net.ErrClosed):
		return net.ErrClosed
	case errors.As(err, &errno):
		return posix(errno)
	}
	return err
}
