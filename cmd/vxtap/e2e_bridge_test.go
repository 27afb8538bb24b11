//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/encap"
)

// A machine that runs no vxtap, behind an interface of a host that does:
//
//	c eth0 ------ eth1 a eth0 ====== eth0 b
//	              vxtap              VXLAN of the kernel, or vxtap
//
// c has innerA and b has innerB, and each its IPv6 address.
type bridged struct {
	lab     *netlab.Lab
	a, b, c *netlab.Host
}

// newBridged makes the hosts. The cable to c is like the underlay, unless it says more.
func newBridged(t *testing.T, underlay, cable netlab.LinkConfig) *bridged {
	t.Helper()
	x := &bridged{lab: newLab(t)}
	x.a, x.b, x.c = newHost(t, x.lab, "a"), newHost(t, x.lab, "b"), newHost(t, x.lab, "c")
	underlay.A, underlay.B = prefixes("10.9.0.1/24", "fd09::1/64"), prefixes("10.9.0.2/24", "fd09::2/64")
	check(t, x.lab.Link(x.a, "eth0", x.b, "eth0", underlay))
	cable.A = prefixes(innerA+"/24", innerA6+"/64")
	check(t, x.lab.Link(x.c, "eth0", x.a, "eth1", cable))
	return x
}

// peer gives b a VXLAN device of the kernel.
func (x *bridged) peer(t *testing.T, f family) {
	t.Helper()
	check(t, x.b.KernelVXLAN(netlab.VXLANConfig{
		Name: "vx42", VNI: 42, Local: ip(f.b), Remotes: []netip.Addr{ip(f.a)},
		Addresses: prefixes(innerB+"/24", innerB6+"/64"), MTU: f.mtu,
	}))
}

// start starts vxtap on a, bridged to an interface and without a TAP.
func (x *bridged) start(t *testing.T, f family, device string, args ...string) *child {
	t.Helper()
	return startVXTAP(t, x.a, append([]string{"--vni", "42", "--local", f.a, "--remote", f.b, "--tap", "none", "--bridge-to", device}, args...)...)
}

// The machine must not notice that there is no cable to the other end, nor that end that
// there is one at the other.
func TestBridgeTo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name            string
		underlay, cable netlab.Underlay
		args            []string
	}{
		{"all offloads", netlab.Super, netlab.Super, nil},
		{"several queues", netlab.Super, netlab.Super, []string{"--queues", "3"}},
		{"none on the cable", netlab.Super, netlab.Bare, nil},
		{"none on the underlay", netlab.Bare, netlab.Super, nil},
		{"network cards", netlab.Wire, netlab.Wire, nil},
		{"none of ours", netlab.Super, netlab.Super, []string{"--offload", "none"}},
		{"portable drivers", netlab.Super, netlab.Super, []string{"--offload", "off"}},
	} {
		for _, f := range families {
			t.Run(c.name+"/"+f.name, func(t *testing.T) {
				t.Parallel()
				x := newBridged(t, netlab.LinkConfig{Underlay: c.underlay}, netlab.LinkConfig{Underlay: c.cable, MTU: f.mtu})
				x.peer(t, f)
				v := x.start(t, f, "eth1", c.args...)
				allFlows(t, x.c, x.b, f.mtu)
				nothingLost(t, v)
				noChecksumErrors(t, x.a, x.b, x.c)
			})
		}
	}
}

// Two of ours, sealed, and a TAP on the host in between: all three reach each other.
func TestBridgeToSealed(t *testing.T) {
	t.Parallel()
	const here, here6 = "192.168.77.9", "fd77::9"
	x := newBridged(t, netlab.LinkConfig{}, netlab.LinkConfig{MTU: 1418})
	key := secretFile(t, sealedPSK)
	common := []string{"--vni", "42", "--sealed", "--psk-file", key}
	v := startVXTAP(t, x.a, append(common, "--local", "10.9.0.1", "--remote", "10.9.0.2", "--bridge-to", "eth1",
		"--address", here+"/24", "--address", here6+"/64")...)
	w := startVXTAP(t, x.b, append(common, "--local", "10.9.0.2", "--remote", "10.9.0.1",
		"--address", innerB+"/24", "--address", innerB6+"/64")...)
	waitEpoch(t, 1, v, w)
	allFlows(t, x.c, x.b, 1418)
	for _, dst := range []string{here, here6} {
		ping(t, x.c, dst)
		ping(t, x.b, dst)
		for _, from := range []*netlab.Host{x.b, x.c} {
			_, err := netlab.Transfer(within(t), from, x.a, netip.AddrPortFrom(ip(dst), 0), netlab.TransferConfig{Bytes: 4 << 20, Verify: true})
			check(t, err)
		}
	}
	_, err := netlab.Transfer(within(t), x.a, x.c, netip.AddrPortFrom(ip(innerA), 0), netlab.TransferConfig{Bytes: 4 << 20, Verify: true})
	check(t, err)
	nothingLost(t, v)
	noChecksumErrors(t, x.a, x.b, x.c)
}

// A machine with an MTU of its own is told by the tunnel what fits, as by a router.
func TestBridgeToTellsOfTooBig(t *testing.T) {
	t.Parallel()
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			x := newBridged(t, netlab.LinkConfig{}, netlab.LinkConfig{})
			x.peer(t, f)
			v := x.start(t, f, "eth1")
			for _, dst := range []string{innerB, innerB6} {
				ping(t, x.c, dst)
				if got := toldMTU(t, x.c, dst); got != f.mtu {
					t.Errorf("to %s: told of an MTU of %d, want %d", dst, got, f.mtu)
				}
				_, err := netlab.Transfer(within(t), x.c, x.b, netip.AddrPortFrom(ip(dst), 0), netlab.TransferConfig{Bytes: 4 << 20, Verify: true})
				check(t, err)
			}
			if out := v.stats().Out; out.Answers == 0 || out.Drops["too_big"] < out.Answers {
				t.Errorf("%d answers to %d frames that were too big", out.Answers, out.Drops["too_big"])
			}
			noChecksumErrors(t, x.a, x.b, x.c)
		})
	}
}

// One VLAN on the cable: s, which is a host with nothing but two interfaces, gives what the
// machine sends a tag, and takes it off what comes back.
//
//	c eth0 --- in0 s out0 --- eth1 a
func TestBridgeToVLAN(t *testing.T) {
	t.Parallel()
	for _, way := range []struct {
		underlay netlab.Underlay
		offload  string
	}{{netlab.Super, "auto"}, {netlab.Bare, "auto"}, {netlab.Super, "none"}} {
		t.Run(string(way.underlay)+"/offload "+way.offload, func(t *testing.T) {
			t.Parallel()
			f := families[0]
			x := newBridged(t, netlab.LinkConfig{Underlay: way.underlay}, netlab.LinkConfig{})
			x.peer(t, f)
			s := newHost(t, x.lab, "s")
			d := newHost(t, x.lab, "d")
			check(t, x.lab.Link(d, "eth0", s, "in0", netlab.LinkConfig{MTU: f.mtu, Underlay: way.underlay, A: prefixes("192.168.77.4/24", "fd77::4/64")}))
			check(t, x.lab.Link(s, "out0", x.a, "eth2", netlab.LinkConfig{Underlay: way.underlay}))
			const vid = 100
			tagBetween(t, s, "in0", "out0", vid)
			v := x.start(t, f, fmt.Sprintf("eth2.%d", vid), "--offload", way.offload)
			for _, e := range []struct {
				from, to *netlab.Host
				dst      string
			}{{d, x.b, innerB}, {x.b, d, "192.168.77.4"}, {d, x.b, innerB6}, {x.b, d, "fd77::4"}} {
				ping(t, e.from, e.dst)
				datagramsArrive(t, e.from, e.to, e.dst, 1, 1400, 8972)
				trainArrives(t, e.from, e.to, e.dst, 30*1000+1, 1000)
				_, err := netlab.Transfer(within(t), e.from, e.to, netip.AddrPortFrom(ip(e.dst), 0), netlab.TransferConfig{Bytes: 8 << 20, Verify: true})
				check(t, err)
			}
			// Without a tag, or with another, a frame is on another network.
			onWire := wire(t, x.a)
			stranger, mark := label("no tag"), label("the last")
			inject(t, s, "out0", frame(broadcast, speaker, stranger))
			inject(t, d, "eth0", frame(broadcast, asker, mark))
			carrying(t, onWire, mark, 1)
			if n := len(listCarrying(onWire, stranger)); n != 0 {
				t.Errorf("a frame without a tag was carried %d times", n)
			}
			nothingLost(t, v)
			noChecksumErrors(t, x.b, d)
		})
	}
}

// What the agent says of the port, and what of an interface that is unusual.
func TestBridgeToIsShown(t *testing.T) {
	t.Parallel()
	x := newBridged(t, netlab.LinkConfig{}, netlab.LinkConfig{MTU: 1400})
	check(t, x.a.AddAddress("eth1", netip.MustParsePrefix("192.168.77.9/24")))
	v := x.start(t, families[0], "eth1")
	n := v.network()
	if len(n.Ports) != 1 {
		t.Fatalf("%d ports", len(n.Ports))
	}
	p := n.Ports[0]
	if p.Name != "eth1" || p.Kind != api.KindInterface || p.Device != "eth1" || p.MTU != 1400 || p.Driver != "linux packet" ||
		p.MAC.String() != hardwareAddr(t, x.a, "eth1").String() || p.Added {
		t.Errorf("port %+v", p)
	}
	for _, o := range p.Offloads {
		if !o.InForce {
			t.Errorf("offload %s: %s", o.Name, o.Why)
		}
	}
	notes := strings.Join(p.Notes, "\n")
	for _, want := range []string{"192.168.77.9/24", "MTU of 1400, the network of 1450"} {
		if !strings.Contains(notes, want) {
			t.Errorf("the notes do not say %q: %s", want, notes)
		}
		v.waitLog(want)
	}
	if _, known := v.entry(encap.MAC(hardwareAddr(t, x.a, "eth1"))); !known {
		t.Error("the interface's own MAC is not in the table")
	}
}

// A machine with a tunnel of its own, as a node of a lab has one, hands over superframes
// inside it: they are carried like others, and no slower than a wire would.
func TestBridgeToNestedTunnel(t *testing.T) {
	t.Parallel()
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			x := newBridged(t, netlab.LinkConfig{}, netlab.LinkConfig{MTU: f.mtu})
			x.peer(t, f)
			v := x.start(t, f, "eth1")
			nested := func(h *netlab.Host, local, remote, address string) {
				check(t, h.KernelVXLAN(netlab.VXLANConfig{
					Name: "vx7", VNI: 7, Port: 4790, Local: ip(local), Remotes: []netip.Addr{ip(remote)}, Addresses: prefixes(address + "/24"), MTU: 1300,
				}))
			}
			nested(x.c, innerA6, innerB6, "172.16.0.1")
			nested(x.b, innerB6, innerA6, "172.16.0.2")
			ping(t, x.c, "172.16.0.2")
			trainArrives(t, x.c, x.b, "172.16.0.2", 29*1000+517, 1000)
			for _, e := range []struct {
				from, to *netlab.Host
				dst      string
			}{{x.c, x.b, "172.16.0.2"}, {x.b, x.c, "172.16.0.1"}} {
				_, err := netlab.Transfer(within(t), e.from, e.to, netip.AddrPortFrom(ip(e.dst), 0), netlab.TransferConfig{Bytes: 8 << 20, Verify: true})
				check(t, err)
			}
			nothingLost(t, v)
			noChecksumErrors(t, x.b, x.c)
		})
	}
}
