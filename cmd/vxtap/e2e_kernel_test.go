//go:build linux

package main

import (
	"errors"
	"maps"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vxtap/vxtap/dataplane/netlab"
)

// Addresses inside the overlay: of the host with vxtap, and of the one with the kernel's.
const (
	innerA, innerB   = "192.168.77.1", "192.168.77.2"
	innerA6, innerB6 = "fd77::1", "fd77::2"
)

// family is an underlay's.
type family struct {
	name string
	a, b string // underlay addresses of the two hosts
	mtu  int    // of an overlay over 1500 bytes
}

var families = []family{
	{"IPv4", "10.9.0.1", "10.9.0.2", 1450},
	{"IPv6", "fd09::1", "fd09::2", 1430},
}

// startPair makes a host with vxtap and one with a VXLAN device of the kernel, which
// carry a network between them.
func startPair(t *testing.T, f family, link netlab.LinkConfig, args ...string) (a, b *netlab.Host, v *child) {
	t.Helper()
	a, b = newPair(t, link)
	check(t, b.KernelVXLAN(netlab.VXLANConfig{
		Name: "vx42", VNI: 42, Local: ip(f.b), Remotes: []netip.Addr{ip(f.a)},
		Addresses: prefixes(innerB+"/24", innerB6+"/64"), MTU: f.mtu,
	}))
	v = startVXTAP(t, a, append([]string{
		"--vni", "42", "--local", f.a, "--remote", f.b,
		"--address", innerA + "/24", "--address", innerA6 + "/64",
	}, args...)...)
	return a, b, v
}

// A VXLAN device of the kernel must not notice that its peer is none. With offloads, it
// hands over superframes and checksums that nobody has finished.
func TestKernelPeer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		underlay netlab.Underlay
		args     []string
	}{
		{"default offloads", netlab.Super, nil},
		{"offloads off", netlab.Bare, nil},
		{"portable drivers", netlab.Super, []string{"--offload", "off"}},
	} {
		for _, f := range families {
			t.Run(c.name+"/"+f.name, func(t *testing.T) {
				t.Parallel()
				link := netlab.LinkConfig{Underlay: c.underlay}
				if c.underlay == netlab.Bare {
					link.Offloads = map[string]bool{"tx-checksum-ip-generic": false}
				}
				a, b, v := startPair(t, f, link, c.args...)
				if mtu := v.network().MTU; mtu != f.mtu {
					t.Errorf("the overlay's MTU is %d, not %d", mtu, f.mtu)
				}
				everythingFlows(t, a, b, f.mtu)
				tenSeconds(t, a, b)
				nothingLost(t, v)
				noChecksumErrors(t, a, b)
			})
		}
	}
}

// Two of our own, and of each kind.
func TestTwoVXTAPs(t *testing.T) {
	t.Parallel()
	for _, f := range families {
		for _, offload := range [][2]string{{"auto", "auto"}, {"auto", "off"}, {"off", "off"}} {
			t.Run(f.name+"/"+offload[0]+"-"+offload[1], func(t *testing.T) {
				t.Parallel()
				a, b := newPair(t, netlab.LinkConfig{})
				common := []string{"--vni", "16777215", "--tap", "overlay"}
				v := startVXTAP(t, a, append(common, "--local", f.a, "--remote", f.b, "--offload", offload[0],
					"--address", innerA+"/24", "--address", innerA6+"/64")...)
				w := startVXTAP(t, b, append(common, "--local", f.b, "--remote", f.a, "--offload", offload[1],
					"--address", innerB+"/24", "--address", innerB6+"/64")...)
				everythingFlows(t, a, b, f.mtu)
				nothingLost(t, v)
				nothingLost(t, w)
				noChecksumErrors(t, a, b)
			})
		}
	}
}

// everythingFlows sends all kinds of traffic between hosts that have the inner addresses.
func everythingFlows(t *testing.T, a, b *netlab.Host, mtu int) {
	t.Helper()
	ends := []struct {
		from, to *netlab.Host
		dst      string
	}{{a, b, innerB}, {b, a, innerA}, {a, b, innerB6}, {b, a, innerA6}}
	for _, e := range ends {
		ping(t, e.from, e.dst)
		full := mtu - 28 // what one packet holds
		if ip(e.dst).Is6() {
			full = mtu - 48
		}
		datagramsArrive(t, e.from, e.to, e.dst, 1, 2, 100, 1400, full, full+1, 4000, 8972)
		for _, train := range []struct{ bytes, size int }{{29*1000 + 517, 1000}, {40*full + 1, full}, {30, 1}, {2000, 1000}} {
			trainArrives(t, e.from, e.to, e.dst, train.bytes, train.size)
		}
		_, err := netlab.Transfer(within(t), e.from, e.to, netip.AddrPortFrom(ip(e.dst), 0), netlab.TransferConfig{Bytes: 16<<20 + 1, Verify: true})
		check(t, err)
	}
}

// tenSeconds runs TCP both ways at the same time, over IPv4 and IPv6.
func tenSeconds(t *testing.T, a, b *netlab.Host) {
	t.Helper()
	results := make(chan error, 4)
	transfer := func(from, to *netlab.Host, dst string) {
		_, err := netlab.Transfer(within(t), from, to, netip.AddrPortFrom(ip(dst), 0), netlab.TransferConfig{Duration: 10 * time.Second})
		results <- err
	}
	go transfer(a, b, innerB)
	go transfer(b, a, innerA)
	go transfer(a, b, innerB6)
	go transfer(b, a, innerA6)
	if err := errors.Join(<-results, <-results, <-results, <-results); err != nil {
		t.Error(err)
	}
}

// nothingLost expects that vxtap has dropped nothing since it was ready, but for want of
// room, which is how TCP learns its rate.
func nothingLost(t *testing.T, v *child) {
	t.Helper()
	s := v.stats()
	if s.In.Forwarded == 0 || s.Out.Forwarded == 0 {
		t.Errorf("forwarded %d in and %d out", s.In.Forwarded, s.Out.Forwarded)
	}
	drops := v.drops()
	for why, early := range v.early {
		if drops[why] -= early; drops[why] == 0 {
			delete(drops, why)
		}
	}
	maps.DeleteFunc(drops, func(why string, _ uint64) bool {
		return strings.HasSuffix(why, "port_full") || strings.HasSuffix(why, "send_full")
	})
	if len(drops) > 0 {
		t.Error("dropped:", drops)
	}
}

// noChecksumErrors expects that no packet reached either host's stack with a wrong
// checksum.
func noChecksumErrors(t *testing.T, hosts ...*netlab.Host) {
	t.Helper()
	for _, h := range hosts {
		counters, err := h.SNMP()
		check(t, err)
		for _, name := range []string{"TcpInCsumErrors", "UdpInCsumErrors", "Udp6InCsumErrors", "IcmpInCsumErrors", "Icmp6InCsumErrors"} {
			if n, ok := counters[name]; n != 0 || !ok {
				t.Errorf("host %s: %s is %d, %t", h.Name(), name, n, ok)
			}
		}
	}
}
