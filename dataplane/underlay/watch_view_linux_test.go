package underlay

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// attrs are those of an interface that takes packets.
func attrs(index int, name string, master int) netlink.LinkAttrs {
	return netlink.LinkAttrs{Index: index, Name: name, MTU: 1500, MasterIndex: master, RawFlags: unix.IFF_UP | unix.IFF_RUNNING}
}

func addr(prefix string, link, flags int) netlink.Addr {
	p := netip.MustParsePrefix(prefix)
	mask := net.CIDRMask(p.Bits(), p.Addr().BitLen())
	return netlink.Addr{IPNet: &net.IPNet{IP: p.Addr().AsSlice(), Mask: mask}, LinkIndex: link, Flags: flags}
}

// What is made of what interfaces and addresses are like, which not every kernel can be
// brought to.
func TestJudge(t *testing.T) {
	blue := &netlink.Vrf{LinkAttrs: attrs(9, "blue", 0), Table: 10}
	bridge := &netlink.Bridge{LinkAttrs: attrs(9, "br0", 0)}
	plain := &netlink.Device{LinkAttrs: attrs(2, "eth0", 0)}
	slave := &netlink.Device{LinkAttrs: attrs(2, "eth0", 9)}
	down, unplugged := attrs(2, "eth0", 0), attrs(2, "eth0", 0)
	down.RawFlags = 0
	unplugged.RawFlags = unix.IFF_UP
	tests := map[string]struct {
		local string
		bound int
		links []netlink.Link
		addrs []netlink.Addr
		on    string
		says  string // of the trouble; empty for none
	}{
		"usable":           {"10.9.0.1", 0, []netlink.Link{plain}, []netlink.Addr{addr("10.9.0.1/24", 2, 0)}, "eth0", ""},
		"another address":  {"10.9.0.1", 0, []netlink.Link{plain}, []netlink.Addr{addr("10.9.0.9/24", 2, 0)}, "", "no interface has address 10.9.0.1"},
		"put into a VRF":   {"10.9.0.1", 0, []netlink.Link{blue, slave}, []netlink.Addr{addr("10.9.0.1/24", 2, 0)}, "eth0", "is in VRF blue"},
		"bound to the VRF": {"10.9.0.1", 9, []netlink.Link{blue, slave}, []netlink.Addr{addr("10.9.0.1/24", 2, 0)}, "eth0", ""},
		"port of a bridge": {"10.9.0.1", 0, []netlink.Link{bridge, slave}, []netlink.Addr{addr("10.9.0.1/24", 2, 0)}, "eth0", ""},
		"down":             {"10.9.0.1", 0, []netlink.Link{&netlink.Device{LinkAttrs: down}}, []netlink.Addr{addr("10.9.0.1/24", 2, 0)}, "eth0", "is down"},
		"no carrier":       {"10.9.0.1", 0, []netlink.Link{&netlink.Device{LinkAttrs: unplugged}}, []netlink.Addr{addr("10.9.0.1/24", 2, 0)}, "eth0", "no carrier"},
		"tentative":        {"fd09::1", 0, []netlink.Link{plain}, []netlink.Addr{addr("fd09::1/64", 2, unix.IFA_F_TENTATIVE)}, "eth0", "under way"},
		"optimistic":       {"fd09::1", 0, []netlink.Link{plain}, []netlink.Addr{addr("fd09::1/64", 2, unix.IFA_F_TENTATIVE|unix.IFA_F_OPTIMISTIC)}, "eth0", ""},
		"duplicate":        {"fd09::1", 0, []netlink.Link{plain}, []netlink.Addr{addr("fd09::1/64", 2, unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED)}, "eth0", "another host has"},
		"on two, one down": {"10.9.0.1", 0, []netlink.Link{&netlink.Device{LinkAttrs: down}, &netlink.Device{LinkAttrs: attrs(3, "eth1", 0)}},
			[]netlink.Addr{addr("10.9.0.1/24", 2, 0), addr("10.9.0.1/32", 3, 0)}, "eth1", ""},
		"another interface's link-local address": {"fe80::1%eth1", 0, []netlink.Link{plain}, []netlink.Addr{addr("fe80::1/64", 2, 0)}, "", "no interface has address"},
		"loopback":                               {"127.0.0.2", 0, []netlink.Link{&netlink.Device{LinkAttrs: attrs(1, "lo", 0)}}, []netlink.Addr{addr("127.0.0.1/8", 1, 0)}, "lo", ""},
	}
	for name, c := range tests {
		var v view
		v.init(netip.MustParseAddr(c.local), c.bound)
		v.replace(c.links, c.addrs)
		s := v.judge()
		if s.Interface != c.on || (c.says == "") != (s.Trouble == "") || !strings.Contains(s.Trouble, c.says) {
			t.Errorf("%s: %+v", name, s)
		}
	}
}
