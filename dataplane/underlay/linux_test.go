package underlay_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/dataplane/underlay"
	"github.com/vxtap/vxtap/encap"
)

func TestFeaturesInForce(t *testing.T) {
	for _, local := range []netip.Addr{v4, v6} {
		s := open(t, underlay.Config{Local: netip.AddrPortFrom(local, 0)})
		for _, f := range s.Features() {
			if f.Err != nil {
				t.Errorf("%v: %s: %v", local, f.Name, f.Err)
			}
		}
		if s.Driver() != "linux" || s.Sources() != underlay.DefaultSources {
			t.Errorf("%s driver with %d sources", s.Driver(), s.Sources())
		}
	}
}

// The path of every frame allocates nothing.
func TestNoAllocations(t *testing.T) {
	for _, local := range []netip.Addr{v4, v6} {
		config := underlay.Config{Local: netip.AddrPortFrom(local, 0)}
		a, b := open(t, config), open(t, config)
		out := make([]encap.Datagram, 8)
		for i := range out {
			out[i] = encap.Datagram{
				Data: pattern(50), More: [][]byte{pattern(1400)}, Remote: b.Local(),
				Source: uint8(i / 2), TOS: 2, TTL: 64,
			}
		}
		out[7].SegmentSize = 800
		in := make([]encap.Datagram, underlay.Batch)
		buffers := make([][]byte, len(in))
		for i := range buffers {
			buffers[i] = make([]byte, 1<<16)
		}
		var failure error
		allocs := testing.AllocsPerRun(500, func() {
			if _, err := a.Send(out); err != nil {
				failure = err
			}
			for n := 0; n < len(out) && failure == nil; {
				for i := range in {
					in[i].Data = buffers[i]
				}
				got, err := b.Recv(in)
				n, failure = n+got, err
			}
		})
		if allocs != 0 || failure != nil {
			t.Errorf("%v: %v allocations a batch, error %v", local, allocs, failure)
		}
	}
}

// A train crosses in one piece, with its segment size.
func TestTrainInOnePiece(t *testing.T) {
	for _, local := range []netip.Addr{v4, v6} {
		config := underlay.Config{Local: netip.AddrPortFrom(local, 0)}
		a, b := open(t, config), open(t, config)
		payload := pattern(40*1400 + 77)
		send(t, a, encap.Datagram{Data: payload, SegmentSize: 1400, Remote: b.Local()})
		got := receive(t, b, 1)[0]
		if got.SegmentSize != 1400 || !bytes.Equal(got.Data, payload) {
			t.Errorf("%v: %d bytes with segment size %d, want %d and 1400", local, len(got.Data), got.SegmentSize, len(payload))
		}
	}
}

func TestDropsAreCounted(t *testing.T) {
	config := underlay.Config{Local: netip.AddrPortFrom(v4, 0), ReceiveBuffer: 20000}
	a, b := open(t, config), open(t, config)
	const sent = 200
	for range sent {
		send(t, a, encap.Datagram{Data: pattern(1000), Remote: b.Local()})
	}
	drops := b.Drops()
	if drops == 0 || drops >= sent {
		t.Fatalf("%d of %d datagrams dropped", drops, sent)
	}
	receive(t, b, sent-int(drops))
	b.Close()
	if b.Drops() != drops {
		t.Errorf("%d drops after Close, %d before", b.Drops(), drops)
	}
}

func TestReceiveBuffer(t *testing.T) {
	const beyond = 64 << 20 // more than net.core.rmem_max
	config := underlay.Config{Local: netip.AddrPortFrom(v4, 0), ReceiveBuffer: beyond}
	if got, wanted := open(t, config).ReceiveBuffer(); got != beyond || wanted != beyond {
		t.Errorf("forced: got %d of %d", got, wanted)
	}
	without(t, unix.CAP_NET_ADMIN, func() {
		if got, wanted := open(t, config).ReceiveBuffer(); got >= beyond || got == 0 || wanted != beyond {
			t.Errorf("without CAP_NET_ADMIN: got %d of %d", got, wanted)
		}
	})
}

func TestPrivilegedPort(t *testing.T) {
	inNamespace(t)
	without(t, unix.CAP_NET_BIND_SERVICE, func() {
		for _, portable := range []bool{false, true} {
			_, err := underlay.Open(underlay.Config{Local: netip.MustParseAddrPort("127.0.0.1:789"), Portable: portable})
			if !errors.Is(err, syscall.EACCES) || !strings.Contains(err.Error(), "CAP_NET_BIND_SERVICE") {
				t.Errorf("got %v", err)
			}
		}
	})
}

// without runs f on a thread that lacks a capability. The test must be locked to its
// thread if f opens anything in a namespace.
func without(t *testing.T, capability int, f func()) {
	t.Helper()
	done := make(chan struct{})
	home, err := os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
	if err != nil {
		t.Fatal(err)
	}
	defer home.Close()
	go func() {
		defer close(done)
		// Never unlocked: the thread ends with the goroutine.
		runtime.LockOSThread()
		if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
			t.Error(err)
			return
		}
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var caps [2]unix.CapUserData
		if err := unix.Capget(&header, &caps[0]); err != nil {
			t.Error(err)
			return
		}
		caps[capability/32].Effective &^= 1 << (capability % 32)
		if err := unix.Capset(&header, &caps[0]); err != nil {
			t.Error(err)
			return
		}
		f()
	}()
	<-done
}

func TestZeroChecksumIsAccepted(t *testing.T) {
	for _, test := range []struct {
		local         netip.Addr
		level, option int
	}{
		{v4, unix.SOL_SOCKET, unix.SO_NO_CHECK},
		{v6, unix.IPPROTO_UDP, unix.UDP_NO_CHECK6_TX},
	} {
		for _, portable := range []bool{false, true} {
			s := open(t, underlay.Config{Local: netip.AddrPortFrom(test.local, 0), Portable: portable})
			c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(s.Local()))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			raw, _ := c.SyscallConn()
			raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), test.level, test.option, 1) })
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Write([]byte("unsummed")); err != nil {
				t.Fatal(err)
			}
			if got := receive(t, s, 1)[0]; string(got.Data) != "unsummed" {
				t.Errorf("received %q", got.Data)
			}
		}
	}
}

func TestPortTakenByProcess(t *testing.T) {
	inNamespace(t)
	for _, test := range []struct{ holder, local string }{
		{"127.0.0.1", "127.0.0.1"},
		{"0.0.0.0", "127.0.0.1"},
		{"::", "127.0.0.1"}, // of both families
		{"::", "::1"},
		{"::1", "::1"},
	} {
		holder, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(test.holder), 4789)))
		if err != nil {
			t.Fatal(err)
		}
		_, err = underlay.Open(underlay.Config{Local: netip.AddrPortFrom(netip.MustParseAddr(test.local), 4789)})
		holder.Close()
		want := fmt.Sprintf("process %d (", os.Getpid())
		var taken *underlay.PortTakenError
		if !errors.As(err, &taken) || !strings.HasPrefix(taken.Owner, want) {
			t.Errorf("%s held: %v, want owner %q", test.holder, err, want)
		}
	}
}

func TestPortTakenByKernel(t *testing.T) {
	inNamespace(t)
	address(t, "lo", "10.9.0.1/32", "fd00:9::1/128")
	for name, local := range map[string]string{"vxlan7": "10.9.0.1", "vxlan6": "fd00:9::1"} {
		vxlan := &netlink.Vxlan{
			LinkAttrs: netlink.LinkAttrs{Name: name},
			VxlanId:   7, Port: 4789, SrcAddr: net.ParseIP(local), Learning: true,
		}
		if err := netlink.LinkAdd(vxlan); err != nil {
			t.Fatal(err)
		}
		config := underlay.Config{Local: netip.AddrPortFrom(netip.MustParseAddr(local), 4789)}
		free, err := underlay.Open(config)
		if err != nil {
			t.Fatalf("the interface is down, but: %v", err)
		}
		free.Close()
		up(t, name)
		_, err = underlay.Open(config)
		var taken *underlay.PortTakenError
		if !errors.As(err, &taken) || taken.Owner != "kernel VXLAN interface "+name {
			t.Errorf("%s: %v", name, err)
		}
		netlink.LinkDel(vxlan)
	}
}

func TestTentativeAddress(t *testing.T) {
	inNamespace(t)
	peer(t, nil, nil)
	a, err := netlink.ParseAddr("fd00:9::1/64")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.AddrAdd(link(t, "u0"), a); err != nil {
		t.Fatal(err)
	}
	_, err = underlay.Open(underlay.Config{Local: netip.MustParseAddrPort("[fd00:9::1]:4789")})
	var missing *underlay.NoAddressError
	if !errors.As(err, &missing) || !missing.Tentative {
		t.Errorf("got %v", err)
	}
}

func TestLinkLocal(t *testing.T) {
	inNamespace(t)
	inside := peer(t, []string{"fe80::a/64"}, []string{"fe80::b/64"})
	for _, portable := range []bool{false, true} {
		a := open(t, underlay.Config{Local: netip.MustParseAddrPort("[fe80::a%u0]:4789"), Portable: portable})
		var b *underlay.Socket
		inside(func() {
			b = open(t, underlay.Config{Local: netip.MustParseAddrPort("[fe80::b%u0]:4789"), Portable: portable})
		})
		d := encap.Datagram{Remote: netip.MustParseAddrPort("[fe80::b]:4789")}
		if got := deliver(t, a, b, d).Remote; got.Addr() != netip.MustParseAddr("fe80::a") {
			t.Errorf("received from %v", got)
		}
		a.Close()
		b.Close()
	}
	if mtu, err := underlay.MTU(netip.MustParseAddr("fe80::a%u0")); mtu != 1500 || err != nil {
		t.Errorf("MTU %d: %v", mtu, err)
	}
}

// DF is set, the checksum is there, and what does not fit is refused here and not cut.
func TestDontFragment(t *testing.T) {
	inNamespace(t)
	inside := peer(t, []string{"10.9.0.1/24", "fd00:9::1/64"}, []string{"10.9.0.2/24", "fd00:9::2/64"})
	tests := []struct {
		local, remote string
		fits          int // bytes of UDP payload in 1500 of IP
	}{
		{"10.9.0.1:4789", "10.9.0.2:4789", 1500 - 20 - 8},
		{"[fd00:9::1]:4789", "[fd00:9::2]:4789", 1500 - 40 - 8},
	}
	for _, test := range tests {
		for _, portable := range []bool{false, true} {
			a := open(t, underlay.Config{Local: netip.MustParseAddrPort(test.local), Portable: portable})
			var b *underlay.Socket
			inside(func() { b = open(t, underlay.Config{Local: netip.MustParseAddrPort(test.remote)}) })
			deliver(t, a, b, encap.Datagram{Remote: b.Local()})
			var wire int
			inside(func() { wire = tapUDP(t, b.Local().Addr().Is6()) })
			for _, source := range []uint8{0, encap.SourceListen} {
				d := encap.Datagram{Data: pattern(test.fits), Remote: b.Local(), Source: source}
				deliver(t, a, b, d)
				checkWire(t, wire, b.Local().Addr().Is6())

				d.Data = pattern(test.fits + 1)
				if _, err := a.Send([]encap.Datagram{d}); !errors.Is(err, syscall.EMSGSIZE) {
					t.Errorf("%s, portable %v: one byte too much gives %v", test.local, portable, err)
				}
			}
			a.Close()
			b.Close()
		}
	}
	if mtu, err := underlay.MTU(netip.MustParseAddr("10.9.0.1")); mtu != 1500 || err != nil {
		t.Errorf("MTU %d: %v", mtu, err)
	}
}

// tapUDP returns a packet socket on u0 for one family.
func tapUDP(t *testing.T, v6 bool) int {
	t.Helper()
	proto := uint16(unix.ETH_P_IP)
	if v6 {
		proto = unix.ETH_P_IPV6
	}
	proto = proto<<8 | proto>>8
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, int(proto))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	limit := unix.NsecToTimeval(int64(patience / time.Nanosecond))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: proto, Ifindex: link(t, "u0").Attrs().Index}); err != nil {
		t.Fatal(err)
	}
	return fd
}

// checkWire looks at the next UDP packet that fd sees.
func checkWire(t *testing.T, fd int, v6 bool) {
	t.Helper()
	p := make([]byte, 2000)
	for {
		n, _, err := unix.Recvfrom(fd, p, 0)
		if err != nil {
			t.Fatalf("nothing on the wire: %v", err)
		}
		switch {
		case v6 && n > 48 && p[6] == unix.IPPROTO_UDP:
			if p[46] == 0 && p[47] == 0 {
				t.Error("no UDP checksum")
			}
			return
		case !v6 && n > 28 && p[9] == unix.IPPROTO_UDP:
			if p[6]&0x40 == 0 {
				t.Errorf("DF is not set: %x", p[:28])
			}
			if p[26] == 0 && p[27] == 0 {
				t.Error("no UDP checksum")
			}
			return
		}
	}
}

// The local address goes and comes back: sends fail and then work again, on the same
// sockets and from the same ports, and what is received is received again.
func TestAddressRemovedAndAdded(t *testing.T) {
	inNamespace(t)
	inside := peer(t, nil, []string{"10.9.0.2/24", "fd00:9::2/64"})
	for _, test := range []struct{ prefix, remote string }{
		{"10.9.0.1/24", "10.9.0.2"},
		{"fd00:9::1/64", "fd00:9::2"},
	} {
		for _, portable := range []bool{false, true} {
			address(t, "u0", test.prefix)
			local := netip.MustParsePrefix(test.prefix).Addr()
			a := open(t, underlay.Config{Local: netip.AddrPortFrom(local, 4789), Portable: portable})
			var b *underlay.Socket
			inside(func() {
				b = open(t, underlay.Config{Local: netip.AddrPortFrom(netip.MustParseAddr(test.remote), 4789)})
			})
			there := encap.Datagram{Remote: b.Local(), Source: 1}
			back := encap.Datagram{Remote: a.Local(), Source: 1}
			exchange := func(text string) {
				t.Helper()
				there.Data, back.Data = []byte(text), []byte(text)
				if got := deliver(t, a, b, there).Remote; got != netip.AddrPortFrom(local, a.SourcePorts()[1]) {
					t.Errorf("received from %v", got)
				}
				deliver(t, b, a, back)
			}
			exchange("before")
			removeAddress(t, "u0", test.prefix)
			for range 3 {
				if _, err := a.Send([]encap.Datagram{there}); err == nil {
					t.Errorf("sent from %v, which is gone", local)
				}
			}
			address(t, "u0", test.prefix)
			exchange("after")
			a.Close()
			b.Close()
			removeAddress(t, "u0", test.prefix)
		}
	}
}
