//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/encap"
)

// A router between two VTEPs, behind which the link is narrower than what they see:
//
//	a eth0 ---1500--- left r right ---1400--- eth0 b
const narrowLink = 1400

// routed makes the three hosts. It returns the outer ones.
func routed(t *testing.T) (a, b *netlab.Host) {
	t.Helper()
	return routedBy(t, narrowLink)
}

func routedBy(t *testing.T, narrow int) (a, b *netlab.Host) {
	t.Helper()
	lab := newLab(t)
	a, b = newHost(t, lab, "a"), newHost(t, lab, "b")
	r := newHost(t, lab, "r")
	check(t, r.Do(func() error {
		return errors.Join(
			os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0),
			os.WriteFile("/proc/sys/net/ipv6/conf/all/forwarding", []byte("1"), 0))
	}))
	check(t, lab.Link(a, "eth0", r, "left", netlab.LinkConfig{
		A: prefixes("10.9.1.1/24", "fd09:1::1/64"), B: prefixes("10.9.1.254/24", "fd09:1::fe/64")}))
	link := netlab.LinkConfig{MTU: narrow,
		A: prefixes("10.9.2.2/24", "fd09:2::2/64"), B: prefixes("10.9.2.254/24", "fd09:2::fe/64")}
	gatewaysOfB := []string{"10.9.2.254", "fd09:2::fe"}
	if narrow < encap.MinMTU6 {
		link.A, link.B, gatewaysOfB = link.A[:1], link.B[:1], gatewaysOfB[:1]
	}
	check(t, lab.Link(b, "eth0", r, "right", link))
	for h, gateways := range map[*netlab.Host][]string{a: {"10.9.1.254", "fd09:1::fe"}, b: gatewaysOfB} {
		link, err := h.Netlink().LinkByName("eth0")
		check(t, err)
		for _, g := range gateways {
			route := netlink.Route{LinkIndex: link.Attrs().Index, Gw: ip(g).AsSlice()}
			if ip(g).Is6() {
				route.Family = netlink.FAMILY_V6
			}
			check(t, h.Netlink().RouteAdd(&route))
		}
	}
	return a, b
}

// routedFamilies are the addresses of a and b.
var routedFamilies = []family{
	{"IPv4", "10.9.1.1", "10.9.2.2", 1450},
	{"IPv6", "fd09:1::1", "fd09:2::2", 1430},
}

// Whoever sends what the narrow link does not take is told so inside the overlay, by the
// tunnel: a connection goes on with smaller segments, and a socket that insists hears what
// would fit.
func TestNarrowPath(t *testing.T) {
	t.Parallel()
	for _, f := range routedFamilies {
		for _, offload := range []string{"auto", "none"} {
			t.Run(f.name+"/kernel peer/offload "+offload, func(t *testing.T) {
				t.Parallel()
				a, b := routed(t)
				check(t, b.KernelVXLAN(netlab.VXLANConfig{
					Name: "vx42", VNI: 42, Local: ip(f.b), Remotes: []netip.Addr{ip(f.a)},
					Addresses: prefixes(innerB+"/24", innerB6+"/64"), MTU: f.mtu,
				}))
				v := startVXTAP(t, a, "--vni", "42", "--local", f.a, "--remote", f.b, "--offload", offload,
					"--address", innerA+"/24", "--address", innerA6+"/64")
				carriesOn(t, a, b, v, encap.OverlayMTU(narrowLink, ip(f.a).Is6(), false, 0))
			})
		}
		t.Run(f.name+"/sealed", func(t *testing.T) {
			t.Parallel()
			a, b := routed(t)
			key := secretFile(t, sealedPSK)
			start := func(h *netlab.Host, local, remote, inner, inner6 string) *child {
				return startVXTAP(t, h, "--vni", "42", "--local", local, "--remote", remote, "--sealed", "--psk-file", key,
					"--mtu", fmt.Sprint(f.mtu-encap.SealedOverhead), "--address", inner+"/24", "--address", inner6+"/64")
			}
			va, vb := start(a, f.a, f.b, innerA, innerA6), start(b, f.b, f.a, innerB, innerB6)
			waitEpoch(t, 1, va, vb)
			carriesOn(t, a, b, va, encap.OverlayMTU(narrowLink, ip(f.a).Is6(), true, 0))
		})
	}
}

// carriesOn expects an overlay on which mtu bytes fit the path to work, and to say so.
func carriesOn(t *testing.T, a, b *netlab.Host, v *child, mtu int) {
	t.Helper()
	for _, dst := range []string{innerB, innerB6} {
		ping(t, a, dst)
		if got := toldMTU(t, a, dst); got != mtu {
			t.Errorf("to %s: told of an MTU of %d, want %d", dst, got, mtu)
		}
		_, err := netlab.Transfer(within(t), a, b, netip.AddrPortFrom(ip(dst), 0), netlab.TransferConfig{Bytes: 4 << 20, Verify: true})
		check(t, err)
		_, err = netlab.Transfer(within(t), b, a, netip.AddrPortFrom(ip(map[string]string{innerB: innerA, innerB6: innerA6}[dst]), 0),
			netlab.TransferConfig{Bytes: 4 << 20, Verify: true})
		check(t, err)
	}
	var node api.Node
	v.ask(func(ctx context.Context) (err error) {
		node, err = v.api.Node(ctx)
		return err
	})
	if p := node.Underlay.Paths; len(p) != 1 || p[0].MTU != narrowLink || p[0].HoldsSeconds == 0 {
		t.Errorf("paths %+v", p)
	}
	out := v.count().Networks[0].Out
	if out.Answers == 0 || out.Drops["too_big"] < out.Answers {
		t.Errorf("%d answers to %d frames that were too big", out.Answers, out.Drops["too_big"])
	}
}

// toldMTU sends packets as long as the device takes, not to be fragmented, until the kernel
// refuses, and returns what it has been told.
func toldMTU(t *testing.T, from *netlab.Host, dst string) (mtu int) {
	t.Helper()
	conn, err := from.DialContext(within(t), "udp", netip.AddrPortFrom(ip(dst), 9).String())
	check(t, err)
	defer conn.Close()
	raw, err := conn.(*net.UDPConn).SyscallConn()
	check(t, err)
	level, discover, do, get, header := syscall.IPPROTO_IP, syscall.IP_MTU_DISCOVER, syscall.IP_PMTUDISC_DO, syscall.IP_MTU, 28
	if ip(dst).Is6() {
		level, discover, do, get, header = syscall.IPPROTO_IPV6, syscall.IPV6_MTU_DISCOVER, syscall.IPV6_PMTUDISC_DO, syscall.IPV6_MTU, 48
	}
	ask := func(f func(fd int) error) {
		t.Helper()
		var failed error
		check(t, raw.Control(func(fd uintptr) { failed = f(int(fd)) }))
		check(t, failed)
	}
	ask(func(fd int) error { return syscall.SetsockoptInt(fd, level, discover, do) })
	get1 := func(fd int) (err error) { mtu, err = syscall.GetsockoptInt(fd, level, get); return err }
	ask(get1)
	whole := make([]byte, mtu-header)
	eventually(t, "message too long", func() bool {
		_, err := conn.Write(whole)
		return errors.Is(err, syscall.EMSGSIZE)
	})
	ask(get1)
	return mtu
}

// Devices that promise more than the tunnel has: connections never notice, since their
// SYNs say what fits.
func TestMSSClampEndToEnd(t *testing.T) {
	t.Parallel()
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			a, b := newPair(t, netlab.LinkConfig{})
			check(t, b.KernelVXLAN(netlab.VXLANConfig{
				Name: "vx42", VNI: 42, Local: ip(f.b), Remotes: []netip.Addr{ip(f.a)},
				Addresses: prefixes(innerB+"/24", innerB6+"/64"), MTU: 1500,
			}))
			v := startVXTAP(t, a, "--vni", "42", "--local", f.a, "--remote", f.b, "--mtu", "1500", "--mss-clamp",
				"--address", innerA+"/24", "--address", innerA6+"/64")
			for _, e := range []struct {
				from, to *netlab.Host
				dst      string
			}{{a, b, innerB}, {b, a, innerA}, {a, b, innerB6}, {b, a, innerA6}} {
				_, err := netlab.Transfer(within(t), e.from, e.to, netip.AddrPortFrom(ip(e.dst), 0), netlab.TransferConfig{Bytes: 4 << 20, Verify: true})
				check(t, err)
			}
			nothingLost(t, v)
			noChecksumErrors(t, a, b)
		})
	}
}
