package dataplane_test

import (
	"testing"
	"testing/synctest"

	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

// onPort is a flood list of one VTEP that listens on a port of its own.
func onPort(addrs ...string) (n networkConfig) {
	for _, a := range addrs {
		n.Remotes = append(n.Remotes, mustAddrPort(a))
	}
	return n
}

// VTEPs that listen on different ports learn each other's MACs where they listen.
func TestRemoteListensOnAnotherPort(t *testing.T) {
	for _, sources := range []int{0, 16} {
		synctest.Test(t, func(t *testing.T) {
			wire, u := newWire(), mem.UnderlayConfig{Sources: sources}
			a := newNode(t, wire, "10.9.0.1", setup{underlay: u, network: onPort("10.9.0.2:8472")})
			b := newNode(t, wire, "10.9.0.2", setup{underlay: u, network: onPort("10.9.0.1:4789"), listen: 8472})
			for _, e := range []struct{ from, to *node }{{a, b}, {b, a}} {
				f := toAll(e.from.mac)
				e.from.port.send(t, f)
				e.to.port.expect(t, f)
			}
			for _, e := range []struct{ from, to *node }{{a, b}, {b, a}} {
				f := etherFrame(e.to.mac, e.from.mac, "where it listens")
				e.from.port.send(t, f)
				e.to.port.expect(t, f)
				if got := e.from.entry(t, e.to.mac).Remote; got != e.to.addr {
					t.Errorf("learned behind %v, want %v", got, e.to.addr)
				}
			}
		})
	}
}

// What is learned goes to the port under which an address is named, and follows it.
func TestLearnedPortFollowsTheNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := newWire()
		a := newNode(t, wire, "10.9.0.1", setup{})
		who := newStranger(t, wire, "10.9.0.2")
		for _, step := range []struct {
			what   string
			change func() error
			want   string
		}{
			{"nobody", func() error { return nil }, "10.9.0.2:4789"},
			{"a remote", func() error { return a.network.AddRemote(mustAddrPort("10.9.0.2:8472")) }, "10.9.0.2:8472"},
			{"another remote", func() error { return a.network.SetRemote(mustAddrPort("10.9.0.2:9000")) }, "10.9.0.2:9000"},
			{"an entry beside it", func() error { return a.network.AddEntry(station(9), mustAddrPort("10.9.0.2:9001")) }, "10.9.0.2:9000"},
			{"the entry alone", func() error { return a.network.RemoveRemote(mustAddrPort("10.9.0.2:9000")) }, "10.9.0.2:9001"},
			{"two entries", func() error { return a.network.AddEntry(station(8), mustAddrPort("10.9.0.2:9002")) }, "10.9.0.2:4789"},
			{"a group's entry", func() error {
				a.network.Flush(dataplane.FlushFilter{})
				return a.network.AppendEntry(encap.MAC{1, 0, 0x5e, 0, 0, 1}, mustAddrPort("10.9.0.2:9003"))
			}, "10.9.0.2:9003"},
		} {
			must(t, step.change())
			who.say(t, a, encap.Datagram{Data: vxlan(toAll(station(1)))})
			a.port.received()
			if got := a.entry(t, station(1)).Remote; got != mustAddrPort(step.want) {
				t.Errorf("%s: learned behind %v, want %v", step.what, got, step.want)
			}
		}
	})
}

// Received addresses carry no zone; those that users write do.
func TestLinkLocalRemotes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := newWire()
		cfg := flooding("fe80::2%eth0")
		cfg.Closed = true
		a := newNode(t, wire, "fe80::1", setup{network: cfg})
		b := newNode(t, wire, "fe80::2", setup{network: flooding("fe80::1%eth0")})
		f := toAll(b.mac)
		b.port.send(t, f)
		a.port.expect(t, f)
		a.port.send(t, toAll(a.mac))
		b.port.received()
		f = etherFrame(b.mac, a.mac, "learned")
		a.port.send(t, f)
		b.port.expect(t, f)
		must(t, a.network.AddEntry(station(1), netAddr("fe80::2%eth0")))
		must(t, a.network.DeleteEntry(station(1), netAddr("fe80::2%1")))
		if n := a.network.Flush(dataplane.FlushFilter{Remote: netAddr("fe80::2%eth0").Addr()}); n != 1 {
			t.Errorf("%d entries flushed, want the learned one", n)
		}
		must(t, a.network.RemoveRemote(netAddr("fe80::2%eth0")))
		if a.network.AddRemote(netAddr("fe80::1%eth0")) == nil {
			t.Error("our own address was taken")
		}
	})
}
