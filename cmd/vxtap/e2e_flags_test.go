//go:build linux

package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/encap"
)

// A closed network hears its remotes and no stranger; an open one hears both.
func TestClosed(t *testing.T) {
	t.Parallel()
	for _, closed := range []bool{false, true} {
		t.Run(fmt.Sprint(closed), func(t *testing.T) {
			t.Parallel()
			hosts := newSegment(t, 3)
			a, remote, stranger := hosts[0], hosts[1], hosts[2]
			silence(t, a)
			v := startVXTAP(t, a, "--vni", "42", "--local", "10.9.0.1", "--remote", "10.9.0.2", fmt.Sprintf("--closed=%t", closed))
			inside := delivered(t, a, "vx42")
			src := encap.MAC{2, 0, 0, 0, 0, 9}
			newForeigner(t, stranger, "10.9.0.1").send(42, 0, frame(broadcast, src, label("stranger")))
			newForeigner(t, remote, "10.9.0.1").send(42, 0, frame(broadcast, src, label("remote")))
			var in api.Direction
			eventually(t, "both frames are counted", func() bool {
				in = v.stats().In
				return in.Forwarded+in.Dropped == 2
			})
			heard := 1
			if closed {
				heard = 0
			}
			waitFor(t, inside, label("remote"))
			if in.Forwarded != uint64(1+heard) || in.Drops["unknown_vtep"] != uint64(1-heard) {
				t.Errorf("heard the stranger: %d; counted %+v", heard, in)
			}
			if !closed {
				waitFor(t, inside, label("stranger"))
			}
		})
	}
}

func TestClosedToTheKernel(t *testing.T) {
	t.Parallel()
	a, b, v := startPair(t, families[0], netlab.LinkConfig{}, "--closed")
	ping(t, a, innerB)
	ping(t, b, innerA)
	nothingLost(t, v)
}

// Without learning every frame floods, and the kernel's device still answers.
func TestNoLearning(t *testing.T) {
	t.Parallel()
	a, b, v := startPair(t, families[0], netlab.LinkConfig{}, "--learning=false")
	ping(t, a, innerB)
	ping(t, b, innerA)
	for _, e := range v.table() {
		if e.Class == api.ClassLearned && e.Dst.IsValid() {
			t.Errorf("learned %+v", e)
		}
	}
	nothingLost(t, v)
}

// A network of static entries needs no flooding, once neighbours are known.
func TestStaticEntries(t *testing.T) {
	t.Parallel()
	a, b := newPair(t, netlab.LinkConfig{})
	silence(t, a, b)
	check(t, b.KernelVXLAN(netlab.VXLANConfig{
		Name: "vx42", VNI: 42, Local: ip("10.9.0.2"), Remotes: []netip.Addr{ip("10.9.0.1")},
		Addresses: prefixes(innerB + "/24"), MTU: 1450,
	}))
	macB := hardwareAddr(t, b, "vx42")
	v := startVXTAP(t, a, "--vni", "42", "--local", "10.9.0.1", "--learning=false",
		"--address", innerA+"/24", "--fdb", macB.String()+"=10.9.0.2")
	setNeighbour(t, a, "vx42", innerB, macB)
	setNeighbour(t, b, "vx42", innerA, hardwareAddr(t, a, "vx42"))
	ping(t, a, innerB)
	ping(t, b, innerA)
	e, ok := v.entry(encap.MAC(macB))
	if !ok || e.Class != api.ClassStatic || e.Dst != ip("10.9.0.2") || e.DstPort != 4789 {
		t.Errorf("entry %+v, %t", e, ok)
	}
	nothingLost(t, v)
}

// The TAP lives in another namespace than the tunnel.
func TestNetNS(t *testing.T) {
	t.Parallel()
	a, b := newPair(t, netlab.LinkConfig{})
	lab := newLab(t)
	inner := newHost(t, lab, "inner")
	check(t, b.KernelVXLAN(netlab.VXLANConfig{
		Name: "vx42", VNI: 42, Local: ip("10.9.0.2"), Remotes: []netip.Addr{ip("10.9.0.1")},
		Addresses: prefixes(innerB + "/24"), MTU: 1450,
	}))
	v := startVXTAP(t, a, "--vni", "42", "--local", "10.9.0.1", "--remote", "10.9.0.2",
		"--address", innerA+"/24", "--netns", inner.Path())
	if _, err := a.Netlink().LinkByName("vx42"); err == nil {
		t.Error("the TAP is in the namespace of the tunnel")
	}
	ping(t, inner, innerB)
	ping(t, b, innerA)
	_, err := netlab.Transfer(within(t), b, inner, netip.MustParseAddrPort(innerA+":0"), netlab.TransferConfig{Bytes: 4 << 20, Verify: true})
	check(t, err)
	nothingLost(t, v)
	v.stop()
	if names := interfaces(t, inner); len(names) != 1 {
		t.Errorf("interfaces %v stay", names)
	}
}

// Without the right to have the kernel keep a flow on its queue there is one queue, and
// who asks for more is told what that costs.
func TestQueuesWithoutSteering(t *testing.T) {
	t.Parallel()
	if mode, err := os.ReadFile("/proc/sys/kernel/unprivileged_bpf_disabled"); err == nil && mode[0] == '0' {
		return // here everybody has the right
	}
	a, _ := newPair(t, netlab.LinkConfig{})
	drop := []string{"setpriv", "--bounding-set=-bpf,-sys_admin"}
	for _, test := range []struct {
		args   []string
		queues int
	}{{nil, 1}, {[]string{"--queues", "2"}, 2}} {
		v := launchThrough(t, a, drop, newSocket(t), append([]string{"up", "--vni", "42", "--local", "10.9.0.1"}, test.args...)...)
		v.waitLog("\tready\t")
		v.ask(func(ctx context.Context) error {
			node, err := v.api.Node(ctx)
			if node.Underlay.Queues != test.queues {
				t.Errorf("%q: %d queues", test.args, node.Underlay.Queues)
			}
			return err
		})
		if warned := strings.Contains(v.log.String(), "out of order"); warned != (test.queues > 1) {
			t.Errorf("%q: warned %t", test.args, warned)
		}
		v.stop()
	}
}

func TestPort(t *testing.T) {
	t.Parallel()
	a, b := newPair(t, netlab.LinkConfig{})
	check(t, b.KernelVXLAN(netlab.VXLANConfig{
		Name: "vx42", VNI: 42, Local: ip("10.9.0.2"), Remotes: []netip.Addr{ip("10.9.0.1")}, Port: 8472,
		Addresses: prefixes(innerB + "/24"), MTU: 1450,
	}))
	v := startVXTAP(t, a, "--vni", "42", "--local", "10.9.0.1", "--remote", "10.9.0.2", "--port", "8472",
		"--address", innerA+"/24")
	ping(t, a, innerB)
	ping(t, b, innerA)
	nothingLost(t, v)
}

// setNeighbour tells a host the MAC of an address once and for all.
func setNeighbour(t *testing.T, h *netlab.Host, ifname, addr string, mac net.HardwareAddr) {
	t.Helper()
	link, err := h.Netlink().LinkByName(ifname)
	check(t, err)
	check(t, h.Netlink().NeighSet(&netlink.Neigh{
		LinkIndex: link.Attrs().Index, State: netlink.NUD_PERMANENT, IP: ip(addr).AsSlice(), HardwareAddr: mac,
	}))
}
