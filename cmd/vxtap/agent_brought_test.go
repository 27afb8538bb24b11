package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/encap"
)

// Networks that ports bring with them.

// bringing is a port in a namespace with a network in words.
func bringing(ns string, words api.Words) control.PortSpec {
	return control.PortSpec{Device: "eth0", NetNS: ns, Network: words, Owner: "test"}
}

func toPeer2() api.Words { return api.Words{"remote": {"10.9.0.2"}} }

func expectNetworks(t *testing.T, a *control.Agent, want ...encap.VNI) {
	t.Helper()
	var got []encap.VNI
	for _, n := range a.Node().Networks {
		got = append(got, n.VNI)
	}
	if len(got) != len(want) || len(got) == 1 && got[0] != want[0] {
		t.Errorf("networks %v, want %v", got, want)
	}
}

func TestPortBringsNetwork(t *testing.T) {
	d := newMemDrivers()
	a := openSealed(t, d, "10.9.0.1", control.SealSpec{})
	events, stop := a.Events()
	defer stop()
	if p := addPort(t, a, 42, bringing("red", toPeer2())); p.Owner != "test" || !p.Added {
		t.Errorf("added %+v", p)
	}
	addPort(t, a, 42, bringing("blue", toPeer2()))
	addPort(t, a, 42, control.PortSpec{Device: "eth0", NetNS: "green"}) // joins, whatever it is like
	if n, err := a.Network(42); err != nil || !n.Passing || len(n.Ports) != 3 || len(n.Remotes) != 1 {
		t.Errorf("it is %+v, %v", n, err)
	}
	for _, ns := range []string{"red", "blue"} {
		if err := a.RemovePort(42, "eth0@"+ns); err != nil {
			t.Error(err)
		}
		expectNetworks(t, a, 42)
	}
	if err := a.RemovePort(42, "eth0@green"); err != nil {
		t.Error(err)
	}
	expectNetworks(t, a)
	// So it goes with a device that is gone.
	addPort(t, a, 42, bringing("red", toPeer2()))
	d.opened[len(d.opened)-1].Close()
	for nextEvent(t, events, api.EventNetworkDown); len(a.Node().Networks) > 0; {
	}
}

func TestPortBringsNetworkWithDevice(t *testing.T) {
	d := newMemDrivers()
	a := openSealed(t, d, "10.9.0.1", control.SealSpec{})
	events, stop := a.Events()
	defer stop()
	addPort(t, a, 42, bringing("red", api.Words{"vni": {"42"}, "remote": {"10.9.0.2"}, "address": {"10.0.0.1/24"}}))
	if got := portNames(t, a, 42); got != "vx42 eth0@red" {
		t.Errorf("ports %s", got)
	}
	d.opened[0].Close() // its own; the others need it no more than each other
	nextEvent(t, events, api.EventPortGone)
	expectNetworks(t, a, 42)
	if err := a.RemovePort(42, "eth0@red"); err != nil {
		t.Error(err)
	}
	expectNetworks(t, a)
}

func TestPortBringsNetworkRefused(t *testing.T) {
	d := newMemDrivers()
	a := openSealed(t, d, "10.9.0.1", control.SealSpec{})
	add(t, a, networkTo(7, false, "10.9.0.2"))
	for says, words := range map[string]api.Words{
		"cannot bring network 43":       {"vni": {"43"}},
		`unknown word "remotes"`:        {"remotes": {"10.9.0.2"}},
		"--mac with --tap none":         {"mac": {"02:00:00:00:00:01"}},
		"contradicts the agent":         {"local": {"10.9.0.7"}},
		"device vx7 is that of network": {"tap": {"vx7"}},
	} {
		if _, err := a.AddPort(42, bringing("red", words)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: %v, want %q", words, err, says)
		}
		expectNetworks(t, a, 7)
	}
	// A network whose port cannot be made is not left without one.
	d.broken = errors.New("no more devices")
	if _, err := a.AddPort(42, bringing("red", toPeer2())); !errors.Is(err, d.broken) {
		t.Errorf("a device that cannot be made: %v", err)
	}
	expectNetworks(t, a, 7)
	d.broken = nil
	// One that is there is as the words say, or is not joined.
	for says, words := range map[string]api.Words{
		"remote 10.9.0.3,10.9.0.4 contradicts it": {"remote": {"10.9.0.3", "10.9.0.4"}},
		"mtu 1300 contradicts it":                 {"remote": {"10.9.0.2"}, "mtu": {"1300"}},
		"tap none contradicts it":                 {"tap": {"none"}},
	} {
		if _, err := a.AddPort(7, bringing("red", words)); !errors.Is(err, api.ErrExists) || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: %v, want %q", words, err, says)
		}
	}
	addPort(t, a, 7, bringing("red", toPeer2()))
	if err := a.RemovePort(7, "eth0@red"); err != nil {
		t.Error(err)
	}
	expectNetworks(t, a, 7)
}
