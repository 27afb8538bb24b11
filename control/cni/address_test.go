//go:build linux

package cni

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	current "github.com/containernetworking/cni/pkg/types/100"

	"github.com/vxtap/vxtap/control/api"
)

// What an address plugin answers becomes addresses and routes of a port; routes without a
// gateway take that of their family's first address.
func TestAddress(t *testing.T) {
	const two = `"ips":[{"address":"10.0.0.5/24","gateway":"10.0.0.1"},{"address":"fd00::5/64","gateway":"fd00::1"},{"address":"10.1.0.5/24","gateway":"10.1.0.1"}]`
	for answer, want := range map[string]string{
		`{}`:            "[] []",
		`{` + two + `}`: "[10.0.0.5/24 fd00::5/64 10.1.0.5/24] []",
		`{` + two + `,"routes":[{"dst":"0.0.0.0/0"},{"dst":"::/0"},{"dst":"10.2.0.0/16","gw":"10.1.0.9"}]}`: "[10.0.0.5/24 fd00::5/64 10.1.0.5/24] [{0.0.0.0/0 10.0.0.1} {::/0 fd00::1} {10.2.0.0/16 10.1.0.9}]",
		`{"ips":[{"address":"10.0.0.5/24"}],"routes":[{"dst":"0.0.0.0/0"},{"dst":"10.3.0.7/16"}]}`:          "[10.0.0.5/24] [{0.0.0.0/0 invalid IP} {10.3.0.0/16 invalid IP}]",
		`{"routes":[{"dst":"0.0.0.0/0","priority":7}]}`:                                                     "route to 0.0.0.0/0 has an mtu, advmss, priority",
		`{"routes":[{"dst":"0.0.0.0/0","table":7}]}`:                                                        "want dst and gw only",
	} {
		var r current.Result
		if err := json.Unmarshal([]byte(answer), &r); err != nil {
			t.Fatal(err)
		}
		var spec api.PortSpec
		got := ""
		if err := address(&spec, &r); err != nil {
			got = err.Error()
		} else {
			got = fmt.Sprint(spec.Addresses, " ", spec.Routes)
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", answer, got, want)
		}
	}
}
