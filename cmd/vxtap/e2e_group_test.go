//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/encap"
)

// groupFamilies are underlays with a group each.
var groupFamilies = []struct{ name, net, group string }{
	{"IPv4", "10.9.0.%d", "239.1.1.1"},
	{"IPv6", "fd09::%d", "ff05::42"},
	{"IPv6 link-local group", "fd09::%d", "ff02::4242"},
}

// Three hosts on one segment, of which the second has a VXLAN device of the kernel, flood
// to a group. Each hears each broadcast once, and what is learned goes to one.
func TestGroup(t *testing.T) {
	t.Parallel()
	for _, f := range groupFamilies {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			hosts := newSegment(t, 3)
			for i, h := range hosts {
				check(t, h.AddAddress("eth0", netip.MustParsePrefix(fmt.Sprintf("fd09::%d/64", i+1))))
			}
			silence(t, hosts...)
			inner := func(i int) string { return fmt.Sprintf("192.168.77.%d", i+1) }
			local := func(i int) string { return fmt.Sprintf(f.net, i+1) }
			check(t, hosts[1].KernelVXLAN(netlab.VXLANConfig{
				Name: "vx42", VNI: 42, Local: ip(local(1)), Group: ip(f.group), GroupDevice: "eth0",
				Addresses: prefixes(inner(1) + "/24"), MTU: 1400,
			}))
			agents := map[int]*child{}
			for _, i := range []int{0, 2} {
				agents[i] = startVXTAP(t, hosts[i], "--vni", "42", "--local", local(i), "--mtu", "1400",
					"--group", f.group, "--dev", "eth0", "--address", inner(i)+"/24")
			}
			var inside []*netlab.Capture
			for _, h := range hosts {
				inside = append(inside, delivered(t, h, "vx42"))
			}
			sent := wire(t, hosts[0])
			for from, h := range hosts {
				for to := range hosts {
					if from != to {
						ping(t, h, inner(to))
					}
				}
			}
			for from, h := range hosts {
				payload := label(fmt.Sprint("to all from ", from))
				inject(t, h, "vx42", frame(broadcast, encap.MAC{2, 0, 0, 0, 0, byte(from)}, payload))
				for to := range hosts {
					if to != from {
						waitFor(t, inside[to], payload)
					}
				}
			}
			for from := range hosts { // all of the last round's have arrived by now
				payload := label(fmt.Sprint("to all from ", from))
				for to := range hosts {
					want := 1
					if to == from {
						want = 0
					}
					if got := countOf(inside[to], payload); got != want {
						t.Errorf("host %d received the broadcast of %d %d times, not %d", to, from, got, want)
					}
				}
			}
			out := carrying(t, sent, label("to all from 0"), 1)
			if len(out) != 1 || out[0].dst != ip(f.group) || out[0].src != ip(local(0)) {
				t.Errorf("the broadcast left as %+v", out)
			}
			agents[0].waitLearned(encap.MAC{2, 0, 0, 0, 0, 1}, local(1))
			payload := label("to one")
			inject(t, hosts[0], "vx42", frame(encap.MAC{2, 0, 0, 0, 0, 1}, encap.MAC{2}, payload))
			if out := carrying(t, sent, payload, 1); out[0].dst != ip(local(1)) {
				t.Errorf("what was learned left as %+v", out)
			}
			_, err := netlab.Transfer(within(t), hosts[1], hosts[0], netip.MustParseAddrPort(inner(0)+":0"),
				netlab.TransferConfig{Bytes: 4 << 20, Verify: true})
			check(t, err)
			for _, v := range agents {
				if n := v.network(); n.Group != ip(f.group) || n.GroupDevice != "eth0" {
					t.Errorf("the group is %v on %s", n.Group, n.GroupDevice)
				}
				drops := v.drops()
				delete(drops, "in split_horizon") // what the others flooded for each other
				if len(drops) > 0 {
					t.Error("dropped:", drops)
				}
			}
		})
	}
}

// Without outer checksums everything still flows, to the whole network or to one VTEP.
func TestNoOuterChecksum(t *testing.T) {
	t.Parallel()
	for _, f := range families {
		for _, word := range []string{"false", f.b + "=false"} {
			t.Run(f.name+" "+word, func(t *testing.T) {
				t.Parallel()
				a, b := newPair(t, netlab.LinkConfig{})
				for i, h := range []*netlab.Host{a, b} {
					local, remote := f.a, f.b
					if i == 1 {
						local, remote = f.b, f.a
					}
					args := []string{"--vni", "42", "--local", local, "--remote", remote, "--address", fmt.Sprintf("192.168.77.%d/24", i+1)}
					if i == 0 {
						args = append(args, "--udpcsum", word)
					}
					v := startVXTAP(t, h, args...)
					defer nothingLost(t, v)
				}
				sums := capture(t, a, "eth0", func(x netlab.Frame) bool {
					_, ok := decodeOuter(x)
					return ok && x.Outgoing
				})
				ping(t, a, innerB)
				_, err := netlab.Transfer(within(t), a, b, netip.MustParseAddrPort(innerB+":0"), netlab.TransferConfig{Bytes: 4 << 20, Verify: true})
				check(t, err)
				_, err = netlab.Transfer(within(t), b, a, netip.MustParseAddrPort(innerA+":0"), netlab.TransferConfig{Bytes: 4 << 20, Verify: true})
				check(t, err)
				frames := sums.Frames()
				for _, x := range frames {
					at := 14 + 20 + 6
					if ip(f.a).Is6() {
						at += 20
					}
					if x.Data[at] != 0 || x.Data[at+1] != 0 || len(x.Data) > 1600 {
						t.Fatalf("of %d bytes, the checksum is %x", len(x.Data), x.Data[at:at+2])
					}
				}
				if len(frames) < 1000 {
					t.Errorf("only %d packets", len(frames))
				}
			})
		}
	}
}
