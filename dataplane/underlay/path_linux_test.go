package underlay_test

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/dataplane/underlay"
	"github.com/vxtap/vxtap/encap"
)

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

// DF is set, the checksum is there, and what does not fit is refused here and not cut, unless
// it may be.
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
				checkWire(t, wire, b.Local().Addr().Is6(), true)
				d.MayFragment = true
				deliver(t, a, b, d)
				checkWire(t, wire, b.Local().Addr().Is6(), false)
				d.MayFragment = false
				deliver(t, a, b, d)
				checkWire(t, wire, b.Local().Addr().Is6(), true)

				d.Data = pattern(test.fits + 1)
				if _, err := a.Send([]encap.Datagram{d}); !errors.Is(err, syscall.EMSGSIZE) {
					t.Errorf("%s, portable %v: one byte too much gives %v", test.local, portable, err)
				}
				d.MayFragment = true
				deliver(t, a, b, d)
				ignoreWire(wire)
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

// ignoreWire skips what fd has seen.
func ignoreWire(fd int) {
	for {
		if _, _, err := unix.Recvfrom(fd, make([]byte, 1), unix.MSG_DONTWAIT); err != nil {
			return
		}
	}
}

// checkWire looks at the next UDP packet that fd sees.
func checkWire(t *testing.T, fd int, v6, df bool) {
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
			if (p[6]&0x40 != 0) != df {
				t.Errorf("DF is not %v: %x", df, p[:28])
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
