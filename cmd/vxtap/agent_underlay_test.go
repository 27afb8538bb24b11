package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/control/api"
)

// The agent on an underlay that changes, by a script.

// scriptedWatch tells what it is given.
type scriptedWatch struct {
	state   control.UnderlayState
	changes chan control.UnderlayChange
	fail    chan error
	closed  chan struct{}
	once    sync.Once
}

func newScriptedWatch(s control.UnderlayState) *scriptedWatch {
	return &scriptedWatch{
		state:   s,
		changes: make(chan control.UnderlayChange), fail: make(chan error), closed: make(chan struct{}),
	}
}

func (w *scriptedWatch) State() control.UnderlayState { return w.state }

func (w *scriptedWatch) Next() (control.UnderlayChange, error) {
	select {
	case c := <-w.changes:
		return c, nil
	case err := <-w.fail:
		return control.UnderlayChange{}, err
	case <-w.closed:
		return control.UnderlayChange{}, net.ErrClosed
	}
}

func (w *scriptedWatch) Close() error {
	w.once.Do(func() { close(w.closed) })
	return nil
}

// following is an agent with such a watch, and what it tells.
type following struct {
	t      *testing.T
	agent  *control.Agent
	watch  *scriptedWatch
	events <-chan api.Event
	mtus   map[string]int // of devices
	refuse error          // to change them
}

// follow starts one whose underlay is in a state, with these networks.
func follow(t *testing.T, local string, s control.UnderlayState, networks ...control.NetworkSpec) *following {
	t.Helper()
	f := &following{t: t, watch: newScriptedWatch(s), mtus: make(map[string]int)}
	mem := newMemDrivers()
	drivers := mem.drivers()
	openUnderlay, openDevice := drivers.OpenUnderlay, drivers.OpenDevice
	drivers.OpenUnderlay = func(n control.NodeSpec) (*control.Underlay, error) {
		u, err := openUnderlay(n)
		u.Watch = f.watch
		u.Join = func(netip.Addr, string) (uint32, func() error, error) { return 7, func() error { return nil }, nil }
		return u, err
	}
	drivers.OpenDevice = func(spec control.DeviceSpec) (*control.Device, error) {
		d, err := openDevice(spec)
		f.mtus[d.Name] = d.MTU
		d.SetMTU = func(mtu int) error {
			if f.refuse == nil {
				f.mtus[d.Name] = mtu
			}
			return f.refuse
		}
		return d, err
	}
	drivers.UnderlayMTU = func(netip.Addr) (int, error) { return s.MTU, nil }
	var err error
	f.agent, err = control.Open(control.AgentConfig{Node: control.NodeSpec{Local: netip.MustParseAddr(local)}, Drivers: drivers})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range networks {
		add(t, f.agent, n)
	}
	var stop func()
	f.events, stop = f.agent.Events()
	t.Cleanup(func() {
		stop()
		if err := f.agent.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// told has the agent follow a change, and expects what it tells then, a part of each
// message in turn.
func (f *following) told(c control.UnderlayChange, want ...string) {
	f.t.Helper()
	f.watch.changes <- c
	synctest.Wait()
	for _, w := range want {
		select {
		case e := <-f.events:
			if !strings.Contains(describeEvent(&e), w) {
				f.t.Errorf("told %q, not of %q", describeEvent(&e), w)
			}
		default:
			f.t.Errorf("not told of %q", w)
		}
	}
	select {
	case e := <-f.events:
		f.t.Errorf("told %q as well", describeEvent(&e))
	default:
	}
}

func (f *following) has(want string) {
	f.t.Helper()
	u := f.agent.Node().Underlay
	if got := fmt.Sprintf("%s %d %q %v", u.Interface, u.MTU, u.Trouble, f.mtus); got != want {
		f.t.Errorf("it is %s, not %s", got, want)
	}
}

func on(ifname string, mtu int, trouble string) control.UnderlayChange {
	return control.UnderlayChange{State: control.UnderlayState{Interface: ifname, MTU: mtu, Trouble: trouble}}
}

// Trouble is told when it begins, when it is another, and when it ends, and the MTU is
// remembered meanwhile.
func TestAgentUnderlayTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := follow(t, "10.9.0.1", on("eth0", 1500, "").State, networkTo(42, false, "10.9.0.2"))
		f.has(`eth0 1500 "" map[vx42:1450]`)
		f.told(on("", 0, "gone"), "underlay: the underlay is not usable: gone")
		f.has(` 1500 "gone" map[vx42:1450]`)
		f.told(on("", 0, "gone"))
		f.told(on("", 0, "moved"), "not usable: moved")
		f.told(on("eth0", 1500, ""), "usable, the local address is on interface eth0")
		f.told(on("eth0", 1500, ""))
		f.told(on("eth1", 1500, ""), "on interface eth1")
		f.has(`eth1 1500 "" map[vx42:1450]`)
		f.watch.fail <- errors.New("no more")
		synctest.Wait()
		if e := <-f.events; !strings.Contains(e.Message, "not followed any more") || !strings.Contains(e.Message, "no more") {
			t.Errorf("told %+v", e)
		}
	})
}

// Devices follow as far as that is good for them.
func TestAgentFollowsMTU(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fixed := networkTo(43, false, "10.9.0.2")
		fixed.Port.MTU = 1400
		f := follow(t, "10.9.0.1", on("eth0", 1500, "").State, networkTo(42, false, "10.9.0.2"), fixed)
		f.has(`eth0 1500 "" map[vx42:1450 vx43:1400]`)
		f.told(on("eth0", 1450, ""), "underlay mtu 1450: the underlay's interface has another MTU", "network_changed vni 42 port vx42 mtu 1400: ")
		f.has(`eth0 1450 "" map[vx42:1400 vx43:1400]`)
		f.watch.changes <- on("eth0", 1400, "")
		synctest.Wait()
		f.has(`eth0 1400 "" map[vx42:1350 vx43:1400]`)
		text := ""
		for range 3 { // networks in any order
			e := <-f.events
			text += describeEvent(&e) + "\n"
		}
		for _, part := range []string{"another MTU", "network_changed vni 42", "underlay vni 43 port vx43 mtu 1350: the underlay cannot carry"} {
			if !strings.Contains(text, part) {
				t.Errorf("told %s and not of %q", text, part)
			}
		}
		if n := f.agent.Node().Networks; n[0].MTU != 1350 || n[0].Ports[0].MTU != 1350 || n[1].MTU != 1400 {
			t.Errorf("networks %+v", n)
		}
	})
}

// A device with IPv6 keeps what that needs, one that refuses keeps what it has, and one that
// began with less goes where the underlay does.
func TestAgentFollowsMTUWithinBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := follow(t, "10.9.0.1", on("eth0", 1500, "").State, networkTo(42, false, "10.9.0.2"))
		f.told(on("eth0", 1300, ""), "another MTU", "network_changed", "cannot carry")
		f.has(`eth0 1300 "" map[vx42:1280]`)
		f.told(on("eth0", 1290, ""), "another MTU", "cannot carry")
		f.refuse = errors.New("no")
		f.told(on("eth0", 1500, ""), "another MTU", "could not follow the underlay's: no")
		f.has(`eth0 1500 "" map[vx42:1280]`)
		f.refuse = nil
		f.told(on("eth0", 9000, ""), "another MTU", "network_changed")
		f.has(`eth0 9000 "" map[vx42:8950]`)

		narrow := follow(t, "10.9.0.1", on("eth0", 1000, "").State, networkTo(42, false, "10.9.0.2"))
		narrow.told(on("eth0", 600, ""), "another MTU", "network_changed")
		narrow.has(`eth0 600 "" map[vx42:550]`)
		narrow.told(on("eth0", 100, ""), "another MTU", "cannot carry")
		narrow.has(`eth0 100 "" map[vx42:550]`)
	})
}

// A group is said to be lost and found once each.
func TestAgentFollowsGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := networkTo(42, false)
		n.Group, n.GroupDevice = netip.MustParseAddr("239.1.1.1"), "eth1"
		f := follow(t, "10.9.0.1", on("eth0", 1500, "").State, n, networkTo(43, false, "10.9.0.2"))
		link := func(l control.UnderlayLink) control.UnderlayChange {
			c := on("eth0", 1500, "")
			c.Links = []control.UnderlayLink{l}
			return c
		}
		f.told(link(control.UnderlayLink{Name: "eth2", Index: 9}))
		f.told(link(control.UnderlayLink{Name: "eth1", Index: 8, Up: true}))
		f.told(link(control.UnderlayLink{Name: "eth1", Index: 8}), "underlay vni 42: the group's interface eth1 is down or gone")
		f.told(link(control.UnderlayLink{Name: "eth1", Index: 8}))
		f.told(link(control.UnderlayLink{Name: "eth1", Index: 11, Up: true, Err: errors.New("no memory")}), "not all sockets could follow: no memory")
		f.told(link(control.UnderlayLink{Name: "eth1", Index: 11, Up: true}), "eth1 is back")
	})
}

// What is wrong from the start is told then.
func TestAgentUnderlayTroubleAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := follow(t, "10.9.0.1", on("eth0", 1500, "in a VRF").State)
		f.has(`eth0 1500 "in a VRF" map[]`)
		if got := describeNode(new(f.agent.Node()), f.agent.Node().Started); !strings.Contains(got, "\n  interface eth0 mtu 1500\n  not usable: in a VRF\n") {
			t.Errorf("shown as\n%s", got)
		}
		f.told(on("eth0", 1500, ""), "usable")
	})
}
