package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/encap"
)

// The agent with many ports on a network, over devices and a wire in memory.

// portless is a network without a device of its own.
func portless(vni encap.VNI) control.NetworkSpec {
	n := networkTo(vni, false, "10.9.0.2")
	n.NoPort = true
	return n
}

func addPort(t *testing.T, a *control.Agent, vni encap.VNI, spec control.PortSpec) api.Port {
	t.Helper()
	p, err := a.AddPort(vni, spec)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// portNames lists the ports of a network.
func portNames(t *testing.T, a *control.Agent, vni encap.VNI) string {
	t.Helper()
	n, err := a.Network(vni)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, p := range n.Ports {
		names = append(names, p.Name)
	}
	return strings.Join(names, " ")
}

// frame is a broadcast from a station.
func broadcastFrom(src encap.MAC) []byte {
	f := append(append([]byte{}, encap.Broadcast[:]...), src[:]...)
	return append(f, make([]byte, 50)...)
}

// Two ports of a network without a device of its own hear each other. What is left open of
// them is filled in, and differs where it has to.
func TestAddPort(t *testing.T) {
	d := newMemDrivers()
	a := openSealed(t, d, "10.9.0.1", control.SealSpec{})
	n := portless(42)
	n.Port.MTU = 1300
	add(t, a, n)
	if got, err := a.Network(42); err != nil || got.MTU != 1300 || len(got.Ports) != 0 {
		t.Errorf("without ports it is %+v, %v", got, err)
	}
	one := addPort(t, a, 42, control.PortSpec{Device: "eth0", NetNS: "red"})
	two := addPort(t, a, 42, control.PortSpec{Device: "eth0", PID: 4711})
	three := addPort(t, a, 42, control.PortSpec{
		Name: "three", Device: "eth0", MTU: 1280, NetNS: "/run/docker/netns/x",
		Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.3/24")},
	})
	if one.Name != "eth0@red" || two.Name != "eth0@4711" || two.NetNS != "/proc/4711/ns/net" || one.Kind != control.KindTAP {
		t.Errorf("added %+v and %+v", one, two)
	}
	if one.MAC == two.MAC || !one.MAC.IsUnicast() || three.MAC != (encap.MAC{0x02, 0x42, 10, 0, 0, 3}) {
		t.Errorf("MACs %v, %v and %v", one.MAC, two.MAC, three.MAC)
	}
	if one.MTU != 1300 || three.MTU != 1280 {
		t.Errorf("MTUs %d and %d", one.MTU, three.MTU)
	}
	if got, err := a.Network(42); err != nil || got.MTU != 1280 || len(got.Ports) != 3 || !got.Ports[0].Added {
		t.Errorf("it is %+v, %v", got, err)
	}
	if s := a.Stats(); len(s.Networks[0].PortDrops) != 3 {
		t.Errorf("drops of %v", s.Networks[0].PortDrops)
	}
	sent := broadcastFrom(one.MAC)
	if !d.opened[0].Inject(sent, encap.Offload{}) {
		t.Fatal("the first port takes no frames")
	}
	for i, p := range d.opened[1:] {
		got, err := p.Receive(t.Context())
		if err != nil || string(got.Data) != string(sent) {
			t.Errorf("port %d got %x, %v", i+1, got.Data, err)
		}
	}
	// Removed and added again it has the MAC that it had.
	if err := a.RemovePort(42, "eth0@red"); err != nil {
		t.Fatal(err)
	}
	if d.opened[0].Inject(sent, encap.Offload{}) {
		t.Error("a removed port's device is open")
	}
	if again := addPort(t, a, 42, control.PortSpec{Device: "eth0", NetNS: "red"}); again.MAC != one.MAC {
		t.Errorf("MAC %v, was %v", again.MAC, one.MAC)
	}
}

func TestAddPortRefused(t *testing.T) {
	d := newMemDrivers()
	a := openSealed(t, d, "10.9.0.1", control.SealSpec{})
	add(t, a, networkTo(42, false, "10.9.0.2"))
	addPort(t, a, 42, control.PortSpec{Device: "eth0", NetNS: "red", MAC: macB})
	p := func(change func(*control.PortSpec)) control.PortSpec {
		s := control.PortSpec{Device: "eth1"}
		change(&s)
		return s
	}
	prefix, ip := netip.MustParsePrefix, netip.MustParseAddr
	for says, spec := range map[string]control.PortSpec{
		"no device":        {},
		"already exists":   {Device: "eth0", NetNS: "red"},
		"port vx42 on":     {Device: "vx42"},
		"has the MAC":      p(func(s *control.PortSpec) { s.MAC = macB }),
		"group address":    p(func(s *control.PortSpec) { s.MAC = encap.Broadcast }),
		`kind of port "x"`: p(func(s *control.PortSpec) { s.Kind = "x" }),
		"bad MTU 67":       p(func(s *control.PortSpec) { s.MTU = 67 }),
		"bad port name":    p(func(s *control.PortSpec) { s.Name = "a b" }),
		"at most 128":      p(func(s *control.PortSpec) { s.Name = strings.Repeat("x", 129) }),
		"bytes of UTF-8":   p(func(s *control.PortSpec) { s.Name = "a\xff" }),
		"without '/'":      p(func(s *control.PortSpec) { s.Name = "a/b" }),
		`port name ".."`:   p(func(s *control.PortSpec) { s.Name = ".." }),
		"bad pid -1":       p(func(s *control.PortSpec) { s.PID = -1 }),
		"once":             p(func(s *control.PortSpec) { s.PID, s.NetNS = 1, "red" }),
		"from the root on": p(func(s *control.PortSpec) { s.NetNS = "a/red" }),
		"no address of":    p(func(s *control.PortSpec) { s.Addresses = []netip.Prefix{{}} }),
		"given twice": p(func(s *control.PortSpec) {
			s.Addresses = []netip.Prefix{prefix("10.0.0.1/24"), prefix("10.0.0.1/8")}
		}),
		"10.0.0.0/24":    p(func(s *control.PortSpec) { s.Routes = []api.Route{{To: prefix("10.0.0.1/24")}} }),
		"destinations":   p(func(s *control.PortSpec) { s.Routes = []api.Route{{}} }),
		"families":       p(func(s *control.PortSpec) { s.Routes = []api.Route{{To: prefix("::/0"), Via: ip("10.0.0.1")}} }),
		"via 224.0.0.1:": p(func(s *control.PortSpec) { s.Routes = []api.Route{{To: prefix("0.0.0.0/0"), Via: ip("224.0.0.1")}} }),
	} {
		opened := len(d.opened)
		if _, err := a.AddPort(42, spec); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v, want %q", spec, err, says)
		}
		for _, p := range d.opened[opened:] {
			if p.Inject(broadcastFrom(macA), encap.Offload{}) {
				t.Errorf("%s: its device stays open", says)
			}
		}
	}
	if got := portNames(t, a, 42); got != "vx42 eth0@red" {
		t.Errorf("ports %s", got)
	}
	if _, err := a.AddPort(43, control.PortSpec{Device: "eth0"}); !errors.Is(err, api.ErrNotFound) {
		t.Errorf("on no network: %v", err)
	}
	for name, want := range map[string]error{"vx42": api.ErrExists, "eth1": api.ErrNotFound} {
		if err := a.RemovePort(42, name); !errors.Is(err, want) {
			t.Errorf("removing %s: %v", name, err)
		}
	}
	if err := a.RemovePort(43, "eth0"); !errors.Is(err, api.ErrNotFound) {
		t.Errorf("off no network: %v", err)
	}
	d.broken = errors.New("no more devices")
	if _, err := a.AddPort(42, control.PortSpec{Device: "eth1"}); !errors.Is(err, d.broken) {
		t.Errorf("a device that cannot be made: %v", err)
	}
	if got := portNames(t, a, 42); got != "vx42 eth0@red" {
		t.Errorf("ports %s", got)
	}
}

// nextEvent returns the next event of a kind.
func nextEvent(t *testing.T, events <-chan api.Event, kind api.EventKind) api.Event {
	t.Helper()
	for late := time.After(2 * time.Minute); ; {
		select {
		case e := <-events:
			if e.Kind == kind {
				return e
			}
		case <-late:
			t.Fatalf("no event %s", kind)
		}
	}
}

// A port that was added goes alone when its device does, and its name is free at once.
func TestPortGoesAlone(t *testing.T) {
	d := newMemDrivers()
	a := openSealed(t, d, "10.9.0.1", control.SealSpec{})
	events, stop := a.Events()
	defer stop()
	add(t, a, networkTo(42, false, "10.9.0.2"))
	addPort(t, a, 42, control.PortSpec{Device: "eth0", NetNS: "red"})
	if e := nextEvent(t, events, api.EventPortUp); e.VNI != 42 || e.Port != "eth0@red" {
		t.Errorf("told %+v", e)
	}
	d.opened[1].Close()
	if e := nextEvent(t, events, api.EventPortGone); e.VNI != 42 || e.Port != "eth0@red" || !strings.Contains(e.Message, "closed") {
		t.Errorf("told %+v", e)
	}
	if got := portNames(t, a, 42); got != "vx42" {
		t.Errorf("ports %s", got)
	}
	addPort(t, a, 42, control.PortSpec{Device: "eth0", NetNS: "red"})
	if err := a.RemovePort(42, "eth0@red"); err != nil {
		t.Error(err)
	}
	if e := nextEvent(t, events, api.EventPortDown); e.Port != "eth0@red" {
		t.Errorf("told %+v", e)
	}
}

// Removing a port, whose device may just have gone away, and adding it again always leaves
// the new one.
func TestPortGoneMeanwhile(t *testing.T) {
	d := newMemDrivers()
	a := openSealed(t, d, "10.9.0.1", control.SealSpec{})
	add(t, a, portless(42))
	for range 200 {
		addPort(t, a, 42, control.PortSpec{Device: "eth0"})
		d.opened[len(d.opened)-1].Close()
		if err := a.RemovePort(42, "eth0"); err != nil && !errors.Is(err, api.ErrNotFound) {
			t.Fatal(err)
		}
		addPort(t, a, 42, control.PortSpec{Device: "eth0"})
		if err := a.RemovePort(42, "eth0"); err != nil {
			t.Fatal(err)
		}
	}
}

// A port whose device is gone does not keep its name until that is told.
func TestPortAddedInPlace(t *testing.T) {
	d := newMemDrivers()
	a := openSealed(t, d, "10.9.0.1", control.SealSpec{})
	events, stop := a.Events()
	defer stop()
	add(t, a, portless(42))
	for range 100 {
		addPort(t, a, 42, control.PortSpec{Device: "eth0"})
		d.opened[len(d.opened)-1].Close()
		for taken := true; taken; { // until the VTEP has seen it
			_, err := a.AddPort(42, control.PortSpec{Device: "eth0"})
			if taken = errors.Is(err, api.ErrExists); err != nil && !taken {
				t.Fatal(err)
			}
		}
		if e := nextEvent(t, events, api.EventPortGone); e.Port != "eth0" {
			t.Errorf("told %+v", e)
		}
		if err := a.RemovePort(42, "eth0"); err != nil {
			t.Fatal(err)
		}
	}
}

// A network that a reload makes anew has the ports again that were added to it.
func TestApplyKeepsPorts(t *testing.T) {
	d := newMemDrivers()
	a := openSealed(t, d, "10.9.0.1", control.SealSpec{})
	spec := func(n ...control.NetworkSpec) control.Spec {
		return control.Spec{Node: control.NodeSpec{Local: netip.MustParseAddr("10.9.0.1")}, Networks: n}
	}
	apply(t, a, spec(networkTo(42, false, "10.9.0.2")), "+[42] -[] ~[] ![] =0 kept [] failed []")
	addPort(t, a, 42, control.PortSpec{Device: "eth0", NetNS: "red"})
	wider := networkTo(42, false, "10.9.0.2")
	wider.Port.MTU = 1300
	apply(t, a, spec(wider), "+[] -[] ~[] ![42] =0 kept [] failed []")
	n, err := a.Network(42)
	if err != nil || len(n.Ports) != 2 || n.Ports[1].Name != "eth0@red" || n.Ports[1].MTU != 1300 || !n.Ports[1].Added {
		t.Errorf("ports %+v, %v", n.Ports, err)
	}
	apply(t, a, spec(portless(42)), "+[] -[] ~[] ![42] =0 kept [] failed []")
	if got := portNames(t, a, 42); got != "eth0@red" {
		t.Errorf("ports %s", got)
	}
	d.broken = errors.New("no more devices")
	apply(t, a, spec(networkTo(42, false, "10.9.0.2")), fmt.Sprintf("+[] -[] ~[] ![] =0 kept [] failed [%s %s]",
		"network 42: no more devices; it is as it was", "network 42: port eth0@red could not be made again: no more devices"))
}

// Of a network without a device nothing can be said about one.
func TestTAPNone(t *testing.T) {
	a := openSealed(t, newMemDrivers(), "10.9.0.1", control.SealSpec{})
	for word, value := range map[string]string{"address": "10.0.0.1/24", "mac": "02:42:0a:00:00:01", "netns": "red"} {
		_, err := a.Up(api.Words{"vni": {"42"}, "tap": {"none"}, word: {value}})
		if !errors.Is(err, api.ErrInvalid) || !strings.Contains(err.Error(), "--"+word+" with --tap none") {
			t.Errorf("%s: %v", word, err)
		}
	}
	held, err := a.Up(api.Words{"vni": {"42"}, "tap": {"none"}, "mtu": {"1400"}})
	if err != nil || len(held.Network.Ports) != 0 || held.Network.MTU != 1400 {
		t.Errorf("%+v, %v", held.Network, err)
	}
}
