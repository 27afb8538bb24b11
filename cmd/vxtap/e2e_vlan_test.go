//go:build linux

package main

import (
	"net/netip"
	"testing"

	"github.com/vxtap/vxtap/dataplane/netlab"
)

// TCP in VLAN-tagged frames, as long as they may be, from kernel to kernel. No VLAN
// device is needed: behind each VTEP stands another host, and what crosses between it
// and the overlay gets a tag or loses it on the way.
//
//	c eth0 --- in0 a vx42 ===== vx42 b in0 --- eth0 d
//	           tag   vxtap    kernel   tag
func TestVLAN(t *testing.T) {
	t.Parallel()
	for _, f := range families {
		for _, way := range []struct {
			underlay netlab.Underlay
			offload  string
		}{{netlab.Super, "auto"}, {netlab.Bare, "auto"}, {netlab.Super, "off"}} {
			t.Run(f.name+"/"+string(way.underlay)+"/offload "+way.offload, func(t *testing.T) {
				t.Parallel()
				lab := newLab(t)
				a, b := newHost(t, lab, "a"), newHost(t, lab, "b")
				c, d := newHost(t, lab, "c"), newHost(t, lab, "d")
				check(t, lab.Link(a, "eth0", b, "eth0", netlab.LinkConfig{
					A: prefixes("10.9.0.1/24", "fd09::1/64"), B: prefixes("10.9.0.2/24", "fd09::2/64"), Underlay: way.underlay,
				}))
				inner := netlab.LinkConfig{MTU: f.mtu - vlanTag, Underlay: way.underlay}
				inner.A = prefixes(innerA+"/24", innerA6+"/64")
				check(t, lab.Link(c, "eth0", a, "in0", inner))
				inner.A = prefixes(innerB+"/24", innerB6+"/64")
				check(t, lab.Link(d, "eth0", b, "in0", inner))
				check(t, b.KernelVXLAN(netlab.VXLANConfig{
					Name: "vx42", VNI: 42, Local: ip(f.b), Remotes: []netip.Addr{ip(f.a)}, MTU: f.mtu,
				}))
				v := startVXTAP(t, a, "--vni", "42", "--local", f.a, "--remote", f.b, "--offload", way.offload)

				const vid = 77
				tagsA := tagBetween(t, a, "in0", "vx42", vid)
				tagsB := tagBetween(t, b, "in0", "vx42", vid)
				for _, dst := range []string{innerB, innerB6} {
					ping(t, c, dst)
					datagramsArrive(t, c, d, dst, 1, 1400, 8972)
					trainArrives(t, c, d, dst, 30*1000+1, 1000)
				}
				for _, e := range []struct {
					from, to *netlab.Host
					dst      string
				}{{c, d, innerB}, {d, c, innerA}, {c, d, innerB6}, {d, c, innerA6}} {
					_, err := netlab.Transfer(within(t), e.from, e.to, netip.AddrPortFrom(ip(e.dst), 0), netlab.TransferConfig{Bytes: 8 << 20, Verify: true})
					check(t, err)
				}
				for _, n := range []int64{tagsA.longest.Load(), tagsB.longest.Load()} {
					if n < int64(ethernetHeader+f.mtu) {
						t.Errorf("no tagged frame was longer than %d bytes", n)
					}
				}
				nothingLost(t, v)
				noChecksumErrors(t, a, b, c, d)
			})
		}
	}
}
