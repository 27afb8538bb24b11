package underlay_test

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/vxtap/vxtap/dataplane/underlay"
	"github.com/vxtap/vxtap/encap"
)

// pathTest is a family of the tests of paths.
type pathTest struct{ here, there, local, remote string }

var pathTests = []pathTest{
	{"10.9.0.1/24", "10.9.0.2/24", "10.9.0.1:4789", "10.9.0.2:4789"},
	{"fd00:9::1/64", "fd00:9::2/64", "[fd00:9::1]:4789", "[fd00:9::2]:4789"},
}

// refusal is the ICMP message with which a router refuses a packet of 1500 bytes and a
// protocol, whose first bytes are two ports.
func refusal(local, remote netip.AddrPort, proto uint8, mtu int) []byte {
	const size = 1500
	frame := make([]byte, encap.EthernetSize+size)
	copy(frame, pattern(len(frame)))
	frame[0], frame[6] = 2, 2
	ip := frame[encap.EthernetSize:]
	var header int
	if local.Addr().Is4() {
		encap.Ethernet(frame).SetType(encap.EtherTypeIPv4)
		p := encap.PutIPv4(ip)
		p.SetTotalLength(size)
		p.SetDontFragment()
		p.SetProto(proto)
		p.SetSrc(local.Addr().As4())
		p.SetDst(remote.Addr().As4())
		p.SetChecksum(^encap.Sum(p[:encap.IPv4MinSize], 0))
		header = encap.IPv4MinSize
	} else {
		encap.Ethernet(frame).SetType(encap.EtherTypeIPv6)
		p := encap.PutIPv6(ip)
		p.SetPayloadLength(size - encap.IPv6Size)
		p.SetNextHeader(proto)
		p.SetSrc(local.Addr().As16())
		p.SetDst(remote.Addr().As16())
		header = encap.IPv6Size
	}
	if proto == encap.ProtoUDP {
		udp := encap.UDP(ip[header:])
		udp.SetSrcPort(local.Port())
		udp.SetDstPort(remote.Port())
		udp.SetLength(size - header)
	} else {
		ip[header] = 8 // echo request
		if local.Addr().Is6() {
			ip[header] = 128
		}
	}
	var l encap.Layers
	l.Parse(frame)
	b := make([]byte, encap.MaxTooBig)
	n := encap.PutTooBig(b, frame, &l, encap.Offload{}, mtu)
	var answer encap.Layers
	answer.Parse(b[:n])
	return b[answer.L4:n]
}

// openPaths opens a queue and what watches its paths.
func openPaths(t *testing.T, local string) (*underlay.Socket, *underlay.Paths) {
	t.Helper()
	s := open(t, underlay.Config{Local: netip.MustParseAddrPort(local), Sources: 4})
	p, err := underlay.OpenPaths([]*underlay.Socket{s})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	if f := p.Feature(); f.Name != underlay.FeatureICMP || f.Err != nil {
		t.Fatalf("feature %+v", f)
	}
	return s, p
}

// router returns a socket that sends ICMP messages from the other side.
func router(t *testing.T, inside func(func()), to netip.Addr) net.Conn {
	t.Helper()
	network := "ip4:icmp"
	if to.Is6() {
		network = "ip6:ipv6-icmp"
	}
	var c net.Conn
	var err error
	inside(func() { c, err = net.Dial(network, to.String()) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// What routers say of our datagrams is heard, and of nobody else's.
func TestRoutersAreHeard(t *testing.T) {
	inNamespace(t)
	for _, test := range pathTests {
		inside := peer(t, []string{test.here}, []string{test.there})
		s, p := openPaths(t, test.local)
		local, remote := s.Local(), netip.MustParseAddrPort(test.remote)
		source := netip.AddrPortFrom(local.Addr(), s.SourcePorts()[3])
		c := router(t, inside, local.Addr())
		another := netip.AddrPortFrom(local.Addr(), 1)
		for _, m := range [][]byte{
			refusal(another, remote, encap.ProtoUDP, 1300),
			refusal(remote, remote, encap.ProtoUDP, 1300),
			refusal(local, remote, encap.ProtoTCP, 1300),
			refusal(source, remote, encap.ProtoUDP, 1400),
			refusal(local, remote, encap.ProtoUDP, 1401),
		} {
			if _, err := c.Write(m); err != nil {
				t.Fatal(err)
			}
		}
		header := encap.EthernetSize + encap.IPv4MinSize + encap.UDPSize
		if local.Addr().Is6() {
			header += encap.IPv6Size - encap.IPv4MinSize
		}
		head := [encap.PathReportHead]byte(pattern(1500)[header:])
		limit := time.AfterFunc(patience, func() { p.Close() })
		for i, from := range []netip.AddrPort{source, local} {
			want := encap.PathReport{Local: from, Remote: remote, Size: 1500, MTU: 1400 + i, Head: head}
			if r, err := p.Next(); r != want || err != nil {
				t.Errorf("heard %+v, %v, want %+v", r, err, want)
			}
		}
		limit.Stop()
		p.Close()
		if _, err := p.Next(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
		s.Close()
		if err := netlink.LinkDel(link(t, "u0")); err != nil {
			t.Fatal(err)
		}
	}
}

// An ICMP error that quotes an echo request changes the kernel's path MTU, whoever made it
// up, and does not change what we send. The interface's MTU does.
func TestForgedPathMTU(t *testing.T) {
	inNamespace(t)
	for _, test := range pathTests {
		inside := peer(t, []string{test.here}, []string{test.there})
		s, p := openPaths(t, test.local)
		local, remote := s.Local(), netip.MustParseAddrPort(test.remote)
		var b *underlay.Socket
		inside(func() { b = open(t, underlay.Config{Local: remote}) })
		big := encap.Datagram{Data: pattern(1500 - 48), Remote: remote}
		deliver(t, s, b, big)

		c := router(t, inside, local.Addr())
		proto := uint8(encap.ProtoICMP)
		if local.Addr().Is6() {
			proto = encap.ProtoICMPv6
		}
		for lowered := false; !lowered; {
			if _, err := c.Write(refusal(local, remote, proto, 1300)); err != nil {
				t.Fatal(err)
			}
			lowered = kernelPathMTU(t, local, remote) == 1300
		}
		deliver(t, s, b, big)
		if err := s.AllowNoChecksum(); err != nil { // on sockets of its own
			t.Fatal(err)
		}
		big.NoChecksum = true
		deliver(t, s, b, big)
		if mtu, err := p.MTU(remote.Addr()); mtu != 1500 || err != nil {
			t.Errorf("MTU %d: %v", mtu, err)
		}

		if err := netlink.LinkSetMTU(link(t, "u0"), 1400); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Send([]encap.Datagram{big}); !errors.Is(err, syscall.EMSGSIZE) {
			t.Errorf("more than the interface takes: %v", err)
		}
		if mtu, err := p.MTU(remote.Addr()); mtu != 1400 || err != nil {
			t.Errorf("MTU %d: %v", mtu, err)
		}
		p.Close()
		if _, err := p.MTU(remote.Addr()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
		s.Close()
		b.Close()
		if err := netlink.LinkDel(link(t, "u0")); err != nil {
			t.Fatal(err)
		}
	}
}

// kernelPathMTU asks the kernel as a connected socket does.
func kernelPathMTU(t *testing.T, local, remote netip.AddrPort) int {
	t.Helper()
	c, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(local.Addr(), 0)), net.UDPAddrFromAddrPort(remote))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	level, option := syscall.IPPROTO_IP, syscall.IP_MTU
	if local.Addr().Is6() {
		level, option = syscall.IPPROTO_IPV6, syscall.IPV6_MTU
	}
	mtu := 0
	_ = raw.Control(func(fd uintptr) { mtu, err = syscall.GetsockoptInt(int(fd), level, option) })
	if err != nil {
		t.Fatal(err)
	}
	return mtu
}

// The portable driver and the kernel's path MTUs: Next has nothing to say, MTU what the
// kernel believes.
func TestPathsOfThePortableDriver(t *testing.T) {
	inNamespace(t)
	peer(t, []string{"10.9.0.1/24"}, []string{"10.9.0.2/24"})
	s := open(t, underlay.Config{Local: netip.MustParseAddrPort("10.9.0.1:4789"), Portable: true})
	p, err := underlay.OpenPaths([]*underlay.Socket{s})
	if err != nil {
		t.Fatal(err)
	}
	if p.Feature().Err == nil {
		t.Error("it hears routers")
	}
	if mtu, err := p.MTU(netip.MustParseAddr("10.9.0.2")); mtu != 1500 || err != nil {
		t.Errorf("MTU %d: %v", mtu, err)
	}
	ended := make(chan error)
	go func() {
		_, err := p.Next()
		ended <- err
	}()
	p.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}
