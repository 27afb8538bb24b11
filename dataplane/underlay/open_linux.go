package underlay

import (
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// openDriver opens the Linux driver unless the portable one is asked for.
func openDriver(config Config) (driver, error) {
	if config.Portable {
		return openPortable(config)
	}
	return openLinux(config, kernel)
}

// openLinux opens a linuxSocket that makes its system calls through sys.
func openLinux(config Config, sys system) (*linuxSocket, error) {
	scope, err := scopeOf(config.Local.Addr())
	if err != nil {
		return nil, err
	}
	// The listening socket comes first: if the port is taken nothing else was opened.
	listen, features, err := openListen(config, scope)
	if err != nil {
		return nil, openError(config.Local, err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(listen)
		return nil, fmt.Errorf("opening an eventfd: %w", err)
	}
	s := &linuxSocket{wake: wake, feature: features, wantedBuffer: config.ReceiveBuffer}
	s.in = newReceiver(sys, listen, wake, &s.closed)
	s.out = newSender(sys, config.Local, scope, &s.closed)
	s.out.listen.fd = listen

	fds, ports, err := openSources(config.Local.Addr(), config.Sources, func(at netip.AddrPort) (int, error) {
		return openSource(config, at, scope)
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

// openListen opens the listening socket. It is bound exclusively, without
// SO_REUSEADDR or SO_REUSEPORT: a second agent must not take half the flows.
func openListen(config Config, scope uint32) (int, []Feature, error) {
	fd, err := newSocket(config, config.Local)
	if err != nil {
		return -1, nil, err
	}
	features := apply(fd, optionsOf(config.Local.Addr())...)
	force(fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, config.ReceiveBuffer)
	_, err = meminfo(fd)
	features = append(features, Feature{FeatureDrops, err}, Feature{FeatureGSO, probeGSO(fd)})
	if err := unix.Bind(fd, systemAddress(config.Local, scope)); err != nil {
		unix.Close(fd)
		return -1, nil, err
	}
	return fd, features, nil
}

// openSource opens a socket that is never read: its filter drops everything before it
// is queued, from before it is bound, so it needs no buffer either.
func openSource(config Config, at netip.AddrPort, scope uint32) (int, error) {
	fd, err := newSocket(config, at)
	if err != nil {
		return -1, err
	}
	apply(fd, dontFragment(at.Addr()))
	drop := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0}
	err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &drop})
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
