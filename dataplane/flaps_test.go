package dataplane_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vxtap/vxtap/dataplane/fdb"
	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

// claims is a node whose MACs several VTEPs claim.
type claims struct {
	*node
	wire   *mem.Network
	others []stranger
	told   heard
}

func newClaims(t *testing.T) *claims {
	c := &claims{}
	wire := newWire()
	c.wire = wire
	c.node = newNode(t, wire, "10.9.0.1", setup{events: c.told.event})
	for i := range 2 {
		c.others = append(c.others, newStranger(t, wire, fmt.Sprintf("10.9.0.%d", 2+i)))
	}
	return c
}

// claim has a VTEP send from a MAC, and expects the table to have it there or not.
func (c *claims) claim(t *testing.T, mac encap.MAC, by int, followed bool) {
	t.Helper()
	f := toAll(mac)
	c.others[by].say(t, c.node, encap.Datagram{Data: vxlan(f)})
	c.port.expect(t, f) // wherever it is looked for, it is delivered
	if got := c.place(mac) == c.others[by].Addr().Addr().String(); got != followed {
		t.Errorf("%v after a frame from %v: %s", mac, c.others[by].Addr(), c.place(mac))
	}
}

// place is where the table has a MAC as learned.
func (c *claims) place(mac encap.MAC) string {
	for _, e := range c.network.Entries() {
		if e.MAC == mac && e.Class == fdb.Learned {
			if e.Port != "" {
				return e.Port
			}
			return e.Remote.Addr().String()
		}
	}
	return "nowhere"
}

func TestFlappingMACIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClaims(t)
		flapping, honest := station(1), station(2)
		c.claim(t, honest, 0, true)
		for i := range 6 { // the first place, and five moves
			c.claim(t, flapping, i%2, true)
		}
		for range 10 {
			c.claim(t, flapping, 0, true) // where it was at first
			c.claim(t, flapping, 1, false)
		}
		c.claim(t, honest, 1, true)
		if held := c.network.Stats().MovesHeld; held != 10 {
			t.Errorf("%d moves were held back", held)
		}
		events := c.told.events()
		if len(events) != 1 || events[0].VNI != testVNI || events[0].MAC != flapping ||
			!strings.Contains(events[0].Err.Error(), "at 10.9.0.2:4789 for 30 s, though it was seen at 10.9.0.3:4789 too") {
			t.Errorf("told %+v", events)
		}
		pass(31 * time.Second)
		for i := range 5 {
			c.claim(t, flapping, i%2, true)
		}
		c.conserved(t)
	})
}

// Nobody gets the frames of a host that keeps talking, by forging some of his.
func TestFlappingMACGoesHome(t *testing.T) {
	for _, c := range []struct {
		name    string
		victim  bool // it talks between the forged frames
		seconds int  // between them
	}{{"at once", false, 0}, {"while it talks", true, 0}, {"across the window", true, 40}, {"slowly", true, 29}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { hijack(t, c.victim, time.Duration(c.seconds)*time.Second) })
		})
	}
}

func hijack(t *testing.T, talks bool, pause time.Duration) {
	const victim = 2
	c := newClaims(t)
	c.others = append(c.others, newStranger(t, c.wire, "10.9.0.4"))
	mac := station(1)
	c.claim(t, mac, victim, true)
	for i := range 14 {
		f := toAll(mac)
		c.others[i%2].say(t, c.node, encap.Datagram{Data: vxlan(f)})
		pass(pause)
		if talks {
			c.others[victim].say(t, c.node, encap.Datagram{Data: vxlan(f)})
		}
	}
	if c.network.Stats().MovesHeld == 0 {
		t.Error("no move was held back")
	}
	for range 10 {
		c.port.received()
		c.claim(t, mac, victim, true)
	}
}

// A new window begins while the MAC is at the forger's: that makes it no home.
func TestFlappingMACAtTheEdge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const victim, forger = 0, 1
		c := newClaims(t)
		mac := station(1)
		c.claim(t, mac, victim, true)
		c.claim(t, mac, forger, true)
		c.claim(t, mac, victim, true)
		pass(170 * time.Second)
		c.claim(t, mac, forger, true)
		pass(15 * time.Second)
		for range 2 {
			c.claim(t, mac, victim, true)
			c.claim(t, mac, forger, true)
		}
		c.claim(t, mac, victim, true)
		c.claim(t, mac, forger, false)
		c.claim(t, mac, victim, true)
		c.conserved(t)
	})
}

// Who moved away for good is at home where he went.
func TestHomeMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClaims(t)
		mac := station(1)
		c.claim(t, mac, 0, true)
		c.claim(t, mac, 1, true)
		for range 4 {
			pass(50 * time.Second)
			c.claim(t, mac, 1, true)
		}
		for range 2 {
			c.claim(t, mac, 0, true)
			c.claim(t, mac, 1, true)
		}
		c.claim(t, mac, 0, true)
		c.claim(t, mac, 1, true) // too often, but home
		c.claim(t, mac, 0, false)
		c.conserved(t)
	})
}

// Moves that lie further apart than the window are those of a host that roams.
func TestRoamingMACIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClaims(t)
		for i := range 50 {
			c.claim(t, station(1), i%2, true)
			pass(40 * time.Second)
		}
		if held := c.network.Stats().MovesHeld; held != 0 || len(c.told.events()) != 0 {
			t.Errorf("%d moves were held back, told %+v", held, c.told.events())
		}
	})
}

// What a port says is believed at once: the host behind it is ours.
func TestFlappingMACReturnsToItsPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClaims(t)
		mac := station(1)
		for range 6 {
			c.port.send(t, etherFrame(c.mac, mac, "to myself"))
			if c.place(mac) != "port0" {
				t.Fatal("the port's MAC is", c.place(mac))
			}
			c.others[0].say(t, c.node, encap.Datagram{Data: vxlan(toAll(mac))})
		}
		if at := c.place(mac); at != "port0" || c.network.Stats().MovesHeld != 1 {
			t.Errorf("it is %s, %d moves held back", at, c.network.Stats().MovesHeld)
		}
	})
}
