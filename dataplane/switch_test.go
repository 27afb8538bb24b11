package dataplane_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/dataplane/fdb"
	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

func TestLocalPortsAreSwitched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := newWire()
		a := newNode(t, wire, "10.9.0.1", setup{network: flooding("10.9.0.2")})
		b := newNode(t, wire, "10.9.0.2", setup{network: flooding("10.9.0.1")})
		second := a.addPort(t, "second", secondMAC, mem.PortConfig{})
		third := a.addPort(t, "third", station(51), mem.PortConfig{})

		unicast := etherFrame(secondMAC, a.mac, "to the second")
		a.port.send(t, unicast)
		second.expect(t, unicast)
		third.expect(t)
		b.port.expect(t)

		broadcast := toAll(secondMAC)
		second.send(t, broadcast)
		for _, d := range []*device{a.port, third, b.port} {
			d.expect(t, broadcast)
		}
		second.expect(t)

		// A station behind a port that has another MAC itself.
		third.send(t, toAll(station(1)))
		for _, d := range []*device{a.port, second, b.port} {
			d.received()
		}
		toStation := etherFrame(station(1), b.mac, "to a station")
		b.port.send(t, toStation)
		third.expect(t, toStation)
		a.port.expect(t)
		a.conserved(t)
	})
}

func TestHairpinIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newNode(t, newWire(), "10.9.0.1", setup{})
		a.port.send(t, toAll(station(1)))
		a.port.send(t, etherFrame(station(1), station(2), "next to me"))
		a.port.expect(t)
		if out := a.network.Stats().Out; out.Drops[dataplane.DropHairpin] != 1 {
			t.Error(drops(out))
		}
	})
}

func TestClosedNetworkHears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := newWire()
		cfg := flooding("10.9.0.2")
		cfg.Closed = true
		a := newNode(t, wire, "10.9.0.1", setup{network: cfg})
		f := toAll(foreignMAC)
		hears := func(who stranger, want bool) {
			t.Helper()
			who.say(t, a, encap.Datagram{Data: vxlan(f)})
			if got := len(a.port.received()) == 1; got != want {
				t.Errorf("%v is heard: %t, want %t", who.Addr(), got, want)
			}
		}
		remote, static, group, nobody := newStranger(t, wire, "10.9.0.2"), newStranger(t, wire, "10.9.0.3"),
			newStranger(t, wire, "10.9.0.4"), newStranger(t, wire, "10.9.0.5")
		hears(remote, true)
		hears(static, false)
		hears(group, false)
		must(t, a.network.AddEntry(station(3), netAddr("10.9.0.3")))
		must(t, a.network.AppendEntry(encap.MAC{1, 0, 0x5e, 0, 0, 4}, netAddr("10.9.0.4")))
		hears(static, true)
		hears(group, true)
		hears(nobody, false)
		must(t, a.network.RemoveRemote(netAddr("10.9.0.2")))
		hears(remote, false)
		must(t, a.network.DeleteEntry(station(3), addrPort{}))
		hears(static, false)
		if n := a.network.Flush(dataplane.FlushFilter{Class: fdb.Static}); n != 1 {
			t.Errorf("%d entries flushed", n)
		}
		hears(group, false)
		a.conserved(t)
	})
}

func TestGroupEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a, b, c := triangle(t, setup{})
		second := a.addPort(t, "second", secondMAC, mem.PortConfig{})
		group := encap.MAC{0x01, 0, 0x5e, 1, 2, 3}
		f := etherFrame(group, a.mac, "to the group")
		reaches := func(want ...*device) {
			t.Helper()
			a.port.send(t, f)
			for _, d := range []*device{a.port, second, b.port, c.port} {
				if slices.Contains(want, d) {
					d.expect(t, f)
				} else {
					d.expect(t)
				}
			}
		}
		reaches(second, b.port, c.port)
		must(t, a.network.AppendEntry(group, netAddr("10.9.0.3")))
		reaches(second, c.port)
		must(t, a.network.AppendEntry(group, netAddr("10.9.0.2")))
		reaches(second, b.port, c.port)
		if err := a.network.AppendEntry(group, netAddr("10.9.0.2")); !errors.Is(err, dataplane.ErrExists) {
			t.Errorf("appended twice: %v", err)
		}
		must(t, a.network.DeleteEntry(group, netAddr("10.9.0.3")))
		reaches(second, b.port)
		if err := a.network.DeleteEntry(group, netAddr("10.9.0.3")); !errors.Is(err, dataplane.ErrNotFound) {
			t.Errorf("deleted twice: %v", err)
		}
		must(t, a.network.DeleteEntry(group, netAddr("10.9.0.2")))
		reaches(second, b.port, c.port)
	})
}

func TestRemotesThatAreRefused(t *testing.T) {
	for local, bad := range map[string][]string{
		"10.9.0.1": {"10.9.0.1", "::ffff:10.9.0.1", "239.1.1.1", "0.0.0.0", "255.255.255.255", "fd09::2"},
		"fd09::1":  {"fd09::1", "ff02::1", "::", "10.9.0.2", "::ffff:10.9.0.2"},
	} {
		synctest.Test(t, func(t *testing.T) {
			a := newNode(t, newWire(), local, setup{})
			for _, addr := range bad {
				for name, err := range map[string]error{
					"remote":  a.network.AddRemote(netAddr(addr)),
					"only":    a.network.SetRemote(netAddr(addr)),
					"entry":   a.network.AddEntry(station(1), netAddr(addr)),
					"replace": a.network.ReplaceEntry(station(1), netAddr(addr)),
					"append":  a.network.AppendEntry(encap.Broadcast, netAddr(addr)),
				} {
					if err == nil {
						t.Errorf("%s: %s %s was taken", local, name, addr)
					}
				}
			}
			if r, e := a.network.Remotes(), a.network.Entries(); len(r) != 0 || len(e) != 1 {
				t.Errorf("remotes %v, entries %v", r, e)
			}
		})
	}
}

func TestPrecedence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a, b, c := triangle(t, setup{})
		f := etherFrame(station(2), a.mac, "where")
		must(t, a.network.AddEntry(station(2), c.addr))
		b.port.send(t, toAll(station(2))) // it is said to be behind c
		a.port.received()
		c.port.received()
		c.network.Flush(dataplane.FlushFilter{}) // which has learned better
		a.port.send(t, f)
		c.port.expect(t, f)
		b.port.expect(t)

		if err := a.network.AddEntry(station(2), b.addr); !errors.Is(err, dataplane.ErrExists) {
			t.Errorf("added twice: %v", err)
		}
		must(t, a.network.ReplaceEntry(station(2), b.addr))
		a.port.send(t, f)
		b.port.expect(t, f)

		local := a.addPort(t, "local", station(2), mem.PortConfig{})
		a.port.send(t, f)
		local.expect(t, f)
		if err := a.network.ReplaceEntry(station(2), b.addr); !errors.Is(err, dataplane.ErrExists) {
			t.Errorf("replaced a port of this node: %v", err)
		}
		if a.network.DeleteEntry(station(2), addrPort{}) == nil {
			t.Error("deleted a port of this node")
		}
		b.port.send(t, toAll(station(2)))
		local.expect(t)
		c.port.received()
		if e := a.entry(t, station(2)); e.Class != fdb.Local {
			t.Errorf("entry %+v", e)
		}
	})
}

func TestLearningLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a, b, c := triangle(t, setup{network: networkConfig{MaxMACs: 10}})
		must(t, a.network.AddEntry(station(200), c.addr))
		for i := range byte(100) {
			b.port.send(t, toAll(station(i)))
			c.port.send(t, toAll(station(i)))
		}
		learned := 0
		for _, e := range a.network.Entries() {
			if e.Class == fdb.Learned {
				learned++
			}
		}
		if s := a.network.Stats(); learned != 10 || s.Refused != 180 {
			t.Errorf("%d learned, %d refused; want 10 and 180", learned, s.Refused)
		}
		if e := a.entry(t, station(200)); e.Class != fdb.Static {
			t.Errorf("entry %+v", e)
		}
		if e := a.entry(t, station(9)); e.Remote != c.addr {
			t.Errorf("a known MAC was kept from moving: %+v", e)
		}
		b.port.received()
		f := etherFrame(station(50), a.mac, "not learned, and so flooded")
		a.port.send(t, f)
		b.port.expect(t, f)
	})
}
