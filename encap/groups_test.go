package encap_test

import (
	"net/netip"
	"testing"

	"github.com/vxtap/vxtap/encap"
)

// The examples of RFC 1112, RFC 2464 and RFC 4291, and what Linux makes of some others.
func TestGroups(t *testing.T) {
	for group, want := range map[string]string{
		"224.0.0.1": "01:00:5e:00:00:01", "239.129.2.3": "01:00:5e:01:02:03", "232.255.255.255": "01:00:5e:7f:ff:ff",
	} {
		if got := encap.GroupMAC4(netip.MustParseAddr(group).As4()); got.String() != want {
			t.Errorf("%s is %v, want %s", group, got, want)
		}
	}
	for group, want := range map[string]string{
		"ff02::1": "33:33:00:00:00:01", "ff05::1:3": "33:33:00:01:00:03", "ff0e::dead:beef": "33:33:de:ad:be:ef",
	} {
		if got := encap.GroupMAC6(netip.MustParseAddr(group).As16()); got.String() != want {
			t.Errorf("%s is %v, want %s", group, got, want)
		}
	}
	asked := netip.AddrFrom16(encap.SolicitedNode(netip.MustParseAddr("4037::1:800:200e:8c6c").As16()))
	if asked.String() != "ff02::1:ff0e:8c6c" {
		t.Errorf("solicited node %v", asked)
	}
	local := netip.AddrFrom16(encap.LinkLocal(encap.MAC{0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde}))
	if local.String() != "fe80::3656:78ff:fe9a:bcde" {
		t.Errorf("link-local %v", local)
	}
	if netip.AddrFrom16(encap.AllNodes).String() != "ff02::1" {
		t.Errorf("all nodes %v", netip.AddrFrom16(encap.AllNodes))
	}
}
