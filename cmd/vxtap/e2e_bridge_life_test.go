//go:build linux

package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/dataplane/netlab"
)

// What cannot be bridged is refused in a line that says why, and nothing is left.
func TestBridgeToRefused(t *testing.T) {
	t.Parallel()
	x := newBridged(t, netlab.LinkConfig{}, netlab.LinkConfig{})
	br := &netlink.Bridge{LinkAttrs: netlink.NewLinkAttrs()}
	br.Name = "br0"
	check(t, x.a.Netlink().LinkAdd(br))
	check(t, x.lab.Link(x.a, "eth2", x.c, "eth3", netlab.LinkConfig{}))
	eth2, err := x.a.Netlink().LinkByName("eth2")
	check(t, err)
	check(t, x.a.Netlink().LinkSetMaster(eth2, br))
	up := func(device string) []string {
		return []string{"up", "--vni", "42", "--local", "10.9.0.1", "--remote", "10.9.0.2", "--bridge-to", device}
	}
	for device, words := range map[string]string{
		"eth0":      "eth0|carries the tunnel itself|10.9.0.1",
		"eth9":      "no interface eth9",
		"eth9.100":  "neither an interface eth9.100 nor an interface eth9",
		"lo":        "lo|loopback",
		"eth2":      "eth2 belongs to br0",
		"eth1.4095": "no interface eth1.4095",
	} {
		refused(t, x.a, newSocket(t), exitFailed, words, up(device)...)
	}
	for device, words := range map[string]string{
		"vx42":     "the network's own TAP",
		"eth 1":    `bad interface "eth 1"`,
		"eth\xff":  `bad interface "eth\xff"`,
		"vx42.100": "the network's own TAP",
	} {
		refused(t, x.a, newSocket(t), exitUsage, words, up(device)...)
	}
	refused(t, x.a, newSocket(t), exitUsage, "eth1 and eth1.100|leave one of them out", append(up("eth1"), "--bridge-to", "eth1.100")...)
}

// One wire is for one network, whether it is bridged by a file or by a request, and a TAP of
// the agent is none.
func TestBridgeToOnce(t *testing.T) {
	t.Parallel()
	x := newBridged(t, netlab.LinkConfig{}, netlab.LinkConfig{})
	check(t, x.lab.Link(x.a, "eth2", x.c, "eth2", netlab.LinkConfig{}))
	f := newConfigFile(t, "local: 10.9.0.1\nnetworks:\n- {vni: 42, bridge-to: eth1}\n- {vni: 43, bridge-to: eth1.7}\n")
	refused(t, x.a, newSocket(t), exitFailed, "interface eth1.7 is bridged already, as eth1, of network 42", "run", "-c", f.path)
	f.write("local: 10.9.0.1\nnetworks:\n- {vni: 42, bridge-to: eth1}\n- {vni: 43, bridge-to: vx42}\n")
	refused(t, x.a, newSocket(t), exitFailed, "interface vx42 is a TAP of this agent, of network 42", "run", "-c", f.path)

	f.write("local: 10.9.0.1\nnetworks:\n- {vni: 42, bridge-to: eth1.7}\n- {vni: 43, bridge-to: eth1.8}\n")
	v := startRun(t, x.a, f)
	for device, words := range map[string]string{
		"eth1":   "is bridged already, as eth1.7, of network 42",
		"eth1.8": "is bridged already, as eth1.8, of network 43",
		"vx43":   "is a TAP of this agent, of network 43",
		"eth0":   "carries the tunnel itself",
		"eth9":   "no interface eth9",
	} {
		_, err := v.api.AddPort(within(t), 42, api.PortSpec{Kind: api.KindInterface, Device: device})
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", device, err)
		}
	}
	_, err := v.api.AddPort(within(t), 42, api.PortSpec{Kind: api.KindInterface, Device: "eth2", MTU: 1400})
	if err == nil || !strings.Contains(err.Error(), "keeps its MTU") {
		t.Errorf("with an MTU: %v", err)
	}
	p, err := v.api.AddPort(within(t), 42, api.PortSpec{Kind: api.KindInterface, Device: "eth2"})
	if err != nil || p.Name != "eth2" || !p.Added || p.Driver != "linux packet" {
		t.Errorf("added %+v, %v", p, err)
	}

	// An interface can change its network in one reload.
	f.write("local: 10.9.0.1\nnetworks:\n- {vni: 42, bridge-to: eth1.8}\n- {vni: 43, bridge-to: eth1.7}\n")
	var r api.Reloaded
	v.ask(func(ctx context.Context) (err error) {
		r, err = v.api.Reload(ctx)
		return err
	})
	if !r.Done() || fmt.Sprint(r.Remade) != "[42 43]" {
		t.Errorf("reload did %+v", r)
	}
}

// An interface that is taken away ends the agent as its TAP would; one that was added by a
// request goes alone. When it is there again, so is the port, with the next start.
func TestBridgedInterfaceRemoved(t *testing.T) {
	t.Parallel()
	x := newBridged(t, netlab.LinkConfig{}, netlab.LinkConfig{})
	check(t, x.lab.Link(x.a, "eth2", x.c, "eth2", netlab.LinkConfig{}))
	v := x.start(t, families[0], "eth1")
	v.ask(func(ctx context.Context) error {
		_, err := v.api.AddPort(ctx, 42, api.PortSpec{Kind: api.KindInterface, Device: "eth2"})
		return err
	})
	v.expectPorts("eth1", "eth2")
	check(t, x.a.DeleteLink("eth2"))
	v.waitLog("a port was closed")
	v.expectPorts("eth1")
	eth1, err := x.a.Netlink().LinkByName("eth1")
	check(t, err)
	check(t, x.a.Netlink().LinkSetDown(eth1))
	check(t, x.a.DeleteLink("eth1"))
	v.endedWith(exitFailed)
	v.saysWhy("eth1|network 42|was removed, or moved")
	refused(t, x.a, newSocket(t), exitFailed, "no interface eth1",
		"up", "--vni", "42", "--local", "10.9.0.1", "--tap", "none", "--bridge-to", "eth1")
	check(t, x.lab.Link(x.c, "eth0", x.a, "eth1", netlab.LinkConfig{MTU: 1450, A: prefixes(innerA + "/24")}))
	x.peer(t, families[0])
	x.start(t, families[0], "eth1")
	ping(t, x.c, innerB)
}

// An interface that gets another MTU has superframes of such segments written to it, and shown.
func TestBridgedInterfaceMTU(t *testing.T) {
	t.Parallel()
	x := newBridged(t, netlab.LinkConfig{}, netlab.LinkConfig{MTU: 1300})
	x.peer(t, families[0])
	v := x.start(t, families[0], "eth1")
	expect := func(mtu int) {
		t.Helper()
		eventually(t, fmt.Sprint("the port is known to have an MTU of ", mtu), func() bool { return v.network().Ports[0].MTU == mtu })
	}
	expect(1300)
	for _, end := range []struct {
		h    *netlab.Host
		name string
	}{{x.a, "eth1"}, {x.c, "eth0"}} {
		link, err := end.h.Netlink().LinkByName(end.name)
		check(t, err)
		check(t, end.h.Netlink().LinkSetMTU(link, 1450))
	}
	expect(1450)
	ping(t, x.b, innerA)
	_, err := netlab.Transfer(within(t), x.b, x.c, netip.AddrPortFrom(ip(innerA), 0), netlab.TransferConfig{Bytes: 4 << 20, Verify: true})
	check(t, err)
	nothingLost(t, v)
	check(t, x.lab.Link(x.a, "eth2", x.c, "eth2", netlab.LinkConfig{MTU: 1200})) // of another's nothing is taken
	expect(1450)
}

// An address of the tunnel that is moved to the bridged interface is told of, as it would have
// been refused before.
func TestBridgedInterfaceGetsTheTunnel(t *testing.T) {
	t.Parallel()
	x := newBridged(t, netlab.LinkConfig{}, netlab.LinkConfig{})
	v := x.start(t, families[0], "eth1")
	for name, change := range map[string]func(netlink.Link, *netlink.Addr) error{"eth0": x.a.Netlink().AddrDel, "eth1": x.a.Netlink().AddrAdd} {
		link, err := x.a.Netlink().LinkByName(name)
		check(t, err)
		addr, err := netlink.ParseAddr("10.9.0.1/24")
		check(t, err)
		check(t, change(link, addr))
	}
	if said := v.waitLog("carries the tunnel itself now"); !strings.Contains(said, "interface eth1") {
		t.Error(said)
	}
}

// However vxtap ends, the interface is as it was.
func TestBridgedInterfaceIsLeftAlone(t *testing.T) {
	t.Parallel()
	x := newBridged(t, netlab.LinkConfig{}, netlab.LinkConfig{})
	links := interfaces(t, x.a)
	promiscuous := func() bool {
		link, err := x.a.Netlink().LinkByName("eth1")
		check(t, err)
		return link.Attrs().Promisc != 0
	}
	for _, end := range []func(*child){(*child).stop, (*child).kill} {
		v := x.start(t, families[0], "eth1")
		if !promiscuous() {
			t.Error("eth1 is not promiscuous")
		}
		end(v)
		eventually(t, "eth1 hears what is for it alone", func() bool { return !promiscuous() })
		if now := interfaces(t, x.a); !slices.Equal(now, links) {
			t.Errorf("interfaces %q, before there were %q", now, links)
		}
	}
}

// A bridge of the host, with what is plugged into it, is an interface like others.
func TestBridgeToBridge(t *testing.T) {
	t.Parallel()
	x := newBridged(t, netlab.LinkConfig{}, netlab.LinkConfig{MTU: 1450})
	x.peer(t, families[0])
	br := &netlink.Bridge{LinkAttrs: netlink.NewLinkAttrs()}
	br.Name = "br0"
	nl := x.a.Netlink()
	check(t, nl.LinkAdd(br))
	eth1, err := nl.LinkByName("eth1")
	check(t, err)
	check(t, nl.LinkSetMaster(eth1, br))
	v := x.start(t, families[0], "br0")
	if notes := strings.Join(v.network().Ports[0].Notes, " "); !strings.Contains(notes, "br0 was down, and was brought up") {
		t.Errorf("notes %q", notes)
	}
	for _, e := range []struct {
		from, to *netlab.Host
		dst      string
	}{{x.c, x.b, innerB}, {x.b, x.c, innerA6}} {
		ping(t, e.from, e.dst)
		_, err := netlab.Transfer(within(t), e.from, e.to, netip.AddrPortFrom(ip(e.dst), 0), netlab.TransferConfig{Bytes: 4 << 20, Verify: true})
		check(t, err)
	}
	noChecksumErrors(t, x.a, x.b, x.c)
}
