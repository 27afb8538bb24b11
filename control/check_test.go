package control_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/encap"
)

var (
	local = netip.MustParseAddr("10.9.0.1")
	far   = netip.MustParseAddrPort("10.9.0.2:0")
	mac   = encap.MAC{2, 0, 0, 0, 0, 9}
	group = encap.MAC{0x33, 0x33, 0, 0, 0, 1}
)

func TestNodeCheck(t *testing.T) {
	for addr, want := range map[string]string{
		"10.9.0.1":    "",
		"fd09::1":     "",
		"fe80::1%lo":  "",
		"169.254.0.1": "",
		"fe80::1":     "fe80::1%eth0",
		"0.0.0.0":     "--local",
		"ff02::1":     "--local",
	} {
		node := control.NodeSpec{Local: netip.MustParseAddr(addr)}
		says(t, node.Check(), want)
	}
	says(t, new(control.NodeSpec).Check(), "no local address")
}

// says expects an error of one line with these words in it, or none if there are none.
func says(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Error(err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n")):
		t.Errorf("got %v, want it to say %q", err, want)
	}
}

func TestNetworkCheck(t *testing.T) {
	at := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(far.Addr(), port) }
	prefix := netip.MustParsePrefix
	for _, test := range []struct {
		want   string
		change func(*control.NetworkSpec)
	}{
		{"", func(*control.NetworkSpec) {}},
		{"no VNI", func(s *control.NetworkSpec) { s.VNI = 0 }},
		{"16777216", func(s *control.NetworkSpec) { s.VNI = 1 << 24 }},
		{"500ms", func(s *control.NetworkSpec) { s.Ageing = 500 * time.Millisecond }},
		{"", func(s *control.NetworkSpec) { s.Ageing = -1 }},
		{"67", func(s *control.NetworkSpec) { s.Port.MTU = 67 }},
		{"65522", func(s *control.NetworkSpec) { s.Port.MTU = 65522 }},
		{"group address", func(s *control.NetworkSpec) { s.Port.MAC = group }},
		{"224.0.0.1/24", func(s *control.NetworkSpec) { s.Port.Addresses = []netip.Prefix{prefix("224.0.0.1/24")} }},
		{"given twice", func(s *control.NetworkSpec) {
			s.Port.Addresses = []netip.Prefix{prefix("192.168.77.1/24"), prefix("192.168.77.1/16")}
		}},
		{"", func(s *control.NetworkSpec) {
			s.Port.Addresses = []netip.Prefix{prefix("192.168.77.1/24"), prefix("192.168.77.2/24")}
		}},
		{"1280", func(s *control.NetworkSpec) {
			s.Port.MTU, s.Port.Addresses = 1279, []netip.Prefix{prefix("fd77::1/64")}
		}},
		{"own address", func(s *control.NetworkSpec) { s.Remotes = []netip.AddrPort{netip.AddrPortFrom(local, 1)} }},
		{"10.9.0.2:8472 is given twice", func(s *control.NetworkSpec) { s.Remotes = []netip.AddrPort{far, at(8472)} }},
		{"", func(s *control.NetworkSpec) { s.Remotes = []netip.AddrPort{far, at(4789)} }},
		{"own address", func(s *control.NetworkSpec) {
			s.Static = []control.StaticEntry{{MAC: mac, Remote: netip.AddrPortFrom(local, 0)}}
		}},
		{"given twice", func(s *control.NetworkSpec) {
			s.Static = []control.StaticEntry{{MAC: mac, Remote: far}, {MAC: mac, Remote: at(1)}}
		}},
		{"", func(s *control.NetworkSpec) {
			s.Static = []control.StaticEntry{{MAC: group, Remote: far}, {MAC: group, Remote: at(1)}}
		}},
		{"given twice", func(s *control.NetworkSpec) {
			s.Static = []control.StaticEntry{{MAC: group, Remote: far}, {MAC: group, Remote: at(8472)}}
		}},
	} {
		spec := control.NetworkSpec{NetworkConfig: dataplane.NetworkConfig{VNI: 42}}
		test.change(&spec)
		says(t, spec.Check(control.NodeSpec{Local: local, Port: 8472}), test.want)
	}
}
