package control_test

import (
	"testing"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/encap"
)

// bridgedTo is a network that is bridged to interfaces.
func bridgedTo(vni encap.VNI, devices ...string) control.NetworkSpec {
	return control.NetworkSpec{NetworkConfig: dataplane.NetworkConfig{VNI: vni}, BridgeTo: devices}
}

func TestBridgeToCheck(t *testing.T) {
	none := bridgedTo(42, "vx42")
	none.NoPort = true
	elsewhere := bridgedTo(42, "vx42")
	elsewhere.Port.NetNS = "red"
	named := bridgedTo(42, "eth1", "tap7")
	named.Port.Device = "tap7"
	for _, c := range []struct {
		spec control.NetworkSpec
		want string
	}{
		{bridgedTo(42, "eth1"), ""},
		{bridgedTo(42, "eth1.100", "eth1.101", "eth2", "br.lan", "br"), ""},
		{bridgedTo(42, "eth1", "eth1"), "eth1 and eth1"},
		{bridgedTo(42, "eth1", "eth1.100"), "eth1 and eth1.100"},
		{bridgedTo(42, "eth1.100", "eth1"), "eth1.100 and eth1"},
		{bridgedTo(42, ""), "no interface"},
		{bridgedTo(42, "eth 1"), `"eth 1"`},
		{bridgedTo(42, "a-name-that-is-longer"), "a-name-that-is-longer"},
		{bridgedTo(42, "vx42"), "own TAP"},
		{named, "own TAP"},
		{none, ""},
		{elsewhere, ""},
	} {
		says(t, c.spec.Check(control.NodeSpec{Local: local}), c.want)
	}
}

// A wire is for one network, and no TAP of the agent's is one.
func TestBridgeToClash(t *testing.T) {
	elsewhere := bridgedTo(43)
	elsewhere.Port.Device, elsewhere.Port.NetNS = "eth1", "red"
	for _, c := range []struct {
		a, b control.NetworkSpec
		want string
	}{
		{bridgedTo(42, "eth1"), bridgedTo(43, "eth2"), ""},
		{bridgedTo(42, "eth1.7"), bridgedTo(43, "eth1.8"), ""},
		{bridgedTo(42, "eth1"), elsewhere, ""},
		{bridgedTo(42, "eth1"), bridgedTo(43, "eth2", "eth1"), "interface eth1 is bridged already, as eth1, of network 42"},
		{bridgedTo(42, "eth1"), bridgedTo(43, "eth1.7"), "eth1.7 is bridged already, as eth1, of network 42"},
		{bridgedTo(42, "eth1.7"), bridgedTo(43, "eth1"), "eth1 is bridged already, as eth1.7, of network 42"},
		{bridgedTo(42), bridgedTo(43, "vx42"), "interface vx42 is a TAP of this agent, of network 42"},
		{bridgedTo(42, "vx43"), bridgedTo(43), "interface vx43 is a TAP of this agent, of network 43"},
	} {
		spec := control.Spec{Node: control.NodeSpec{Local: local}, Networks: []control.NetworkSpec{c.a, c.b}}
		says(t, spec.Check(), c.want)
	}
}
