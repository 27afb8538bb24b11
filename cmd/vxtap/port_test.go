package main

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/encap"
)

// What the words of vxtap port mean to the agent.
func TestPortAsks(t *testing.T) {
	prefix, addr := netip.MustParsePrefix, netip.MustParseAddr
	for _, tt := range []struct {
		args string
		want []any
	}{
		{"add --network 43 --device eth0", []any{encap.VNI(43), api.PortSpec{Device: "eth0"}}},
		{
			"add --device eth0 --netns red --name r --mac 02:42:0a:09:00:0b --mtu 1400 --address 192.168.77.5/24 --address fd77::5/64" +
				" --route default=192.168.77.1 --route default=fd77::1 --route 10.0.0.0/8",
			[]any{encap.VNI(42), api.PortSpec{
				Name: "r", Device: "eth0", NetNS: "red", MAC: macB, MTU: 1400,
				Addresses: []netip.Prefix{prefix("192.168.77.5/24"), prefix("fd77::5/64")},
				Routes: []api.Route{
					{To: prefix("0.0.0.0/0"), Via: addr("192.168.77.1")}, {To: prefix("::/0"), Via: addr("fd77::1")}, {To: prefix("10.0.0.0/8")},
				},
			}},
		},
		{"add --device x --pid 7 --mtu auto --kind tun", []any{encap.VNI(42), api.PortSpec{Device: "x", PID: 7, Kind: api.KindTUN}}},
		{"del eth0@red", []any{encap.VNI(42), "eth0@red"}},
		{"delete --network 9 a%b?#", []any{encap.VNI(9), "a%b?#"}},
	} {
		a := oneNetwork()
		r := vxtap(t.Context(), a.serve(t), strings.Fields("port "+tt.args)...)
		if r.code != exitDone || r.stderr != "" || !reflect.DeepEqual(a.asked, tt.want) {
			t.Errorf("port %s: exit code %d, stderr %q, asked %+v, want %+v", tt.args, r.code, r.stderr, a.asked, tt.want)
		}
	}
}
