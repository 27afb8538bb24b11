package netlab_test

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/vxtap/vxtap/dataplane/netlab"
)

func TestLink(t *testing.T) {
	a, b := pair(t, netlab.LinkConfig{MTU: 9000})
	for _, h := range []*netlab.Host{a, b} {
		link, err := h.Netlink().LinkByName("eth0")
		check(t, err)
		if attrs := link.Attrs(); attrs.MTU != 9000 || attrs.OperState != netlink.OperUp {
			t.Errorf("host %s: MTU %d, %v", h.Name(), attrs.MTU, attrs.OperState)
		}
	}
	for _, dst := range []netip.Addr{addrB, addrB6} {
		rtts, err := a.Ping(within(t), dst, 3, 1000)
		if err != nil || len(rtts) != 3 {
			t.Errorf("ping %v: %v, %v", dst, rtts, err)
		}
	}
}

func TestPingLinkLocal(t *testing.T) {
	a, b := pair(t, netlab.LinkConfig{})
	link, err := b.Netlink().LinkByName("eth0")
	check(t, err)
	addrs, err := b.Netlink().AddrList(link, netlink.FAMILY_V6)
	check(t, err)
	i := slices.IndexFunc(addrs, func(a netlink.Addr) bool { return a.IP.IsLinkLocalUnicast() })
	if i < 0 {
		t.Fatal("no link-local address")
	}
	dst, _ := netip.AddrFromSlice(addrs[i].IP)
	if _, err := a.Ping(within(t), dst.WithZone("eth0"), 1, 8); err != nil {
		t.Error(err)
	}
	if _, err := a.Ping(within(t), dst.WithZone("eth9"), 1, 8); err == nil {
		t.Error("pinged through an interface that is not there")
	}
}

func TestPingFails(t *testing.T) {
	a, _ := pair(t, netlab.LinkConfig{})
	if rtts, err := a.Ping(within(t), netip.MustParseAddr("10.9.0.77"), 1, 56); err == nil || len(rtts) != 0 {
		t.Errorf("nobody: %v, %v", rtts, err)
	}
	if _, err := a.Ping(within(t), netip.MustParseAddr("10.8.0.1"), 1, 56); err == nil {
		t.Error("no route, no error")
	}
	if _, err := a.Ping(within(t), addrB, 1, -1); err == nil {
		t.Error("a size below 0, no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Ping(ctx, netip.MustParseAddr("10.9.0.77"), 1000, 56); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestSegment(t *testing.T) {
	lab := newLab(t)
	hosts := []*netlab.Host{host(t, lab, "a"), host(t, lab, "b"), host(t, lab, "c")}
	for _, prefix := range []string{"10.9.0.0/24", "fd09::/64"} {
		addrs, err := lab.Segment(hosts, netip.MustParsePrefix(prefix))
		check(t, err)
		for i, from := range hosts {
			if _, err := from.Ping(within(t), addrs[(i+1)%3], 1, 56); err != nil {
				t.Error(err)
			}
		}
		for _, h := range hosts {
			check(t, h.DeleteLink("eth0"))
		}
	}
}

func TestWaitUp(t *testing.T) {
	lab := newLab(t)
	a := host(t, lab, "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.WaitUp(ctx, "eth0"); !errors.Is(err, context.Canceled) {
		t.Errorf("an interface that never comes: %v", err)
	}
	up := make(chan error)
	go func() { up <- a.WaitUp(within(t), "eth0") }()
	check(t, lab.Link(a, "eth0", host(t, lab, "b"), "eth0", netlab.LinkConfig{}))
	check(t, <-up)
}

func TestOffloads(t *testing.T) {
	a, _ := pair(t, netlab.LinkConfig{})
	before, err := a.Features("eth0")
	check(t, err)
	if !before["tx-checksum-ip-generic"] || !before["tx-tcp-segmentation"] {
		t.Fatalf("a veth pair without offloads: %v", before)
	}
	check(t, a.Offload("eth0", map[string]bool{"tx-checksum-ip-generic": false}))
	after, err := a.Features("eth0")
	check(t, err)
	if after["tx-checksum-ip-generic"] {
		t.Error("tx-checksum-ip-generic is still on")
	}
	// The kernel does not let a fixed feature be changed, and says nothing.
	if err := a.Offload("eth0", map[string]bool{"netns-immutable": true, "rx-all": true}); err == nil {
		t.Error("a feature that cannot be changed was no error")
	}
	check(t, a.Offload("eth0", nil))
}

func TestUnderlays(t *testing.T) {
	for _, u := range netlab.Underlays {
		t.Run(string(u), func(t *testing.T) {
			a, b := pair(t, netlab.LinkConfig{Underlay: u})
			for _, h := range []*netlab.Host{a, b} {
				have, err := h.Features("eth0")
				check(t, err)
				for name, on := range u.Features() {
					if state, known := have[name]; known && state != on {
						t.Errorf("host %s: %s is %t", h.Name(), name, state)
					}
				}
				for _, name := range []string{"tx-tcp-segmentation", "tx-tcp6-segmentation", "tx-udp-segmentation"} {
					if have[name] != (u == netlab.Super) {
						t.Errorf("host %s: %s is %t", h.Name(), name, have[name])
					}
				}
			}
			if longest := longestFrame(t, a, b); (longest > 2000) != (u == netlab.Super) {
				t.Errorf("the longest frame sent has %d bytes", longest)
			}
		})
	}
	if _, err := netlab.ParseUnderlay("fibre"); err == nil {
		t.Error("parsed an underlay that there is not")
	}
	if u, err := netlab.ParseUnderlay("bare"); u != netlab.Bare || err != nil {
		t.Errorf("parsed %v, %v", u, err)
	}
}

// longestFrame sends TCP from a to b and returns the length of the longest frame that
// arrived.
func longestFrame(t *testing.T, a, b *netlab.Host) int {
	t.Helper()
	longest := 0
	// What leaves a is captured behind the cutting, if any.
	c, err := a.Capture("eth0", func(f netlab.Frame) bool {
		if f.Outgoing {
			longest = max(longest, len(f.Data))
		}
		return false
	})
	check(t, err)
	_, err = netlab.Transfer(within(t), a, b, netip.AddrPortFrom(addrB, 0), netlab.TransferConfig{Bytes: 8 << 20})
	check(t, err)
	check(t, c.Close())
	return longest
}

func TestKernelVXLAN(t *testing.T) {
	for _, underlay := range [][2]string{{"10.9.0.1", "10.9.0.2"}, {"fd09::1", "fd09::2"}} {
		t.Run(underlay[0], func(t *testing.T) {
			a, b := pair(t, netlab.LinkConfig{})
			mac := net.HardwareAddr{2, 0, 0, 0, 0, 1}
			for i, h := range []*netlab.Host{a, b} {
				check(t, h.KernelVXLAN(netlab.VXLANConfig{
					Name:      "vx42",
					VNI:       42,
					Local:     netip.MustParseAddr(underlay[i]),
					Remotes:   []netip.Addr{netip.MustParseAddr(underlay[1-i])},
					Addresses: prefixes([]string{"192.168.77.1/24", "192.168.77.2/24"}[i], []string{"fd77::1/64", "fd77::2/64"}[i]),
					MTU:       1400,
					MAC:       mac,
				}))
				mac = net.HardwareAddr{2, 0, 0, 0, 0, 2}
			}
			c, err := b.Capture("eth0", nil)
			check(t, err)
			defer c.Close()
			for _, dst := range []string{"192.168.77.2", "fd77::2"} {
				if _, err := a.Ping(within(t), netip.MustParseAddr(dst), 2, 1300); err != nil {
					t.Error(err)
				}
			}
			_, err = netlab.Transfer(within(t), a, b, netip.MustParseAddrPort("192.168.77.2:0"), netlab.TransferConfig{Bytes: 4 << 20, Verify: true})
			check(t, err)
			link, err := b.Netlink().LinkByName("vx42")
			check(t, err)
			vx := link.(*netlink.Vxlan)
			if vx.VxlanId != 42 || vx.Port != 4789 || vx.MTU != 1400 || !vx.Learning || vx.HardwareAddr.String() != mac.String() {
				t.Errorf("device %+v", vx)
			}
			noChecksumErrors(t, a, b)
		})
	}
}

func noChecksumErrors(t *testing.T, hosts ...*netlab.Host) {
	t.Helper()
	names := []string{"TcpInCsumErrors", "UdpInCsumErrors", "Udp6InCsumErrors", "IcmpInCsumErrors", "Icmp6InCsumErrors"}
	for _, h := range hosts {
		counters, err := h.SNMP()
		check(t, err)
		for _, name := range names {
			if n, ok := counters[name]; n != 0 || !ok {
				t.Errorf("host %s: %s is %d, %t", h.Name(), name, n, ok)
			}
		}
	}
}

func TestSNMPIsTheNamespacesOwn(t *testing.T) {
	a, b := pair(t, netlab.LinkConfig{})
	_, err := a.Ping(within(t), addrB, 5, 56)
	check(t, err)
	counters, err := b.SNMP()
	check(t, err)
	if counters["IcmpInEchos"] != 5 || counters["IcmpOutEchoReps"] != 5 {
		t.Errorf("%d echo requests, %d replies", counters["IcmpInEchos"], counters["IcmpOutEchoReps"])
	}
	for _, name := range []string{"Ip6InReceives", "TcpExtTCPTimeouts", "UdpInDatagrams"} {
		if _, ok := counters[name]; !ok {
			t.Errorf("no %s among %v", name, slices.Sorted(maps.Keys(counters)))
		}
	}
}
