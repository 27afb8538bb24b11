package traffic

import (
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// socketBuffer is what the kernel may hold for a UDP socket of either end: some 10 000
// small datagrams, so that a sink that had to wait for the processor does not look like
// a path that loses.
const socketBuffer = 8 << 20

// udpSocket is a UDP socket whose calls block.
type udpSocket struct{ fd int }

// openUDP opens a socket bound to a port of addr, which the kernel chooses.
func openUDP(place Place, addr netip.Addr) (*udpSocket, error) {
	s := &udpSocket{-1}
	err := place(func() (err error) {
		family := unix.AF_INET
		if addr.Is6() {
			family = unix.AF_INET6
		}
		if s.fd, err = unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		return unix.Bind(s.fd, sockaddr(netip.AddrPortFrom(addr, 0)))
	})
	if err != nil {
		s.close()
		return nil, fmt.Errorf("open a UDP socket on %v: %w", addr, err)
	}
	s.enlarge(socketBuffer)
	return s, nil
}

// enlarge sets both buffers, forced where this process may.
func (s *udpSocket) enlarge(size int) {
	for _, opt := range [...][2]int{{unix.SO_RCVBUFFORCE, unix.SO_RCVBUF}, {unix.SO_SNDBUFFORCE, unix.SO_SNDBUF}} {
		if unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, opt[0], size) != nil {
			_ = unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, opt[1], size) // up to rmem_max, quietly
		}
	}
}

// patience sets how long a receive call may block.
func (s *udpSocket) patience(d time.Duration) error {
	tv := unix.NsecToTimeval(int64(d))
	return unix.SetsockoptTimeval(s.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv)
}

func (s *udpSocket) connect(to netip.AddrPort) error {
	if err := unix.Connect(s.fd, sockaddr(to)); err != nil {
		return fmt.Errorf("connect a UDP socket to %v: %w", to, err)
	}
	return nil
}

// port is the one that the socket is bound to.
func (s *udpSocket) port() (uint16, error) {
	sa, err := unix.Getsockname(s.fd)
	if err != nil {
		return 0, err
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return uint16(sa.Port), nil
	case *unix.SockaddrInet6:
		return uint16(sa.Port), nil
	}
	return 0, fmt.Errorf("socket of an unknown family %T", sa)
}

func (s *udpSocket) close() {
	if s.fd >= 0 {
		unix.Close(s.fd)
		s.fd = -1
	}
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

// retry reports whether a call that failed so may just be made again.
func retry(errno unix.Errno) bool {
	return errno == unix.EINTR || errno == unix.EAGAIN || errno == unix.ENOBUFS
}
