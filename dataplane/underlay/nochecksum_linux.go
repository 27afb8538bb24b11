package underlay

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// allowNoChecksum implements driver.
func (s *linuxSocket) allowNoChecksum() error {
	s.out.busy.Lock()
	defer s.out.busy.Unlock()
	switch {
	case s.closed.Load():
		return net.ErrClosed
	case len(s.out.bare) > 0:
		return nil
	}
	fds, ports, err := openSources(s.config.Local.Addr(), max(len(s.out.sources), 1), func(at netip.AddrPort) (int, error) {
		return s.openBare(at, s.out.scope)
	})
	for _, fd := range fds {
		err = errors.Join(err, setPathMTU(fd, s.out.v6, s.out.pathMTU))
	}
	if err != nil {
		for _, fd := range fds {
			unix.Close(fd)
		}
		return err
	}
	for _, fd := range fds {
		s.out.bare = append(s.out.bare, outlet{fd: fd})
	}
	s.barePorts.Store(&ports)
	return nil
}

// sendsFrom implements driver. It waits for nobody who sends: strangers have it called.
func (s *linuxSocket) sendsFrom(port uint16) bool {
	bare := s.barePorts.Load()
	return slices.Contains(s.ports, port) || bare != nil && slices.Contains(*bare, port)
}

// openBare opens a source-port socket that sends no checksums.
func (s *linuxSocket) openBare(at netip.AddrPort, scope uint32) (int, error) {
	fd, err := s.openSource(at, scope)
	if err != nil {
		return -1, err
	}
	if at.Addr().Is6() { // RFC 6935 section 5 lets tunnels do this
		err = unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_NO_CHECK6_TX, 1)
	} else {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_NO_CHECK, 1)
	}
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("setting SO_NO_CHECK or UDP_NO_CHECK6_TX: %w", err)
	}
	return fd, nil
}
