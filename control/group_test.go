package control_test

import (
	"net/netip"
	"testing"

	"github.com/vxtap/vxtap/control"
)

func TestGroupCheck(t *testing.T) {
	v4, v6 := netip.MustParseAddr("239.1.1.1"), netip.MustParseAddr("ff02::42%eth1")
	type spec = control.NetworkSpec
	for _, c := range []struct {
		local  string
		want   string
		change func(*spec)
	}{
		{"10.9.0.1", "", func(s *spec) { s.Group, s.GroupDevice = v4, "eth0" }},
		{"10.9.0.1", "name it with --dev", func(s *spec) { s.Group = v4 }},
		{"10.9.0.1", "without --group", func(s *spec) { s.GroupDevice = "eth0" }},
		{"10.9.0.1", "--sealed", func(s *spec) { s.Group, s.GroupDevice, s.Sealed = v4, "eth0", true }},
		{"10.9.0.1", "--closed", func(s *spec) { s.Group, s.GroupDevice, s.Closed = v4, "eth0", true }},
		{"10.9.0.1", "--remote", func(s *spec) { s.Group, s.GroupDevice, s.Remotes = v4, "eth0", []netip.AddrPort{far} }},
		{"10.9.0.1", "no multicast address", func(s *spec) { s.Group, s.GroupDevice = far.Addr(), "eth0" }},
		{"10.9.0.1", "address families", func(s *spec) { s.Group = v6 }},
		{"fd09::1", "", func(s *spec) { s.Group = v6 }},
		{"fd09::1", "different interfaces", func(s *spec) { s.Group, s.GroupDevice = v6, "eth0" }},
		{"fe80::1%eth0", "another interface", func(s *spec) { s.Group = v6 }},
		{"fe80::1%eth1", "", func(s *spec) { s.Group = v6 }},
		{"10.9.0.1", "", func(s *spec) { s.Checksums = []control.Checksum{{}, {Addr: far.Addr(), Sent: true}} }},
		{"10.9.0.1", "said twice", func(s *spec) { s.Checksums = []control.Checksum{{}, {Sent: true}} }},
		{"10.9.0.1", "address family", func(s *spec) { s.Checksums = []control.Checksum{{Addr: v6}} }},
		{"10.9.0.1", "--sealed", func(s *spec) { s.Checksums, s.Sealed = []control.Checksum{{}}, true }},
	} {
		s := spec{}
		s.VNI = 42
		c.change(&s)
		node := control.NodeSpec{Local: netip.MustParseAddr(c.local)}
		if s.Sealed {
			node.Seal.PSKFile, s.Remotes = "psk", []netip.AddrPort{far}
		}
		says(t, s.Check(node), c.want)
	}
	portable := control.NodeSpec{Local: local, Offload: control.OffloadOff}
	s := spec{Checksums: []control.Checksum{{}}}
	s.VNI = 42
	says(t, s.Check(portable), "--offload off")
	s = spec{GroupDevice: "eth0"}
	s.VNI, s.Group = 42, v4
	says(t, s.Check(portable), "--offload off")
}

func TestParseGroupAndChecksum(t *testing.T) {
	for _, bad := range []string{"", "eth0", "10.9.0.1", "239.1.1.1:4789", "239.1.1.1/24"} {
		if _, err := control.ParseGroup(bad); err == nil {
			t.Errorf("group %q is taken", bad)
		}
	}
	for _, bad := range []string{"", "no", "10.9.0.2", "10.9.0.2=", "=false", "10.9.0.2=off", "true=false"} {
		if _, err := control.ParseChecksum(bad); err == nil {
			t.Errorf("checksum word %q is taken", bad)
		}
	}
	for text, want := range map[string]control.Checksum{
		"true": {Sent: true}, "false": {}, "10.9.0.2=false": {Addr: far.Addr()}, "::ffff:10.9.0.2=true": {Addr: far.Addr(), Sent: true},
	} {
		if got, err := control.ParseChecksum(text); got != want || err != nil {
			t.Errorf("%q is %+v, %v", text, got, err)
		}
	}
}
