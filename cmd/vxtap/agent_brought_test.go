package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/crypto"
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

// A network that is held stays when its last port goes, and one that is let go stays while
// there are ports: whoever shares it, in whichever order they come and go.
func TestNetworkHeld(t *testing.T) {
	d := newMemDrivers()
	a := openSealed(t, d, "10.9.0.1", control.SealSpec{})
	held := api.Words{"vni": {"42"}, "remote": {"10.9.0.2", "10.9.0.3"}}
	brought := api.Words{"remote": {"10.9.0.3", "10.9.0.2"}}
	var h api.Held
	hold := func() {
		t.Helper()
		var err error
		if h, err = a.Hold(held); err != nil {
			t.Fatal(err)
		}
	}
	release := func() {
		t.Helper()
		if err := h.Remove(); err != nil {
			t.Error(err)
		}
	}
	for _, first := range []func(){func() { hold(); addPort(t, a, 42, bringing("red", brought)) }, func() { addPort(t, a, 42, bringing("red", brought)); hold() }} {
		first()
		if n, err := a.Network(42); err != nil || n.Passing || portNames(t, a, 42) != "eth0@red" {
			t.Errorf("it is %+v, %v", n, err)
		}
		if err := a.RemovePort(42, "eth0@red"); err != nil {
			t.Error(err)
		}
		expectNetworks(t, a, 42)
		release()
		expectNetworks(t, a)
		release()

		first()
		release()
		if n, err := a.Network(42); err != nil || !n.Passing {
			t.Errorf("it is %+v, %v", n, err)
		}
		hold() // and let go again
		release()
		if err := a.RemovePort(42, "eth0@red"); err != nil {
			t.Error(err)
		}
		expectNetworks(t, a)
	}
}

// A network that is held is made anew from its words alone, after a restart; so one that is
// unlike what they say is not taken for it, even if they are silent about it.
func TestNetworkHeldRefused(t *testing.T) {
	d := newMemDrivers()
	a := openSealed(t, d, "10.9.0.1", control.SealSpec{PSKFile: secretFile(t, crypto.PrivateKey{1}.Base64())})
	add(t, a, networkTo(7, false, "10.9.0.2"))
	for says, words := range map[string]api.Words{
		"differs in sealed":       {"remote": {"10.9.0.2"}, "sealed": {"true"}},
		"differs in remote, mtu":  {"remote": {"10.9.0.3"}, "mtu": {"1300"}},
		"differs in tap, address": {"remote": {"10.9.0.2"}, "address": {"10.0.0.1/24"}},
	} {
		addPort(t, a, 42, bringing("red", words))
		if _, err := a.Hold(api.Words{"vni": {"42"}, "remote": {"10.9.0.2"}}); !errors.Is(err, api.ErrExists) || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: %v, want %q", words, err, says)
		}
		if err := a.RemovePort(42, "eth0@red"); err != nil {
			t.Error(err)
		}
		expectNetworks(t, a, 7)
	}
	for _, vni := range []string{"7", ""} { // a network of others, and none
		if _, err := a.Hold(api.Words{"vni": {vni}, "remote": {"10.9.0.2"}}); err == nil {
			t.Errorf("network %q is held", vni)
		}
	}
}
