package underlay

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// A socket that is bound to a unicast address never hears a group, and one that is bound
// to none would hear everybody's unicast too. So each group on each interface has one
// socket, bound to the group, that a receiver reads beside its listening socket. One, as
// every socket there hears everything (__udp4_lib_mcast_deliver in Linux).

// groups are the group sockets of a receiver.
type groups struct {
	any atomic.Bool // there are some; if not, the receiver need not look

	mu   sync.Mutex // held for a look at the sockets, never while waiting
	list []*groupSocket
	turn int // whose turn it is: 0 the listening socket's, then by list
	gone uint64
}

// groupSocket is a membership. It is guarded by the groups' mu.
type groupSocket struct {
	at     netip.AddrPort
	device device
	fd     int
	uses   int
	drops  dropCount
}

// join implements driver.
func (s *linuxSocket) join(at netip.AddrPort, device device) (leave func() error, err error) {
	g := &s.in.groups
	g.mu.Lock()
	defer g.mu.Unlock()
	if s.closed.Load() {
		return nil, net.ErrClosed
	}
	i := slices.IndexFunc(g.list, func(m *groupSocket) bool { return m.at == at && m.device == device })
	if i < 0 {
		fd, err := s.openGroup(at, device.index)
		if err != nil {
			return nil, err
		}
		i = len(g.list)
		g.list = append(g.list, &groupSocket{at: at, device: device, fd: fd})
		g.any.Store(true)
		s.nudge()
	}
	m := g.list[i]
	m.uses++
	return sync.OnceValue(func() error { return s.leave(m) }), nil
}

// leave ends one use of a membership, and the last one the membership.
func (s *linuxSocket) leave(m *groupSocket) error {
	g := &s.in.groups
	g.mu.Lock()
	defer g.mu.Unlock()
	if m.uses--; m.uses > 0 || !slices.Contains(g.list, m) {
		return nil // others are in it, or the socket was closed and took it along
	}
	g.list = slices.DeleteFunc(g.list, func(o *groupSocket) bool { return o == m })
	g.turn = 0
	g.any.Store(len(g.list) > 0)
	err := g.release(m)
	s.nudge()
	return err
}

// relink implements driver. The kernel keeps a membership while the interface is down, and
// loses it with the interface, or with what that has of IPv6. So it is made anew, by a
// socket of its own, before the old one goes.
func (s *linuxSocket) relink(device device) (err error) {
	err = s.rebind(device)
	g := &s.in.groups
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, m := range g.list {
		if m.device.name != device.name {
			continue
		}
		fd, failed := s.openGroup(m.at, device.index)
		if failed != nil {
			err = errors.Join(err, fmt.Errorf("joining group %v on %s again: %w", m.at.Addr(), device.name, failed))
			continue
		}
		_ = g.release(m) // nothing is lost with it
		m.fd, m.device, m.drops = fd, device, dropCount{}
		s.nudge()
	}
	return err
}

// rebind moves the sockets of a link-local address along, which is one of its interface's.
func (s *linuxSocket) rebind(device device) (err error) {
	if s.config.Local.Addr().Zone() != device.name {
		return nil
	}
	for _, half := range []*sender{s.out, s.post} {
		half.busy.Lock()
		defer half.busy.Unlock()
	}
	if int(s.out.scope) == device.index || s.closed.Load() {
		return nil
	}
	for _, o := range slices.Concat([]outlet{s.out.listen}, s.out.sources, s.out.bare) {
		err = errors.Join(err, rebind(o.fd, device))
	}
	s.out.scope, s.post.scope = uint32(device.index), uint32(device.index)
	return err
}

// rebind binds a socket to another interface than that by which it was bound to its address.
func rebind(fd int, device device) error {
	err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, device.index)
	if err != nil {
		return fmt.Errorf("binding to %s as it is now (Linux 5.0 or later, CAP_NET_RAW; else start vxtap anew): %w", device.name, err)
	}
	return nil
}

// release closes a group socket; mu is held.
func (g *groups) release(m *groupSocket) error {
	m.drops.read(m.fd)
	g.gone += m.drops.total
	return unix.Close(m.fd)
}

// close leaves all groups.
func (g *groups) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, m := range g.list {
		_ = g.release(m) // nothing is lost with it
	}
	g.list = nil
	g.any.Store(false)
}

// dropped is how many datagrams the kernel dropped at group sockets.
func (g *groups) dropped() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	sum := g.gone
	for _, m := range g.list {
		m.drops.read(m.fd)
		sum += m.drops.total
	}
	return sum
}

// nudge has a receiver that waits look at its sockets anew.
func (s *linuxSocket) nudge() {
	one := [8]byte{7: 1} // not zero in either byte order
	_, _ = unix.Write(s.wake, one[:])
}

// take reads up to n datagrams from the listening socket or, in turn, from that of a
// group.
func (r *receiver) take(n int) (int, unix.Errno) {
	g := &r.groups
	if !g.any.Load() {
		return r.sys.recvmmsg(r.fd, r.msgs[:n])
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for range 1 + len(g.list) {
		fd := r.fd
		if g.turn > 0 {
			fd = g.list[g.turn-1].fd
		}
		g.turn = (g.turn + 1) % (1 + len(g.list))
		got, errno := r.sys.recvmmsg(fd, r.msgs[:n])
		if errno != unix.EAGAIN {
			return got, errno
		}
	}
	return 0, unix.EAGAIN
}

// sleep waits until there is something to read, or to look at.
func (r *receiver) sleep() unix.Errno {
	g := &r.groups
	g.mu.Lock()
	r.wait = r.wait[:2]
	for _, m := range g.list {
		r.wait = append(r.wait, unix.PollFd{Fd: int32(m.fd), Events: unix.POLLIN})
	}
	g.mu.Unlock()
	_, errno := r.sys.poll(r.wait, -1)
	// Close sets closed before it writes, so nothing is missed if this reads its word too.
	if r.wait[1].Revents != 0 && !r.closed.Load() {
		var word [8]byte
		_, _ = unix.Read(int(r.wait[1].Fd), word[:])
	}
	return errno
}

// openGroup opens a socket that hears a group on one interface.
func (s *linuxSocket) openGroup(at netip.AddrPort, device int) (int, error) {
	fd, err := newSocket(s.config, at)
	if err != nil {
		return -1, err
	}
	features := apply(fd, optionsOf(at.Addr())...)
	force(fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, s.config.ReceiveBuffer)
	features = append(features, trains(fd, s.config.NoOffload)...)
	err = s.keep(features)
	if err == nil {
		err = bindGroup(fd, at, device)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// keep returns an error if a socket lacks a feature that the queue has said to have.
func (s *linuxSocket) keep(of []Feature) error {
	for _, f := range of {
		if f.Err != nil && slices.ContainsFunc(s.feature, func(have Feature) bool { return have.Name == f.Name && have.Err == nil }) {
			return f.Err
		}
	}
	return nil
}

// bindGroup binds a socket to a group and makes it a member. Others on this host may be
// in it too; each of them hears all.
func bindGroup(fd int, at netip.AddrPort, device int) error {
	level, all, group := unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, at.Addr()
	if group.Is6() {
		level, all = unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_ALL
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return fmt.Errorf("setting SO_REUSEADDR: %w", err)
	}
	// What others on this host joined on other interfaces is not for us.
	if err := unix.SetsockoptInt(fd, level, all, 0); err != nil {
		return fmt.Errorf("setting IP_MULTICAST_ALL (for IPv6 it takes Linux 4.20): %w", err)
	}
	scope := uint32(0)
	if group.IsLinkLocalMulticast() {
		scope = uint32(device)
	}
	if err := unix.Bind(fd, systemAddress(at, scope)); err != nil {
		return fmt.Errorf("binding UDP %v: %w", at, err)
	}
	if group.Is6() {
		return unix.SetsockoptIPv6Mreq(fd, level, unix.IPV6_JOIN_GROUP,
			&unix.IPv6Mreq{Multiaddr: group.As16(), Interface: uint32(device)})
	}
	return unix.SetsockoptIPMreqn(fd, level, unix.IP_ADD_MEMBERSHIP,
		&unix.IPMreqn{Multiaddr: group.As4(), Ifindex: int32(device)})
}

// hearNot keeps what a socket sends to groups from coming back to this host: its own
// VTEP has seen it already, and the kernel's does so, too.
func hearNot(fd int, local netip.Addr) error {
	if local.Is6() {
		return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_LOOP, 0)
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_LOOP, 0)
}
