package tap_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/google/gopacket/layers"
	"github.com/vishvananda/netlink"

	"github.com/vxtap/vxtap/dataplane/tap"
	"github.com/vxtap/vxtap/encap"
)

// openTUN is open for a TUN.
func (h *host) openTUN(c tap.Config) *tap.Device {
	h.t.Helper()
	c.Name, c.NetNS, c.Addresses, c.MAC, c.TUN = "vx42", h.path(), kernelIPs, kernelMAC, true
	d, err := tap.Open(c)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		if err := d.Close(); err != nil {
			h.t.Error(err)
		}
	})
	return d
}

// bothDrivers runs a test with a TUN of each driver.
func bothDrivers(t *testing.T, test func(t *testing.T, h *host, d *tap.Device)) {
	for _, portable := range []bool{false, true} {
		t.Run(fmt.Sprintf("portable=%t", portable), func(t *testing.T) {
			h := newHost(t)
			test(t, h, h.openTUN(tap.Config{Portable: portable}))
		})
	}
}

// The device is one for IP, has what was asked for, and the link-local address that a TAP
// with the same MAC would have.
func TestTUNSetsUp(t *testing.T) {
	bothDrivers(t, func(t *testing.T, h *host, d *tap.Device) {
		a := h.link("vx42").Attrs()
		if len(a.HardwareAddr) != 0 || a.Flags&net.FlagUp == 0 || a.TxQLen != tap.DefaultTxQueueLen {
			t.Errorf("the interface is %+v", a)
		}
		if d.MAC() != kernelMAC || d.Name() != "vx42" || d.MTU() != 1500 {
			t.Errorf("the device says %s %d %s", d.Name(), d.MTU(), d.MAC())
		}
		h.wantAddresses("vx42")
		h.wantNoQdisc("vx42")
		have, err := d.Addressing()
		if err != nil {
			t.Fatal(err)
		}
		want := append([]netip.Prefix{netip.MustParsePrefix("fe80::42:c0ff:fea8:4d01/64")}, kernelIPs...)
		for _, p := range want {
			if !contains(have.Addresses, p) {
				t.Errorf("%v is not among %v", p, have.Addresses)
			}
		}
		if len(have.Addresses) != len(want) {
			t.Errorf("addresses %v, want %v", have.Addresses, want)
		}
	})
}

func contains[T comparable](list []T, v T) bool {
	for _, x := range list {
		if x == v {
			return true
		}
	}
	return false
}

// Packets come as frames without addresses, and go with whatever addresses there are.
func TestTUNCarries(t *testing.T) {
	bothDrivers(t, func(t *testing.T, h *host, d *tap.Device) {
		for _, f := range families {
			r := newReader(t, d)
			conn := h.udp(f.thine.String())
			if _, err := conn.WriteToUDPAddrPort([]byte("forth"), f.ours); err != nil {
				t.Fatal(err)
			}
			err := r.until(func(got *encap.Frame) bool {
				l, ok := carries(got, encap.ProtoUDP, f.thine.Addr())
				if !ok {
					return false
				}
				eth := encap.Ethernet(got.Data)
				if !eth.Dst().IsZero() || !eth.Src().IsZero() || got.Refusal != encap.RefusalNone {
					t.Errorf("%s: frame %v > %v, refusal %v", f.name, eth.Src(), eth.Dst(), got.Refusal)
				}
				if payload := got.Data[l.Payload:l.End]; string(payload) != "forth" {
					t.Errorf("%s: payload %q", f.name, payload)
				}
				if got.Offload.NeedsCSUM && !encap.CompleteChecksum(got.Data, got.Offload) {
					t.Errorf("%s: offload %+v", f.name, got.Offload)
				}
				if s := encap.VerifyChecksum(got.Data, &l); s != encap.ChecksumValid {
					t.Errorf("%s: checksum state %v", f.name, s)
				}
				return true
			})
			if err != nil {
				t.Fatal(err)
			}
			whole := frame(t, f.ours, f.thine, &layers.UDP{}, []byte("back and forth"))
			pieces := encap.Frame{Data: whole[:len(whole)-4], More: [][]byte{whole[len(whole)-4:]}}
			write(t, d.Queues()[0], encap.Frame{Data: whole}, pieces)
			for range 2 {
				buf := make([]byte, 100)
				n, err := conn.Read(buf)
				if err != nil || string(buf[:n]) != "back and forth" {
					t.Fatalf("%s: received %q, %v", f.name, buf[:n], err)
				}
			}
		}
	})
}

// What is shorter than an Ethernet header and a packet is refused, and what holds no IP
// packet the kernel refuses.
func TestTUNRefuses(t *testing.T) {
	bothDrivers(t, func(t *testing.T, _ *host, d *tap.Device) {
		for _, n := range []int{0, 13, 14} {
			if n, err := d.Queues()[0].Write([]encap.Frame{{Data: make([]byte, n)}}); n != 0 || !errors.Is(err, encap.RefusalNotIP) {
				t.Errorf("took %d, %v", n, err)
			}
		}
		if n, err := d.Queues()[0].Write([]encap.Frame{{Data: make([]byte, 60)}}); n != 0 || err == nil {
			t.Errorf("took %d without a version", n)
		}
	})
}

// Superframes and unfinished checksums go both ways, counted from the Ethernet header.
func TestTUNOffloads(t *testing.T) {
	h := newHost(t)
	d := h.openTUN(tap.Config{})
	for _, f := range d.Features() {
		if f.Err != nil {
			t.Errorf("%s: %v", f.Name, f.Err)
		}
	}
	for _, f := range families {
		r := newReader(t, d)
		conn := h.udp(f.thine.String())
		payload := bytes.Repeat([]byte("0123456789"), 500)
		data := frame(t, f.ours, f.thine, &layers.UDP{}, payload)
		small := frame(t, f.ours, f.thine, &layers.UDP{}, payload[:1000])
		write(t, d.Queues()[0], unfinished(t, small, 0), unfinished(t, data, 1000))
		for range 6 {
			buf := make([]byte, 2000)
			if n, err := conn.Read(buf); err != nil || n != 1000 {
				t.Fatalf("%s: received %d bytes, %v", f.name, n, err)
			}
		}
		segmented(t, conn, 1000)
		if _, err := conn.WriteToUDPAddrPort(payload, f.ours); err != nil {
			t.Fatal(err)
		}
		err := r.until(func(got *encap.Frame) bool {
			l, ok := carries(got, encap.ProtoUDP, f.thine.Addr())
			if !ok {
				return false
			}
			want := encap.Offload{NeedsCSUM: true, CSUMStart: uint16(l.L4), CSUMOffset: 6, GSO: encap.GSOUDP, HeaderLen: uint16(l.Payload), SegmentSize: 1000}
			if got.Offload != want {
				t.Errorf("%s: offload %+v, want %+v", f.name, got.Offload, want)
			}
			if !bytes.Equal(got.Data[l.Payload:l.End], payload) {
				t.Errorf("%s: the payload is another", f.name)
			}
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Flows keep to their queues on a TUN too, where the program sees no Ethernet header.
func TestTUNFlowsStayOnTheirQueue(t *testing.T) {
	h := newHost(t)
	d := h.openTUN(tap.Config{Queues: 3})
	for _, f := range families {
		r := newReader(t, d)
		share := map[int]int{}
		for range 32 {
			conn := h.udp(netip.AddrPortFrom(f.thine.Addr(), 0).String())
			at := conn.LocalAddr().(*net.UDPAddr).AddrPort()
			first := -1
			for round := range 3 {
				write(t, d.Queues()[round], encap.Frame{Data: frame(t, f.ours, at, &layers.UDP{}, []byte("back"))})
				if _, err := conn.WriteToUDPAddrPort([]byte("forth"), f.ours); err != nil {
					t.Fatal(err)
				}
				queue := r.queueOf(f.thine.Addr(), at.Port())
				if first >= 0 && queue != first {
					t.Errorf("%s: flow %d moved from queue %d to %d", f.name, at.Port(), first, queue)
				}
				first = queue
			}
			share[first]++
		}
		if len(share) != 3 {
			t.Errorf("%s: the flows are spread as %v", f.name, share)
		}
	}
}

// Addressing is what the kernel has now: gateways, broadcast, several ways, other tables,
// and the interface where it was moved to.
func TestTUNAddressing(t *testing.T) {
	h := newHost(t)
	d := h.openTUN(tap.Config{})
	index := h.link("vx42").Attrs().Index
	route := func(to, via string, more func(*netlink.Route)) netlink.Route {
		r := netlink.Route{LinkIndex: index, Dst: ipNet(to)}
		if via != "" {
			r.Gw = net.ParseIP(via)
		}
		if more != nil {
			more(&r)
		}
		return r
	}
	h.do(func() (err error) {
		lo, err := netlink.LinkByName("lo")
		if err == nil {
			err = netlink.LinkSetUp(lo)
		}
		for _, r := range []netlink.Route{
			route("0.0.0.0/0", "192.168.77.254", nil),
			route("10.1.0.0/16", "192.168.77.253", func(r *netlink.Route) { r.Table = 100 }),
			route("10.1.0.0/16", "192.168.77.252", nil),
			route("10.2.0.0/16", "", func(r *netlink.Route) {
				r.LinkIndex = 0
				r.MultiPath = []*netlink.NexthopInfo{{LinkIndex: 1}, {LinkIndex: index, Gw: net.ParseIP("192.168.77.251")}}
			}),
			route("10.3.0.0/16", "", func(r *netlink.Route) { r.Via = &netlink.Via{AddrFamily: 10, Addr: net.ParseIP("fd77::9")} }),
			route("::/0", "fd77::fe", nil),
		} {
			err = errors.Join(err, netlink.RouteAdd(&r))
		}
		return err
	})
	a, err := d.Addressing()
	if err != nil {
		t.Fatal(err)
	}
	via := func(s string) netip.Addr { return netip.MustParseAddr(s) }
	wants := []tap.NextHop{
		{To: netip.MustParsePrefix("0.0.0.0/0"), Via: via("192.168.77.254")},
		{To: netip.MustParsePrefix("10.1.0.0/16"), Via: via("192.168.77.252")},
		{To: netip.MustParsePrefix("10.1.0.0/16"), Via: via("192.168.77.253")},
		{To: netip.MustParsePrefix("10.2.0.0/16"), Via: via("192.168.77.251")},
		{To: netip.MustParsePrefix("10.3.0.0/16"), Via: via("fd77::9")},
		{To: netip.MustParsePrefix("::/0"), Via: via("fd77::fe")},
		{To: netip.MustParsePrefix("192.168.77.0/24")},
		{To: netip.MustParsePrefix("192.168.77.255/32"), Broadcast: true},
		{To: netip.MustParsePrefix("fd77::/64")},
	}
	for _, want := range wants {
		if !contains(a.Routes, want) {
			t.Errorf("no %+v among %+v", want, a.Routes)
		}
	}
	if indexOf(a.Routes, wants[1]) > indexOf(a.Routes, wants[2]) {
		t.Errorf("another table comes before the main one: %+v", a.Routes)
	}
	if a.Router6 {
		t.Error("says that it is a router")
	}

	other := newHost(t)
	if err := d.Move(other.path()); err != nil {
		t.Fatal(err)
	}
	moved, err := d.Addressing()
	if err != nil || len(moved.Addresses) != len(a.Addresses) || contains(moved.Routes, wants[0]) {
		t.Errorf("after the move: %+v, %v", moved, err)
	}
}

func indexOf[T comparable](list []T, v T) int {
	for i, x := range list {
		if x == v {
			return i
		}
	}
	return -1
}

func ipNet(s string) *net.IPNet {
	_, n, err := net.ParseCIDR(s)
	if err != nil {
		panic(err)
	}
	return n
}
