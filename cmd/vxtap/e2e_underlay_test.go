//go:build linux

package main

import (
	"context"
	"errors"
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

// eventLog is what an agent tells.
type eventLog struct {
	t      *testing.T
	events chan api.Event
}

// listenTo listens until the test ends.
func listenTo(c *child) *eventLog {
	c.t.Helper()
	t := c.t.(*testing.T)
	l := &eventLog{t, make(chan api.Event, 1000)}
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		err := c.api.Events(ctx, func() { close(ready) }, func(e api.Event) error {
			l.events <- e
			return nil
		})
		if err != nil && ctx.Err() == nil {
			t.Error("events: ", err)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	select {
	case <-ready:
	case <-done:
		t.FailNow()
	}
	return l
}

// wait returns the next event of a kind whose message has text in it.
func (l *eventLog) wait(kind api.EventKind, text string) api.Event {
	l.t.Helper()
	ctx := within(l.t)
	for seen := ""; ; {
		select {
		case e := <-l.events:
			if e.Kind == kind && strings.Contains(e.Message, text) {
				return e
			}
			seen += describeEvent(&e) + "\n"
		case <-ctx.Done():
			l.t.Fatalf("never told of %s %q, only of\n%s", kind, text, seen)
		}
	}
}

// setMTU changes that of a host's interface.
func setMTU(t *testing.T, h *netlab.Host, ifname string, mtu int) {
	t.Helper()
	link, err := h.Netlink().LinkByName(ifname)
	check(t, err)
	check(t, h.Netlink().LinkSetMTU(link, mtu))
}

// mtuOf is that of a host's interface.
func mtuOf(t *testing.T, h *netlab.Host, ifname string) int {
	t.Helper()
	link, err := h.Netlink().LinkByName(ifname)
	check(t, err)
	return link.Attrs().MTU
}

// Devices follow the MTU of the underlay's interface, down and up again, unless theirs was
// given: then somebody is told.
func TestUnderlayMTU(t *testing.T) {
	t.Parallel()
	for _, offload := range []string{"auto", "off"} {
		for _, f := range families {
			t.Run(f.name+" offload "+offload, func(t *testing.T) {
				t.Parallel()
				a, b := newPair(t, netlab.LinkConfig{})
				va := startVXTAP(t, a, "--vni", "42", "--local", f.a, "--remote", f.b, "--address", innerA+"/24", "--offload", offload)
				vb := startVXTAP(t, b, "--vni", "42", "--local", f.b, "--remote", f.a, "--address", innerB+"/24", "--offload", offload)
				va.ask(func(ctx context.Context) error {
					_, err := va.api.Up(ctx, api.Words{"vni": {"43"}, "remote": {f.b}, "mtu": {fmt.Sprint(f.mtu)}})
					return err
				})
				ea, eb := listenTo(va), listenTo(vb)
				follow := func(mtu int) {
					t.Helper()
					setMTU(t, a, "eth0", mtu)
					setMTU(t, b, "eth0", mtu)
					want := encap.OverlayMTU(mtu, ip(f.a).Is6(), false, 0)
					for h, events := range map[*netlab.Host]*eventLog{a: ea, b: eb} {
						e := events.wait(api.EventNetworkChanged, "another MTU")
						if got := mtuOf(t, h, "vx42"); got != want || e.MTU != want || e.VNI != 42 {
							t.Errorf("on %d, host %s has %d, and tells %+v", mtu, h.Name(), got, e)
						}
					}
					if n := va.node(); n.Underlay.MTU != mtu || n.Networks[0].MTU != want || n.Networks[0].Ports[0].MTU != want {
						t.Errorf("on %d: %+v", mtu, n)
					}
					_, err := netlab.Transfer(within(t), a, b, netip.AddrPortFrom(ip(innerB), 0), netlab.TransferConfig{Bytes: 1 << 20, Verify: true})
					check(t, err)
				}
				follow(1400)
				follow(1500)
				if d := va.count().Networks[0].Out.Drops; d["too_big"] != 0 {
					t.Errorf("drops %v", d)
				}
				setMTU(t, a, "eth0", 1350)
				if e := ea.wait(api.EventUnderlay, "cannot carry frames as long"); e.VNI != 43 || mtuOf(t, a, "vx43") != f.mtu {
					t.Errorf("told %+v of a device of %d", e, mtuOf(t, a, "vx43"))
				}
			})
		}
	}
}

// An interface that was removed is followed by another of its name and with its address. A
// network that floods to a group joins it there.
func TestUnderlayMadeAnew(t *testing.T) {
	t.Parallel()
	for _, f := range groupFamilies {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			lab := newLab(t)
			a, b := newHost(t, lab, "a"), newHost(t, lab, "b")
			local := func(i int) string { return fmt.Sprintf(f.net, i) }
			bits := map[bool]string{false: "/24", true: "/64"}[ip(local(1)).Is6()]
			plug := func() {
				check(t, lab.Link(a, "eth0", b, "eth0", netlab.LinkConfig{A: prefixes(local(1) + bits), B: prefixes(local(2) + bits)}))
			}
			plug()
			args := []string{"--vni", "42", "--group", f.group, "--dev", "eth0", "--local"}
			o := &outage{t: t, a: a, b: b, injected: make(map[*netlab.Host]uint64)}
			o.va, o.vb = startVXTAP(t, a, append(args, local(1))...), startVXTAP(t, b, append(args, local(2))...)
			o.events = listenTo(o.va)
			far := listenTo(o.vb)
			o.flowBothWays()
			check(t, a.DeleteLink("eth0"))
			for _, events := range []*eventLog{o.events, far} {
				events.wait(api.EventUnderlay, "the group's interface eth0 is down or gone")
			}
			plug()
			for _, events := range []*eventLog{o.events, far} {
				events.wait(api.EventUnderlay, "the group's interface eth0 is back")
			}
			o.flowBothWays()
		})
	}
}

// An interface that is moved away is no more of use to sockets that stay: that is said, also
// by show, until it is back.
func TestUnderlayMoved(t *testing.T) {
	t.Parallel()
	lab := newLab(t)
	a, b, other := newHost(t, lab, "a"), newHost(t, lab, "b"), newHost(t, lab, "other")
	check(t, lab.Link(a, "eth0", b, "eth0", netlab.LinkConfig{A: prefixes("10.9.0.1/24"), B: prefixes("10.9.0.2/24")}))
	silence(t, a, b)
	o := &outage{t: t, a: a, b: b, injected: make(map[*netlab.Host]uint64)}
	o.va = startVXTAP(t, a, "--vni", "42", "--local", "10.9.0.1", "--remote", "10.9.0.2")
	o.vb = startVXTAP(t, b, "--vni", "42", "--local", "10.9.0.2", "--remote", "10.9.0.1")
	o.events = listenTo(o.va)
	o.flowBothWays()
	home, err := os.Open(a.Path())
	check(t, err)
	defer home.Close()
	there, err := os.Open(other.Path())
	check(t, err)
	defer there.Close()
	o.during("interface eth0, which had address 10.9.0.1, was moved to another network namespace", func() {
		check(t, a.Netlink().LinkSetNsFd(o.eth0(), int(there.Fd())))
	})
	o.after(func() {
		link, err := other.Netlink().LinkByName("eth0")
		check(t, err)
		check(t, other.Netlink().LinkSetNsFd(link, int(home.Fd())))
		check(t, a.Netlink().LinkSetUp(o.eth0()))
		check(t, a.AddAddress("eth0", netip.MustParsePrefix("10.9.0.1/24")))
	})
}

// When the route to a remote leads past a narrow link no more, nothing is known of that any
// more: what did not fit passes at once.
//
//	a eth0 ---1500--- left narrow right ---1400--- eth0 b
//	a eth1 ---1500--- left wide right -----1500--- eth1 b
func TestRouteChange(t *testing.T) {
	t.Parallel()
	lab := newLab(t)
	a, b := newHost(t, lab, "a"), newHost(t, lab, "b")
	for i, name := range []string{"narrow", "wide"} {
		r, left, right := newHost(t, lab, name), fmt.Sprintf("10.9.%d", 1+2*i), fmt.Sprintf("10.9.%d", 2+2*i)
		check(t, r.Do(func() error {
			return errors.Join(
				os.WriteFile("/proc/sys/net/ipv4/conf/all/rp_filter", []byte("0"), 0),
				os.WriteFile("/proc/sys/net/ipv4/conf/default/rp_filter", []byte("0"), 0),
				os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0))
		}))
		mtu := map[string]int{"narrow": narrowLink, "wide": 1500}[name]
		dev := fmt.Sprint("eth", i)
		check(t, lab.Link(a, dev, r, "left", netlab.LinkConfig{A: prefixes(left + ".1/24"), B: prefixes(left + ".254/24")}))
		check(t, lab.Link(b, dev, r, "right", netlab.LinkConfig{MTU: mtu, A: prefixes(right + ".2/24"), B: prefixes(right + ".254/24")}))
		if name == "wide" {
			route(t, r, "10.9.2.2/32", "10.9.4.2")
		}
	}
	route(t, a, "10.9.2.0/24", "10.9.1.254")
	route(t, b, "10.9.1.0/24", "10.9.2.254")
	va := startVXTAP(t, a, "--vni", "42", "--local", "10.9.1.1", "--remote", "10.9.2.2")
	startVXTAP(t, b, "--vni", "42", "--local", "10.9.2.2", "--remote", "10.9.1.1")
	events, arrived := listenTo(va), delivered(t, b, "vx42")
	whole := make([]byte, 1400)
	eventually(t, "the narrow link is found", func() bool {
		inject(t, a, "vx42", frame(broadcast, encap.MAC{2, 0, 0, 0, 0, 'a'}, whole))
		return len(va.node().Underlay.Paths) == 1
	})
	if p := va.node().Underlay.Paths[0]; p.MTU != narrowLink {
		t.Errorf("path %+v", p)
	}
	route(t, a, "10.9.2.0/24", "10.9.3.254")
	if e := events.wait(api.EventPath, "the route is another"); e.Remote != ip("10.9.2.2") {
		t.Errorf("told %+v", e)
	}
	if p := va.node().Underlay.Paths; len(p) != 0 {
		t.Errorf("paths %+v", p)
	}
	payload := append(whole, "the wide way"...)
	inject(t, a, "vx42", frame(broadcast, encap.MAC{2, 0, 0, 0, 0, 'a'}, payload))
	waitFor(t, arrived, payload)
}

// route has a host reach a prefix by a router, and no other.
func route(t *testing.T, h *netlab.Host, to, via string) {
	t.Helper()
	p := netip.MustParsePrefix(to)
	check(t, h.Netlink().RouteReplace(&netlink.Route{
		Dst: &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())},
		Gw:  ip(via).AsSlice(),
	}))
}
