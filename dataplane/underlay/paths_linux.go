package underlay

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/encap"
)

// hearRouters opens a socket for what routers say to our address, and has the queues not
// follow the kernel's path MTUs any more.
func hearRouters(local netip.Addr, queues []*Socket) (net.PacketConn, error) {
	for _, q := range queues {
		if _, ok := q.driver.(*linuxSocket); !ok {
			return nil, fmt.Errorf("the %s driver leaves it to the kernel", q.Driver())
		}
	}
	conn, err := listenICMP(local)
	if err != nil {
		if errors.Is(err, unix.EPERM) {
			err = fmt.Errorf("%w: it takes CAP_NET_RAW; the kernel's path MTUs are followed", err)
		}
		return nil, err
	}
	if err := setPathMTUs(queues, unix.IP_PMTUDISC_PROBE); err != nil {
		_ = setPathMTUs(queues, unix.IP_PMTUDISC_DO) // what it was
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// listenICMP opens a socket that gets nothing but the messages that report path MTUs.
func listenICMP(local netip.Addr) (net.PacketConn, error) {
	network := "ip4:icmp"
	if local.Is6() {
		network = "ip6:ipv6-icmp"
	}
	conn, err := net.ListenPacket(network, local.String())
	if err != nil {
		return nil, err
	}
	if local.Is4() {
		var f ipv4.ICMPFilter
		f.SetAll(true)
		f.Accept(ipv4.ICMPTypeDestinationUnreachable)
		err = ipv4.NewPacketConn(conn).SetICMPFilter(&f)
	} else {
		var f ipv6.ICMPFilter
		f.SetAll(true)
		f.Accept(ipv6.ICMPTypePacketTooBig)
		err = ipv6.NewPacketConn(conn).SetICMPFilter(&f)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("filtering ICMP: %w", err)
	}
	return conn, nil
}

// setPathMTUs is setPathMTU of all queues.
func setPathMTUs(queues []*Socket, how int) error {
	for _, q := range queues {
		if err := q.driver.(*linuxSocket).setPathMTU(how); err != nil {
			return err
		}
	}
	return nil
}

// setPathMTU says to all sockets of a queue what becomes of datagrams that are too big:
// with IP_PMTUDISC_PROBE only the interface counts, and DF is set all the same.
func (s *linuxSocket) setPathMTU(how int) error {
	s.post.busy.Lock()
	s.post.pathMTU = how
	s.post.busy.Unlock()
	s.out.busy.Lock()
	defer s.out.busy.Unlock()
	s.out.pathMTU = how // of sockets that are opened later, too
	for _, o := range slices.Concat([]outlet{s.out.listen}, s.out.sources, s.out.bare) {
		if err := setPathMTU(o.fd, s.out.v6, how); err != nil {
			return err
		}
	}
	return nil
}

// fragmenting is what IP_MTU_DISCOVER is told for datagrams that are to pass in fragments. IPv4
// ones are sent whole, if the interface takes them, and without DF. IPv6 routers do not
// fragment, so there the kernel does that, to what it has heard of the path itself.
func fragmenting(v6 bool) int {
	if v6 {
		return unix.IPV6_PMTUDISC_WANT
	}
	return unix.IP_PMTUDISC_OMIT
}

// setPathMTU is that of one socket. The values mean the same for IPv6.
func setPathMTU(fd int, v6 bool, how int) error {
	o := dontFragmentV4
	if v6 {
		o = dontFragmentV6
	}
	if err := unix.SetsockoptInt(fd, o.level, o.option, how); err != nil {
		return fmt.Errorf("setting %s to %d: %w", o.name, how, err)
	}
	return nil
}

// asker is a socket that the kernel refuses to send too much from, and says why.
type asker struct {
	fd     int
	scope  uint32 // index of the interface of a link-local address
	routes *netlink.Handle
	// noRoutes is why routes cannot be asked for; see OpenWatch.
	noRoutes error
}

// loopback is the index of lo, which every network namespace has.
const loopback = 1

// open opens it. The kernel answers as it does to the queues: of its path MTUs, or of the
// interface alone.
func (a *asker) open(local netip.Addr, ignorePaths bool) (err error) {
	if a.scope, err = scopeOf(local); err != nil {
		return err
	}
	if a.routes, a.noRoutes = netlink.NewHandle(unix.NETLINK_ROUTE); a.noRoutes == nil {
		_, a.noRoutes = a.routes.LinkByIndex(loopback) // what does not work shows when it is used
	}
	a.fd, err = newSocket(Config{SendBuffer: DefaultSendBuffer}, netip.AddrPortFrom(local, 0))
	if err != nil {
		return fmt.Errorf("opening a socket to ask for MTUs: %w", err)
	}
	level, option, how := unix.IPPROTO_IP, unix.IP_RECVERR, unix.IP_PMTUDISC_DO
	if local.Is6() {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_RECVERR
	}
	if ignorePaths {
		how = unix.IP_PMTUDISC_PROBE
	}
	err = errors.Join(
		unix.SetsockoptInt(a.fd, level, option, 1),
		setPathMTU(a.fd, local.Is6(), how),
		unix.Bind(a.fd, systemAddress(netip.AddrPortFrom(local, 0), a.scope)))
	if err != nil {
		a.close()
		return fmt.Errorf("asking for MTUs: %w", err)
	}
	return nil
}

func (a *asker) close() {
	if a.fd > 0 {
		unix.Close(a.fd)
	}
	a.fd = -1
	if a.routes != nil {
		a.routes.Close()
		a.routes = nil
	}
}

// ask sends what no interface takes, which the kernel refuses with the MTU in the error
// queue. Only a loopback takes it, and then nobody listens at the port (RFC 863).
func (a *asker) ask(local, remote netip.Addr) (int, error) {
	if a.fd < 0 {
		return 0, net.ErrClosed
	}
	const discard = 9
	tooMuch := make([]byte, 65535-encap.IPv6Size-encap.UDPSize)
	if local.Is4() {
		tooMuch = make([]byte, 65535-encap.IPv4MinSize-encap.UDPSize)
	}
	err := unix.Sendto(a.fd, tooMuch, 0, systemAddress(netip.AddrPortFrom(remote, discard), a.scope))
	switch {
	case err == nil:
		return 65535, nil
	case !errors.Is(err, unix.EMSGSIZE):
		return 0, fmt.Errorf("asking for the MTU to %v: %w", remote, err)
	}
	mtu := 0
	for {
		oob := make([]byte, 512)
		_, n, _, _, err := unix.Recvmsg(a.fd, nil, oob, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		if err != nil {
			break // all were read
		}
		if m := refusedMTU(oob[:n]); m > 0 {
			mtu = m
		}
	}
	if mtu == 0 {
		return 0, fmt.Errorf("asking for the MTU to %v: the kernel does not say", remote)
	}
	return mtu, nil
}

// refusedMTU returns the MTU in an error of this host's own, ee_info of struct
// sock_extended_err, or 0.
func refusedMTU(oob []byte) int {
	const originAt, infoAt, size = 4, 8, 16
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return 0
	}
	for _, m := range messages {
		isError := m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_RECVERR ||
			m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_RECVERR
		if isError && len(m.Data) >= size && m.Data[originAt] == unix.SO_EE_ORIGIN_LOCAL &&
			unix.Errno(binary.NativeEndian.Uint32(m.Data)) == unix.EMSGSIZE {
			return int(binary.NativeEndian.Uint32(m.Data[infoAt:]))
		}
	}
	return 0
}
