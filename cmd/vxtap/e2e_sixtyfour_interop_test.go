//go:build linux && interop

package main

import (
	"strings"
	"testing"
)

// The same with Open vSwitch as one of the peers, beside the kernel, and with tshark to read
// the capture.
func TestSixtyFourNetworksBesideOpenVSwitch(t *testing.T) {
	t.Parallel()
	p := newProduction(t)
	p.hasSwitch = true
	o := startOVS(t, p.ovSwitch)
	o.connect("10.9.0.4", "10.9.0.1", int(switchVNI), innerOf(switchVNI, 2))
	c := p.start()
	eventually(t, "the switch answers", func() bool {
		rtts, err := p.a.Ping(within(t), ip(innerOf(switchVNI, 2)), 1, 56)
		return err == nil && len(rtts) == 1
	})
	file := p.serves(t, c)
	onWire := map[string]int{}
	for _, line := range tshark(t, file, `frame.interface_name == "wire" && icmp`, "-T", "fields", "-e", "vxlan.vni") {
		onWire[strings.TrimSpace(line)]++
	}
	atPort := map[string]int{}
	for _, line := range tshark(t, file, `frame.interface_name != "wire" && icmp`, "-T", "fields", "-e", "frame.interface_name") {
		atPort[strings.TrimSpace(line)]++
	}
	for vni := firstVNI; vni <= lastVNI; vni++ {
		if sealed := vni == sealedVNI; (onWire[vni.String()] < 6) != sealed {
			t.Errorf("network %v: tshark sees %d echoes on the wire", vni, onWire[vni.String()])
		}
	}
	if len(atPort) != 64 {
		t.Errorf("tshark sees echoes at the ports %v", atPort)
	}
}
