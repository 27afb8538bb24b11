//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/encap"
)

// The underlay may go away and come back under a running vxtap. Meanwhile frames are
// dropped as unreachable; afterwards they flow again, without a restart. Either is told.
func TestUnderlayComesBack(t *testing.T) {
	t.Parallel()
	for _, driver := range []string{"auto", "off"} {
		for _, family := range []struct{ local, remote, prefix, other string }{
			{"10.9.0.1", "10.9.0.2", "10.9.0.1/24", ""},
			{"fd09::1", "fd09::2", "fd09::1/64", ""},
			// There is still a route to the remote, but not from our address. (By IPv6
			// the kernel goes on sending from an address that it has lost.)
			{"10.9.0.1", "10.9.0.2", "10.9.0.1/24", "10.9.0.77/16"},
		} {
			t.Run(fmt.Sprintf("address %s, left %q, %s", family.local, family.other, driver), func(t *testing.T) {
				t.Parallel()
				o := newOutage(t, driver, family.local, family.remote)
				addr, err := netlink.ParseAddr(family.prefix)
				check(t, err)
				if family.other != "" {
					check(t, o.a.AddAddress("eth0", netip.MustParsePrefix(family.other)))
				}
				o.during("no interface has address "+family.local, func() { check(t, o.a.Netlink().AddrDel(o.eth0(), addr)) })
				o.after(func() { check(t, o.a.AddAddress("eth0", netip.MustParsePrefix(family.prefix))) })
			})
		}
		t.Run("interface "+driver, func(t *testing.T) {
			t.Parallel()
			o := newOutage(t, driver, "10.9.0.1", "10.9.0.2")
			o.during("interface eth0 with address 10.9.0.1 is down", func() { check(t, o.a.Netlink().LinkSetDown(o.eth0())) })
			o.after(func() { check(t, o.a.Netlink().LinkSetUp(o.eth0())) })
		})
	}
}

// outage is a pair of hosts between which frames flow, or not. Nothing else does.
type outage struct {
	t        *testing.T
	a, b     *netlab.Host
	va, vb   *child
	events   *eventLog // of va
	injected map[*netlab.Host]uint64
}

func newOutage(t *testing.T, driver, local, remote string) *outage {
	t.Helper()
	a, b := newPair(t, netlab.LinkConfig{})
	silence(t, a, b)
	o := &outage{t: t, a: a, b: b, injected: make(map[*netlab.Host]uint64)}
	o.va = startVXTAP(t, a, "--vni", "42", "--local", local, "--remote", remote, "--offload", driver)
	o.vb = startVXTAP(t, b, "--vni", "42", "--local", remote, "--remote", local, "--offload", driver)
	o.events = listenTo(o.va)
	o.flowBothWays()
	return o
}

func (o *outage) eth0() netlink.Link {
	o.t.Helper()
	link, err := o.a.Netlink().LinkByName("eth0")
	check(o.t, err)
	return link
}

// inject sends a frame into a host's TAP.
func (o *outage) inject(h *netlab.Host) {
	o.t.Helper()
	o.injected[h]++
	inject(o.t, h, "vx42", frame(broadcast, encap.MAC{2, 0, 0, 0, 0, h.Name()[0]}, label("outage")))
}

// flowBothWays expects that frames arrive, if not the first then one that follows.
func (o *outage) flowBothWays() {
	o.t.Helper()
	for from, to := range map[*netlab.Host]*child{o.a: o.vb, o.b: o.va} {
		before := to.stats().In.Forwarded
		eventually(o.t, "frames from host "+from.Name()+" arrive", func() bool {
			o.inject(from)
			return to.stats().In.Forwarded > before
		})
	}
}

// settled returns what vxtap on host a counts once it has counted all that was injected.
func (o *outage) settled() (out api.Direction) {
	o.t.Helper()
	eventually(o.t, "all frames are counted", func() bool {
		out = o.va.stats().Out
		return out.Forwarded+out.Dropped == o.injected[o.a]
	})
	return out
}

// during begins the outage, and expects it to be told, and each frame to be dropped as
// unreachable.
func (o *outage) during(trouble string, begin func()) {
	o.t.Helper()
	before := o.settled()
	begin()
	o.events.wait(api.EventUnderlay, trouble)
	if u := o.va.node().Underlay; !strings.Contains(u.Trouble, trouble) {
		o.t.Errorf("the underlay is shown as %+v", u)
	}
	const frames = 5
	for range frames {
		o.inject(o.a)
	}
	if after := o.settled(); after.Drops["unreachable"]-before.Drops["unreachable"] != frames || after.Forwarded != before.Forwarded {
		o.t.Errorf("of %d frames: before %+v, after %+v", frames, before, after)
	}
}

// after ends the outage, and expects that to be told, and frames to flow again both ways.
func (o *outage) after(end func()) {
	o.t.Helper()
	end()
	o.events.wait(api.EventUnderlay, "the underlay is usable")
	if u := o.va.node().Underlay; u.Trouble != "" || u.Interface != "eth0" || u.MTU != 1500 {
		o.t.Errorf("the underlay is shown as %+v", u)
	}
	o.flowBothWays()
}
