package packet_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/dataplane/packet"
)

// What the device says of itself is what the interface is.
func TestOpen(t *testing.T) {
	c := newCable(t, netlab.LinkConfig{MTU: 1400})
	d := open(t, c.host, packet.Config{Interface: "eth1"})
	if d.Name() != "eth1" || d.MTU() != 1400 || d.MAC() != macOf(t, c.host, "eth1") || len(d.Queues()) != 1 || len(d.Notes()) != 0 {
		t.Errorf("the device says %s, MTU %d, MAC %v, %d queues, %q", d.Name(), d.MTU(), d.MAC(), len(d.Queues()), d.Notes())
	}
	for _, f := range d.Features() {
		if f.Err != nil {
			t.Errorf("%s: %v", f.Name, f.Err)
		}
	}
	plain := open(t, c.machine, packet.Config{Interface: "eth0", NoOffload: true, Queues: 2})
	if len(plain.Features()) != 4 {
		t.Errorf("%d features of two queues", len(plain.Features()))
	}
	for _, f := range plain.Features() {
		if off := f.Name != packet.FeatureSteering; off != (f.Err != nil) {
			t.Errorf("without offloads, %s: %v", f.Name, f.Err)
		}
	}
}

// An interface is promiscuous as long as there is a device, and not longer.
func TestPromiscuousWhileOpen(t *testing.T) {
	c := newCable(t, netlab.LinkConfig{})
	promiscuity := func() int {
		link, err := c.host.Netlink().LinkByName("eth1")
		must(t, err)
		return link.Attrs().Promisc
	}
	d := open(t, c.host, packet.Config{Interface: "eth1", Queues: 2})
	if n := promiscuity(); n != 1 {
		t.Errorf("promiscuity %d while it is open", n)
	}
	must(t, d.Close())
	must(t, d.Close()) // to close twice is to close once
	if n := promiscuity(); n != 0 {
		t.Errorf("promiscuity %d after it was closed", n)
	}
}

// What cannot be a port is refused in one line that says why, and is left as it was.
func TestOpenRefuses(t *testing.T) {
	c := newCable(t, netlab.LinkConfig{A: []netip.Prefix{hostIP}, B: []netip.Prefix{machineIP}})
	nl := c.host.Netlink()
	must(t, nl.LinkAdd(&netlink.Bridge{LinkAttrs: linkAttrs("br0")}))
	must(t, c.lab.Link(c.host, "eth2", c.machine, "eth3", netlab.LinkConfig{}))
	bridge, err := nl.LinkByName("br0")
	must(t, err)
	eth2, err := nl.LinkByName("eth2")
	must(t, err)
	must(t, nl.LinkSetMaster(eth2, bridge))
	must(t, c.host.Do(func() error {
		return netlink.LinkAdd(&netlink.Tuntap{LinkAttrs: linkAttrs("tun7"), Mode: netlink.TUNTAP_MODE_TUN, Flags: netlink.TUNTAP_NO_PI})
	}))
	for _, r := range []struct {
		name string
		is   error
		says string
	}{
		{"eth9", packet.ErrNotFound, "no interface eth9"},
		{"eth9.100", packet.ErrNotFound, "neither an interface eth9.100 nor an interface eth9"},
		{"eth1.4095", packet.ErrNotFound, "no interface eth1.4095"},
		{"lo", packet.ErrUnfit, "loopback"},
		{"tun7", packet.ErrUnfit, "no Ethernet"},
		{"eth2", packet.ErrUnfit, "belongs to br0"},
		{"eth1", packet.ErrUnfit, "carries the tunnel"},
	} {
		d, err := tryOpen(c.host, packet.Config{Interface: r.name, Locals: []netip.Addr{hostIP.Addr()}})
		if d != nil || !errors.Is(err, r.is) || !strings.Contains(err.Error(), r.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", r.name, err)
		}
	}
	// A VLAN beside the tunnel is on the same cable, and is fine; so is the bridge itself.
	open(t, c.host, packet.Config{Interface: "eth1.100", Locals: []netip.Addr{hostIP.Addr()}})
	open(t, c.host, packet.Config{Interface: "br0", Locals: []netip.Addr{hostIP.Addr()}})
}

// The tunnel may go from an interface on top of another, or from the other end of a pair.
func TestOpenRefusesBelowTheTunnel(t *testing.T) {
	c := newCable(t, netlab.LinkConfig{})
	nl := c.host.Netlink()
	eth1, err := nl.LinkByName("eth1")
	must(t, err)
	a := linkAttrs("upper")
	a.ParentIndex = eth1.Attrs().Index
	must(t, nl.LinkAdd(&netlink.Macvlan{LinkAttrs: a, Mode: netlink.MACVLAN_MODE_BRIDGE}))
	must(t, c.host.AddAddress("upper", hostIP))
	must(t, c.lab.Link(c.host, "near", c.host, "far", netlab.LinkConfig{A: []netip.Prefix{machineIP}}))
	for name, local := range map[string]netip.Prefix{"eth1": hostIP, "upper": hostIP, "near": machineIP, "far": machineIP} {
		if _, err := tryOpen(c.host, packet.Config{Interface: name, Locals: []netip.Addr{local.Addr()}}); !errors.Is(err, packet.ErrUnfit) {
			t.Errorf("%s below %v: %v", name, local, err)
		}
	}
	open(t, c.host, packet.Config{Interface: "eth1", Locals: []netip.Addr{machineIP.Addr()}})
}

func linkAttrs(name string) netlink.LinkAttrs {
	a := netlink.NewLinkAttrs()
	a.Name = name
	return a
}

// A user is told of what is unusual about the interface, and an interface that is down is
// brought up.
func TestNotes(t *testing.T) {
	c := newCable(t, netlab.LinkConfig{A: []netip.Prefix{hostIP}})
	nl := c.host.Netlink()
	eth1, err := nl.LinkByName("eth1")
	must(t, err)
	must(t, nl.LinkSetDown(eth1))
	d := open(t, c.host, packet.Config{Interface: "eth1"})
	if eth1, err = nl.LinkByName("eth1"); err != nil || eth1.Attrs().Flags&net.FlagUp == 0 {
		t.Errorf("eth1 is %v, %v", eth1.Attrs().Flags, err)
	}
	notes := strings.Join(d.Notes(), "; ")
	if len(d.Notes()) != 2 || !strings.Contains(notes, "was brought up") || !strings.Contains(notes, "10.1.0.1/24") {
		t.Errorf("notes: %q", d.Notes())
	}
	if d := open(t, c.host, packet.Config{Interface: "eth1.100"}); len(d.Notes()) != 0 {
		t.Errorf("notes of a VLAN beside: %q", d.Notes())
	}
}

// Who asks on the wire for another address of the host gets no answer there while there is a
// device, and does again later: the port of that address answers.
func TestHostKeepsQuiet(t *testing.T) {
	c := newCable(t, netlab.LinkConfig{})
	ignores := func() (value string) {
		must(t, c.host.Do(func() error {
			b, err := os.ReadFile("/proc/sys/net/ipv4/conf/eth1/arp_ignore")
			value = strings.TrimSpace(string(b))
			return err
		}))
		return value
	}
	beside := open(t, c.host, packet.Config{Interface: "eth1.100"})
	if got := ignores(); got != "0" {
		t.Errorf("arp_ignore is %s with a VLAN", got)
	}
	d := open(t, c.host, packet.Config{Interface: "eth1"})
	if got := ignores(); got != "1" {
		t.Errorf("arp_ignore is %s while it is open", got)
	}
	must(t, beside.Close())
	second := open(t, c.host, packet.Config{Interface: "eth1"})
	must(t, second.Close())
	if got := ignores(); got != "1" {
		t.Errorf("arp_ignore is %s after one was closed that did not set it", got)
	}
	must(t, d.Close())
	if got := ignores(); got != "0" {
		t.Errorf("arp_ignore is %s after it was closed", got)
	}
	must(t, c.host.AddAddress("eth1", hostIP))
	open(t, c.host, packet.Config{Interface: "eth1"})
	if got := ignores(); got != "0" {
		t.Errorf("arp_ignore is %s with addresses of its own", got)
	}
}
