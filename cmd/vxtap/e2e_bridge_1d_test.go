//go:build linux

package main

import (
	"context"
	"fmt"
	"net/netip"
	"testing"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/encap"
)

// What the Linux selftest vxlan_bridge_1d wants of a bridge with a VXLAN device, here of a
// network that is bridged to an interface, with two remotes:
//
//	c eth0 --- eth1 a eth0 === switch === b eth0 (remote 1)
//	                                  === d eth0 (remote 2)
//
// c is the machine behind the local port. Nobody says anything that the test does not want,
// and every frame is known by what it carries.
type bridge1D struct {
	a, c    *netlab.Host
	v       *child
	remotes []*netlab.Host
	local   *netlab.Capture   // what c receives
	inside  []*netlab.Capture // what the remotes receive from the overlay
	sent    *netlab.Capture   // what a sends to them
}

func newBridge1D(t *testing.T, args ...string) *bridge1D {
	t.Helper()
	lab := newLab(t)
	x := &bridge1D{a: newHost(t, lab, "a"), c: newHost(t, lab, "c")}
	x.remotes = []*netlab.Host{newHost(t, lab, "b"), newHost(t, lab, "d")}
	silence(t, x.a, x.c, x.remotes[0], x.remotes[1])
	_, err := lab.Segment(append([]*netlab.Host{x.a}, x.remotes...), netip.MustParsePrefix("10.9.0.0/24"))
	check(t, err)
	check(t, lab.Link(x.c, "eth0", x.a, "eth1", netlab.LinkConfig{}))
	up := []string{"--vni", "42", "--local", underlayAddr(0), "--tap", "none", "--bridge-to", "eth1"}
	for i, h := range x.remotes {
		check(t, h.KernelVXLAN(netlab.VXLANConfig{
			Name: "vx42", VNI: 42, Local: ip(underlayAddr(i + 1)), Remotes: []netip.Addr{ip(underlayAddr(0))}, MTU: 1450,
		}))
		up = append(up, "--remote", underlayAddr(i+1))
	}
	x.v = startVXTAP(t, x.a, append(up, args...)...)
	x.local = delivered(t, x.c, "eth0")
	for _, h := range x.remotes {
		x.inside = append(x.inside, delivered(t, h, "vx42"))
	}
	x.sent = wire(t, x.a)
	for i, h := range append([]*netlab.Host{x.c}, x.remotes...) { // neighbours of the underlay know each other then
		x.fence(t, h, i-1, fmt.Sprint("first ", i))
	}
	return x
}

// fence sends a broadcast from a host and waits until it is everywhere, and with it all that
// was sent before.
func (x *bridge1D) fence(t *testing.T, from *netlab.Host, remote int, text string) {
	t.Helper()
	payload := label("fence " + text)
	inject(t, from, x.device(from), frame(broadcast, encap.MAC{2, 0xfe, 0, 0, 0, byte(remote + 1)}, payload))
	switch {
	case from == x.c:
		waitFor(t, x.inside[0], payload)
		waitFor(t, x.inside[1], payload)
		carrying(t, x.sent, payload, 2)
	default: // to the local port alone: what comes from the tunnel does not go back
		waitFor(t, x.local, payload)
	}
}

// device is the interface of a host by which it is on the network.
func (x *bridge1D) device(h *netlab.Host) string {
	if h == x.c {
		return "eth0"
	}
	return "vx42"
}

// expect sends a frame from a host and wants it so many times at the local port, and at
// each remote. remote is the number of the sender among those, or -1.
func (x *bridge1D) expect(t *testing.T, remote int, dst encap.MAC, text string, local, first, second int) {
	t.Helper()
	from := x.c
	if remote >= 0 {
		from = x.remotes[remote]
	}
	payload := label(text)
	inject(t, from, x.device(from), frame(dst, encap.MAC{2, 0, 0, 0, 1, byte(remote + 1)}, payload))
	x.fence(t, from, remote, text)
	got := [3]int{countOf(x.local, payload), countOf(x.inside[0], payload), countOf(x.inside[1], payload)}
	if want := [3]int{local, first, second}; got != want {
		t.Errorf("%s: arrived at the local port and the remotes %v times, want %v", text, got, want)
	}
	if n := len(listCarrying(x.sent, payload)); n != first+second {
		t.Errorf("%s: sent %d times", text, n)
	}
}

// What is for nobody that is known reaches the local port and every remote once; what is for
// somebody reaches his place alone, whichever that is, and no remote's frames another.
func TestBridge1DFlood(t *testing.T) {
	t.Parallel()
	x := newBridge1D(t)
	for name, dst := range map[string]encap.MAC{
		"broadcast": broadcast, "multicast": {1, 0, 0x5e, 0, 0, 1}, "unknown": {2, 0xaa, 0, 0, 0, 1},
	} {
		x.expect(t, -1, dst, name+" from the local port", 0, 1, 1)
		x.expect(t, 0, dst, name+" from remote 1", 1, 0, 0)
		x.expect(t, 1, dst, name+" from remote 2", 1, 0, 0)
	}
	local, first, second := encap.MAC{2, 0, 0, 0, 1, 0}, encap.MAC{2, 0, 0, 0, 1, 1}, encap.MAC{2, 0, 0, 0, 1, 2}
	x.v.waitLearned(first, underlayAddr(1))
	x.v.waitLearned(second, underlayAddr(2))
	x.expect(t, -1, first, "to remote 1", 0, 1, 0)
	x.expect(t, -1, second, "to remote 2", 0, 0, 1)
	x.expect(t, 0, local, "to the local port", 1, 0, 0)
	x.expect(t, -1, local, "to the sender's own side", 0, 0, 0)

	mac := encap.MAC{2, 0xbb, 0, 0, 0, 1}
	x.v.ask(func(ctx context.Context) error {
		return x.v.api.ChangeFDB(ctx, 42, api.FDBChange{Op: api.OpReplace, MAC: mac, Dst: ip(underlayAddr(1))})
	})
	x.expect(t, -1, mac, "by an entry", 0, 1, 0)
	x.v.ask(func(ctx context.Context) error { return x.v.api.DeleteFDB(ctx, 42, mac, netip.AddrPort{}) })
	x.expect(t, -1, mac, "without the entry", 0, 1, 1)
}

// A MAC that was learned is reached where it was, until it has been silent for too long;
// the remote that it was behind gets what is flooded all the while.
func TestBridge1DLearningAndAgeing(t *testing.T) {
	t.Parallel()
	x := newBridge1D(t, "--ageing", "2s")
	mac := encap.MAC{2, 0xcc, 0, 0, 0, 1}
	speak := func() { inject(t, x.remotes[0], "vx42", frame(broadcast, mac, label("here I am"))) }
	eventually(t, "it is learned, and reached there alone", func() bool {
		speak()
		_, known := x.v.entry(mac)
		return known
	})
	x.expect(t, -1, broadcast, "broadcast meanwhile", 0, 1, 1)
	eventually(t, "it is forgotten", func() bool {
		_, known := x.v.entry(mac)
		return !known
	})
	x.expect(t, -1, mac, "to the forgotten", 0, 1, 1)
}

// A machine that moves from the cable to a remote and back is followed.
func TestBridgedMachineMoves(t *testing.T) {
	t.Parallel()
	x := newBridge1D(t)
	place := func() string {
		e, known := x.v.entry(speaker)
		switch {
		case !known:
			return ""
		case e.Port != "":
			return e.Port
		}
		return e.Dst.String()
	}
	for i := range 4 {
		here := i%2 == 0
		from, want := x.c, "eth1"
		if !here {
			from, want = x.remotes[1], underlayAddr(2)
		}
		inject(t, from, x.device(from), frame(broadcast, speaker, label("here I am now")))
		eventually(t, "it is followed to "+want, func() bool { return place() == want })
		if here {
			x.expect(t, 0, speaker, fmt.Sprint("to the machine on the cable ", i), 1, 0, 0)
		} else {
			x.expect(t, -1, speaker, fmt.Sprint("to the machine behind remote 2 ", i), 0, 0, 1)
		}
	}
	if n := x.v.drops()["in loop"]; n != 0 {
		t.Errorf("%d frames were taken for a loop", n)
	}
}
