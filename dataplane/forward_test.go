package dataplane_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/dataplane/fdb"
	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

// station is a host behind a port, with a MAC that the port was not given as its own.
func station(n byte) encap.MAC { return encap.MAC{0x02, 0xaa, 0, 0, 0, n} }

// triangle is three VTEPs that flood to one another.
func triangle(t testing.TB, s setup) (wire *mem.Network, a, b, c *node) {
	wire = newWire()
	with := func(remotes ...string) setup {
		s.network.Remotes = flooding(remotes...).Remotes
		return s
	}
	a = newNode(t, wire, "10.9.0.1", with("10.9.0.2", "10.9.0.3"))
	b = newNode(t, wire, "10.9.0.2", with("10.9.0.1", "10.9.0.3"))
	c = newNode(t, wire, "10.9.0.3", with("10.9.0.1", "10.9.0.2"))
	return wire, a, b, c
}

func TestTwoVTEPs(t *testing.T) {
	for _, addrs := range [][2]string{{"10.9.0.1", "10.9.0.2"}, {"fd09::1", "fd09::2"}} {
		synctest.Test(t, func(t *testing.T) {
			wire := newWire()
			a := newNode(t, wire, addrs[0], setup{network: flooding(addrs[1])})
			b := newNode(t, wire, addrs[1], setup{network: flooding(addrs[0])})
			hello := etherFrame(encap.Broadcast, a.mac, "hello")
			a.port.send(t, hello)
			b.port.expect(t, hello)
			answer := etherFrame(a.mac, b.mac, "answer")
			b.port.send(t, answer)
			a.port.expect(t, answer)
			b.port.expect(t)
		})
	}
}

func TestFloodReachesEachOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a, b, c := triangle(t, setup{})
		for name, dst := range map[string]encap.MAC{
			"broadcast": encap.Broadcast, "multicast": {0x01, 0, 0x5e, 0, 0, 1}, "unknown": station(99),
		} {
			f := etherFrame(dst, a.mac, name)
			a.port.send(t, f)
			a.port.expect(t)
			b.port.expect(t, f)
			c.port.expect(t, f)
		}
		s := a.network.Stats().Out
		if s.Frames != 3 || s.Forwarded != 3 || s.Copies != 3 || s.Dropped() != 0 {
			t.Errorf("counts %+v", s)
		}
	})
}

func TestLearnedMACIsUnicast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a, b, c := triangle(t, setup{})
		b.port.send(t, etherFrame(encap.Broadcast, station(2), "here"))
		a.port.received()
		c.port.received()
		f := etherFrame(station(2), a.mac, "to you alone")
		a.port.send(t, f)
		b.port.expect(t, f)
		c.port.expect(t)

		entry := a.entry(t, station(2))
		if entry.Class != fdb.Learned || entry.Remote != b.addr {
			t.Errorf("entry %+v", entry)
		}
	})
}

// entry returns the only entry of a MAC.
func (x *node) entry(t testing.TB, mac encap.MAC) (found dataplane.Entry) {
	t.Helper()
	n := 0
	for _, e := range x.network.Entries() {
		if e.MAC == mac {
			found, n = e, n+1
		}
	}
	if n != 1 {
		t.Fatalf("%v has %d entries: %+v", mac, n, x.network.Entries())
	}
	return found
}

func (x *node) hasEntry(mac encap.MAC) bool {
	for _, e := range x.network.Entries() {
		if e.MAC == mac {
			return true
		}
	}
	return false
}

func TestLearnedMACAges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a, b, c := triangle(t, setup{})
		b.port.send(t, etherFrame(encap.Broadcast, station(2), "here"))
		pass(200 * time.Second)
		b.port.send(t, etherFrame(a.mac, station(2), "still here")) // unicast refreshes too
		a.port.received()
		c.port.received()
		f := etherFrame(station(2), a.mac, "where")

		pass(dataplane.DefaultAgeing - 2*time.Second)
		if age := a.entry(t, station(2)).Age; age != 298 {
			t.Errorf("age %d s, want 298", age)
		}
		a.port.send(t, f)
		c.port.expect(t)
		pass(3 * time.Second)
		a.port.send(t, f)
		b.port.expect(t, f, f)
		c.port.expect(t, f)
	})
}

func TestAgeing(t *testing.T) {
	for name, tt := range map[string]struct {
		ageing, wait time.Duration
		kept         bool
	}{
		"in time":            {10 * time.Second, 9 * time.Second, true},
		"over":               {10 * time.Second, 11 * time.Second, false},
		"fractions round up": {1500 * time.Millisecond, 1900 * time.Millisecond, true},
		"for ever":           {-1, time.Hour, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, a, b, _ := triangle(t, setup{network: networkConfig{Ageing: tt.ageing}})
				b.port.send(t, etherFrame(encap.Broadcast, station(2), "here"))
				a.port.send(t, etherFrame(encap.Broadcast, station(1), "here"))
				pass(tt.wait)
				if a.hasEntry(station(2)) != tt.kept || a.hasEntry(station(1)) != tt.kept {
					t.Errorf("entries %+v", a.network.Entries())
				}
				if !a.hasEntry(a.mac) {
					t.Error("the port's own MAC has aged")
				}
			})
		})
	}
}

func TestMACThatMovesIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a, b, c := triangle(t, setup{})
		f := etherFrame(station(2), a.mac, "find me")
		for _, at := range []*node{b, c, b} {
			at.port.send(t, etherFrame(encap.Broadcast, station(2), "here"))
			for _, x := range []*node{a, b, c} {
				x.port.received()
			}
			a.port.send(t, f)
			at.port.expect(t, f)
			if e := a.entry(t, station(2)); e.Remote != at.addr {
				t.Errorf("entry %+v, want %v", e, at.addr)
			}
		}
		// And home: a station of another node comes to a port of this one.
		a.port.send(t, etherFrame(encap.Broadcast, station(2), "here"))
		if e := a.entry(t, station(2)); e.Port != "port0" {
			t.Errorf("entry %+v, want the port", e)
		}
	})
}

func TestNoLearning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a, b, c := triangle(t, setup{network: networkConfig{NoLearning: true}})
		b.port.send(t, etherFrame(encap.Broadcast, station(2), "here"))
		c.port.received()
		f := etherFrame(station(2), a.mac, "still unknown")
		a.port.send(t, f)
		b.port.expect(t, f)
		c.port.expect(t, f)
		if a.hasEntry(station(2)) {
			t.Error("learned behind a remote")
		}
	})
}

func TestSplitHorizon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire, a, b, c := triangle(t, setup{})
		c.port.send(t, etherFrame(encap.Broadcast, station(3), "here"))
		b.port.received()
		sent := 0
		wire.Tap(func(_, _ addrPort, _ encap.Datagram) { sent++ })
		// b takes it that a has station 3, but a knows it behind c.
		must(t, b.network.AddEntry(station(3), a.addr))
		b.port.send(t, etherFrame(station(3), b.mac, "through you"))
		c.port.expect(t)
		if got := a.network.Stats().In.Drops[dataplane.DropSplitHorizon]; got != 1 || sent != 1 {
			t.Errorf("%d dropped, %d datagrams on the wire; want 1 and 1", got, sent)
		}
		// Unknown and group destinations go to the ports and nowhere else.
		sent = 0
		b.port.send(t, etherFrame(encap.Broadcast, b.mac, "all"))
		if sent != 2 {
			t.Errorf("%d datagrams for a broadcast to two VTEPs", sent)
		}
	})
}
