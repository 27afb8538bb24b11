package underlay_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/vxtap/vxtap/dataplane/underlay"
	"github.com/vxtap/vxtap/encap"
)

// watched is a watch of a socket at 10.9.0.1 or fd09::1 on u0, whose peer is in another
// namespace.
type watched struct {
	t *testing.T
	*underlay.Watch
	socket *underlay.Socket
	paths  *underlay.Paths
	inside func(func())
}

const (
	prefix4, prefix6 = "10.9.0.1/24", "fd09::1/64"
)

func watch(t *testing.T, local string) *watched {
	t.Helper()
	inNamespace(t)
	w := &watched{t: t}
	w.inside = peer(t, []string{prefix4, prefix6}, []string{"10.9.0.2/24", "fd09::2/64"})
	w.socket = open(t, underlay.Config{Local: netip.AddrPortFrom(netip.MustParseAddr(local), 0), Sources: 2})
	queues := []*underlay.Socket{w.socket}
	var err error
	if w.paths, err = underlay.OpenPaths(queues); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.paths.Close() })
	if w.Watch, err = underlay.OpenWatch(queues, w.paths); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	if s := w.State(); s.Trouble != "" { // the peer is brought up after
		w.until("usable", func(c underlay.Change) bool { return c.State.Trouble == "" })
	}
	return w
}

// until returns the first change that is what the test waits for.
func (w *watched) until(what string, match func(underlay.Change) bool) underlay.Change {
	w.t.Helper()
	limit := time.AfterFunc(patience, func() { w.Close() })
	defer limit.Stop()
	for {
		c, err := w.Next()
		if err != nil {
			w.t.Fatalf("waiting for %s: %v; the last state was %+v", what, err, w.State())
		}
		if match(c) {
			return c
		}
	}
}

// state waits until the state is as wanted; trouble is a part of what is said of it.
func (w *watched) state(name string, mtu int, trouble string) {
	w.t.Helper()
	w.until(fmt.Sprint(name, " ", mtu, " ", trouble), func(c underlay.Change) bool {
		s := c.State
		return s.Interface == name && s.MTU == mtu && (trouble == "") == (s.Trouble == "") && strings.Contains(s.Trouble, trouble)
	})
}

func done(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// What happens to the interface and its address is told, and what it comes to.
func TestWatchInterface(t *testing.T) {
	for _, f := range []struct{ local, prefix string }{{"10.9.0.1", prefix4}, {"fd09::1", prefix6}} {
		t.Run(f.local, func(t *testing.T) {
			w := watch(t, f.local)
			if s := w.State(); s != (underlay.State{Interface: "u0", MTU: 1500}) {
				t.Fatalf("at the beginning %+v", s)
			}
			done(t, netlink.LinkSetMTU(link(t, "u0"), 1400))
			w.state("u0", 1400, "")
			done(t, netlink.LinkSetMTU(link(t, "u0"), 1500))
			w.state("u0", 1500, "")
			w.inside(func() { done(t, netlink.LinkSetDown(link(t, "u0"))) })
			w.state("u0", 1500, "has no carrier")
			w.inside(func() { up(t, "u0") })
			w.state("u0", 1500, "")
			removeAddress(t, "u0", f.prefix)
			w.state("", 0, "no interface has address "+f.local)
			address(t, "u0", f.prefix)
			w.state("u0", 1500, "")
			done(t, netlink.LinkSetDown(link(t, "u0")))
			if f.local == "10.9.0.1" {
				w.state("u0", 1500, "is down")
			} else { // IPv6 takes the address from an interface that is down
				w.state("", 0, "no interface has address")
				address(t, "u0", f.prefix)
			}
			up(t, "u0")
			w.state("u0", 1500, "")
			done(t, netlink.LinkSetDown(link(t, "u0")))
			done(t, netlink.LinkSetName(link(t, "u0"), "wan"))
			up(t, "wan")
			address(t, "wan", map[string][]string{prefix4: {"10.9.7.7/24"}, prefix6: {prefix6}}[f.prefix]...)
			w.state("wan", 1500, "")
		})
	}
}

// An interface that is moved to another namespace is told from one that was removed; one that
// comes with the address ends either.
func TestWatchMoved(t *testing.T) {
	w := watch(t, "10.9.0.1")
	home, err := netns.Get()
	done(t, err)
	defer home.Close()
	there, err := netns.New()
	done(t, err)
	defer there.Close()
	enter(t, home)
	done(t, netlink.LinkSetNsFd(link(t, "u0"), int(there)))
	w.state("", 0, "was moved to another network namespace")
	done(t, netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "u0", MTU: 1300}}))
	address(t, "u0", prefix4)
	up(t, "u0")
	w.until("the address on another", func(c underlay.Change) bool { return c.State.Interface == "u0" })
	done(t, netlink.LinkDel(link(t, "u0")))
	w.state("", 0, "no interface has address")
}

// Messages that there was no room for are made up for.
func TestWatchOverflow(t *testing.T) {
	w := watch(t, "10.9.0.1")
	u0 := link(t, "u0")
	for i := range 3000 {
		done(t, netlink.LinkSetMTU(u0, 1300+i%2))
	}
	done(t, netlink.LinkSetMTU(u0, 1450))
	removeAddress(t, "u0", prefix4)
	address(t, "u0", prefix4)
	w.state("u0", 1450, "")
}

// Routes are told by where they lead; those that lead everywhere, and rules, as everywhere.
func TestWatchRoutes(t *testing.T) {
	w := watch(t, "10.9.0.1")
	far, everywhere := netip.MustParsePrefix("10.77.0.0/16"), netip.MustParsePrefix("0.0.0.0/0")
	route := &netlink.Route{LinkIndex: link(t, "u0").Attrs().Index, Gw: net.IPv4(10, 9, 0, 2)}
	tells := func(what string, p netip.Prefix) {
		t.Helper()
		w.until(what, func(c underlay.Change) bool {
			if p != everywhere && slices.Contains(c.Routes, everywhere) {
				t.Errorf("%s: told as %v", what, c.Routes)
			}
			return slices.Contains(c.Routes, p)
		})
	}
	_, route.Dst, _ = net.ParseCIDR(far.String())
	done(t, netlink.RouteAdd(route))
	tells("a route", far)
	route.MTU = 1400
	done(t, netlink.RouteReplace(route))
	tells("another", far)
	done(t, netlink.RouteDel(route))
	tells("its end", far)
	route.Dst = nil
	done(t, netlink.RouteAdd(route))
	tells("a default route", everywhere)
	rule := netlink.NewRule()
	rule.Table, rule.Priority = 100, 100
	done(t, netlink.RuleAdd(rule))
	tells("a rule", everywhere)
	done(t, netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}}))
	w.until("a new interface", func(c underlay.Change) bool {
		if len(c.Routes) > 0 {
			t.Errorf("a new interface changes routes to %v", c.Routes)
		}
		return len(c.Links) > 0 && c.Links[0].Name == "br0"
	})
}

// The way to a remote is the same until its route, or the interface there, is another.
func TestWay(t *testing.T) {
	w := watch(t, "10.9.0.1")
	far := netip.MustParseAddr("10.77.0.1")
	if way := w.paths.Way(far); way != "" {
		t.Errorf("without a route: %q", way)
	}
	route := &netlink.Route{LinkIndex: link(t, "u0").Attrs().Index, Gw: net.IPv4(10, 9, 0, 2)}
	_, route.Dst, _ = net.ParseCIDR("10.77.0.0/16")
	done(t, netlink.RouteAdd(route))
	seen := map[string]string{}
	another := func(what string) {
		t.Helper()
		way := w.paths.Way(far)
		if before, known := seen[way]; known || way == "" {
			t.Errorf("%s: %q, as with %s", what, way, before)
		}
		if again := w.paths.Way(far); again != way {
			t.Errorf("%s: %q, then %q", what, way, again)
		}
		seen[way] = what
	}
	another("the route")
	route.Gw = net.IPv4(10, 9, 0, 3)
	done(t, netlink.RouteReplace(route))
	another("another router")
	route.MTU = 1400
	done(t, netlink.RouteReplace(route))
	another("a route with an MTU")
	done(t, netlink.LinkSetMTU(link(t, "u0"), 1450))
	another("a narrower interface")
}

// Memberships are made anew on an interface that was made anew.
func TestWatchRejoins(t *testing.T) {
	w := watch(t, "10.9.0.1")
	group := netip.MustParseAddr("239.1.1.1")
	m, err := w.socket.Join(group, "u0")
	done(t, err)
	defer func() { done(t, m.Leave()) }()
	done(t, netlink.LinkDel(link(t, "u0")))
	w.state("", 0, "no interface has address")
	home, err := netns.Get()
	done(t, err)
	defer home.Close()
	// Another index than before, and than there.
	done(t, netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}}))
	w.inside(func() {
		done(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "u0"}, PeerName: "u0", PeerNamespace: netlink.NsFd(home)}))
		address(t, "u0", "10.9.0.2/24")
		up(t, "u0")
	})
	address(t, "u0", prefix4)
	up(t, "u0")
	c := w.until("the interface", func(c underlay.Change) bool {
		return slices.ContainsFunc(c.Links, func(l underlay.Link) bool { return l.Name == "u0" && l.Up }) && c.State.Trouble == ""
	})
	for _, l := range c.Links {
		if l.Err != nil || l.Name == "u0" && l.Index == m.Interface {
			t.Errorf("link %+v, which was %d", l, m.Interface)
		}
	}
	var far *underlay.Socket
	w.inside(func() {
		far = open(t, underlay.Config{Local: netip.MustParseAddrPort("10.9.0.2:0")})
	})
	to := netip.AddrPortFrom(group, w.socket.Local().Port())
	at := uint32(0)
	w.inside(func() { at = uint32(link(t, "u0").Attrs().Index) })
	got := deliver(t, far, w.socket, encap.Datagram{Data: []byte("to the group"), Remote: to, Interface: at, TTL: 1})
	if got.Remote.Addr() != netip.MustParseAddr("10.9.0.2") {
		t.Errorf("from %v", got.Remote)
	}
}

// Sockets of a link-local address follow its interface, which is part of it.
func TestWatchLinkLocal(t *testing.T) {
	inNamespace(t)
	inside := peer(t, []string{"fe80::1/64"}, []string{"fe80::2/64"})
	socket := open(t, underlay.Config{Local: netip.MustParseAddrPort("[fe80::1%u0]:0"), Sources: 2})
	paths, err := underlay.OpenPaths([]*underlay.Socket{socket})
	done(t, err)
	defer paths.Close()
	watch, err := underlay.OpenWatch([]*underlay.Socket{socket}, paths)
	done(t, err)
	w := &watched{t: t, Watch: watch, socket: socket, paths: paths, inside: inside}
	defer w.Close()
	home, err := netns.Get()
	done(t, err)
	defer home.Close()
	done(t, netlink.LinkDel(link(t, "u0")))
	w.state("", 0, "no interface has address")
	done(t, netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}}))
	inside(func() {
		done(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "u0"}, PeerName: "u0", PeerNamespace: netlink.NsFd(home)}))
		address(t, "u0", "fe80::2/64")
		up(t, "u0")
	})
	address(t, "u0", "fe80::1/64")
	up(t, "u0")
	w.until("the interface", func(c underlay.Change) bool {
		for _, l := range c.Links {
			if l.Err != nil {
				t.Error(l.Err)
			}
		}
		return c.State.Trouble == ""
	})
	var far *underlay.Socket
	inside(func() { far = open(t, underlay.Config{Local: netip.MustParseAddrPort("[fe80::2%u0]:0")}) })
	for _, from := range []uint8{0, 1, encap.SourceListen} {
		d := encap.Datagram{Data: []byte(fmt.Sprint("from source ", from)), Remote: far.Local(), Source: from}
		d.Remote = netip.AddrPortFrom(d.Remote.Addr().WithZone(""), d.Remote.Port())
		deliver(t, socket, far, d)
	}
	to := netip.AddrPortFrom(netip.MustParseAddr("fe80::1"), socket.Local().Port())
	deliver(t, far, socket, encap.Datagram{Data: []byte("back"), Remote: to})
	if mtu, err := paths.MTU(netip.MustParseAddr("fe80::2")); err != nil || mtu != 1500 {
		t.Errorf("MTU %d, %v", mtu, err)
	}
}

func TestWatchCloses(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	s := open(t, setup{loopback: v4}.config())
	w, err := underlay.OpenWatch([]*underlay.Socket{s}, nil)
	done(t, err)
	if s := w.State(); s.Interface != "lo" || s.Trouble != "" {
		t.Errorf("%+v", s)
	}
	ended := make(chan error)
	go func() {
		for {
			if _, err := w.Next(); err != nil { // other tests may be at work here
				ended <- err
				return
			}
		}
	}()
	done(t, w.Close())
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	done(t, w.Close())
}
