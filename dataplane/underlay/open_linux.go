package underlay

import (
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// openDrivers opens n queues of the Linux driver, unless the portable one is asked for.
func openDrivers(config Config, n int) ([]driver, error) {
	if config.Portable {
		return openOnePortable(config, n)
	}
	scope, err := scopeOf(config.Local.Addr())
	if err != nil {
		return nil, err
	}
	var sockets []*linuxSocket
	var queues []driver // the same
	for i := range n {
		s, err := openLinux(config, scope, placeOf(i, n))
		if err != nil {
			return queues, err
		}
		sockets, queues = append(sockets, s), append(queues, s)
		config.Local = netip.AddrPortFrom(config.Local.Addr(), s.listenPort())
	}
	if n > 1 {
		steered := Feature{FeatureSteering, steer(sockets[0].in.fd, n)}
		for _, s := range sockets {
			s.feature = append(s.feature, steered)
		}
	}
	return queues, nil
}

// place is that of a listening socket among those that share a port.
type place uint8

const (
	only  place = iota // shares with none
	first              // claims the port for those that follow
	later              // joins the first
)

func placeOf(i, n int) place {
	switch {
	case n == 1:
		return only
	case i == 0:
		return first
	}
	return later
}

// openLinux opens one queue.
func openLinux(config Config, scope uint32, at place) (*linuxSocket, error) {
	// The listening socket comes first: if the port is taken nothing else was opened.
	listen, features, err := openListen(config, scope, at)
	if err != nil {
		return nil, openError(config.Local, err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(listen)
		return nil, fmt.Errorf("opening an eventfd: %w", err)
	}
	port, err := boundPort(listen)
	if err != nil {
		unix.Close(listen)
		unix.Close(wake)
		return nil, openError(config.Local, err)
	}
	s := &linuxSocket{port: port, config: config, wake: wake, feature: features, wantedBuffer: config.ReceiveBuffer}
	s.in = newReceiver(kernel, listen, wake, &s.closed)
	s.out = newSender(kernel, config.Local, scope, &s.closed)
	s.out.listen.fd = listen
	s.post = newSender(kernel, config.Local, scope, &s.closed)
	s.post.listen.fd = listen

	fds, ports, err := openSources(config.Local.Addr(), config.Sources, func(at netip.AddrPort) (int, error) {
		return s.openSource(at, scope)
	})
	for _, fd := range fds {
		s.out.sources = append(s.out.sources, outlet{fd: fd})
	}
	s.ports = ports
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// openListen opens a listening socket with all that it is to have before datagrams come.
func openListen(config Config, scope uint32, at place) (int, []Feature, error) {
	fd, err := newSocket(config, config.Local)
	if err != nil {
		return -1, nil, err
	}
	features := apply(fd, optionsOf(config.Local.Addr())...)
	force(fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, config.ReceiveBuffer)
	_, err = meminfo(fd)
	features = append(features, Feature{FeatureDrops, err})
	features = append(features, trains(fd, config.NoOffload)...)
	if err := bindListen(fd, systemAddress(config.Local, scope), at); err != nil {
		unix.Close(fd)
		return -1, nil, err
	}
	return fd, features, nil
}

// bindListen binds a listening socket to the port, or to its share of it. SO_REUSEPORT
// lets any program of the same user share a port, without a word, if all sockets there
// have it when the new one is bound (udp_lib_lport_inuse in Linux). So the first queue
// is bound without it: that fails if anybody has the port, be it a second agent, which
// does the same, or the kernel. Only then does the socket allow others beside it, and
// the other queues are bound. The first holds the port all the time, and there is no
// moment between a probe and the real thing in which somebody could slip in. What
// remains is a foreign program of the same user that itself asks to share.
func bindListen(fd int, at unix.Sockaddr, place place) error {
	if place == later {
		if err := share(fd); err != nil {
			return err
		}
	}
	if err := unix.Bind(fd, at); err != nil {
		return err
	}
	if place == first {
		return share(fd)
	}
	return nil
}

// share lets a socket's port be shared. Datagrams go to the sockets there by a hash of
// their addresses and ports, so that a flow stays with one.
func share(fd int) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return fmt.Errorf("setting SO_REUSEPORT: %w", err)
	}
	return nil
}

// openSource opens a socket that is never read: its filter drops everything before it
// is queued, from before it is bound, so it needs no buffer either.
func (s *linuxSocket) openSource(at netip.AddrPort, scope uint32) (int, error) {
	fd, err := newSocket(s.config, at)
	if err != nil {
		return -1, err
	}
	err = s.keep(apply(fd, dontFragment(at.Addr())))
	drop := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0}
	if err == nil {
		err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &drop})
	}
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 0) // the kernel raises it to its minimum
	}
	if err == nil {
		err = unix.Bind(fd, systemAddress(at, scope))
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// newSocket returns a socket of the family of at, with its send buffer.
func newSocket(config Config, at netip.AddrPort) (int, error) {
	domain := unix.AF_INET
	if at.Addr().Is6() {
		domain = unix.AF_INET6
	}
	fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_UDP)
	if err != nil {
		return -1, err
	}
	if domain == unix.AF_INET6 {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
			unix.Close(fd)
			return -1, err
		}
	}
	force(fd, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, config.SendBuffer)
	_ = hearNot(fd, at.Addr()) // a VTEP refuses its own datagrams in any case
	return fd, nil
}

// scopeOf returns the index of the interface that is the address's zone, 0 without one.
func scopeOf(a netip.Addr) (uint32, error) {
	if a.Zone() == "" {
		return 0, nil
	}
	i, err := net.InterfaceByName(a.Zone())
	if err != nil {
		return 0, fmt.Errorf("finding the interface of %v: %w", a, err)
	}
	return uint32(i.Index), nil
}
