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
		err := s.sendTrain(&dgrams[i])
		if errors.Is(err, net.ErrClosed) {
			return i, net.ErrClosed
		}
		if err != nil {
			return i, &SendError{dgrams[i].Remote, err}
		}
	}
	return len(dgrams), nil
}

// sendTrain sends one datagram, or those of a train one by one.
func (s *portableSocket) sendTrain(d *encap.Datagram) error {
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
	payload := s.gather(d)
	size := int(d.SegmentSize)
	if size == 0 {
		size = max(len(payload), 1)
	}
	c.setHeader(d.TOS, d.TTL)
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

// gather returns the payload of d in one piece.
func (s *portableSocket) gather(d *encap.Datagram) []byte {
	if len(d.More) == 0 {
		return d.Data
	}
	s.out = append(s.out[:0], d.Data...)
	for _, b := range d.More {
		s.out = append(s.out, b...)
	}
	return s.out
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
