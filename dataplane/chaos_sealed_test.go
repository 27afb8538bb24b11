package dataplane_test

import (
	"slices"
	"testing"
	"time"

	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/encap"
)

// watch has an eye on the wire, where nothing but the stranger's may be in clear text, and
// keeps some of what is there.
func (c *chaos) watch(t *testing.T) {
	said := c.said.Addr()
	c.wire.Tap(func(from, _ addrPort, d encap.Datagram) {
		if from == said {
			return
		}
		if !crypto.Sealed(d.Data) {
			t.Errorf("%v said in clear text: %x", from, d.Data)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.packets = append(c.packets, slices.Clone(d.Data)); len(c.packets) > 100 {
			c.packets = c.packets[50:]
		}
	})
}

// stepSealed does one thing at random that only sealed networks know.
func (c *chaos) stepSealed(t *testing.T, n int) {
	x := c.nodes[n]
	switch k := c.rng.IntN(100); {
	case k < 35:
		must(t, x.vtep.Node().Rotate(x.peers[c.rng.IntN(len(x.peers))]))
	case k < 38:
		c.restart(t)
	case k < 45:
		c.say(t, x, vxlan(etherFrame(x.mac, foreignMAC, "forged"))) // well-formed, but clear
	default:
		c.tamper(t, x)
	}
}

// say has the stranger send something.
func (c *chaos) say(t *testing.T, to *node, packet []byte) {
	_, err := c.said.Send([]encap.Datagram{{Data: packet, Remote: to.addr, Source: encap.SourceListen}})
	must(t, err)
}

// tamper has the stranger send a packet again that was on the wire, as it was or with a bit
// turned over, of the header in most cases.
func (c *chaos) tamper(t *testing.T, to *node) {
	packet := c.recent()
	if len(packet) == 0 {
		return
	}
	bits := 8 * len(packet)
	if c.rng.IntN(2) == 0 {
		bits = min(bits, 8*crypto.HeaderSize)
	}
	if bit := c.rng.IntN(2 * bits); bit < bits {
		packet[bit/8] ^= 1 << (bit % 8)
	}
	c.say(t, to, packet)
}

// recent returns a packet of those that were on the wire lately.
func (c *chaos) recent() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.packets) == 0 {
		return nil
	}
	return slices.Clone(c.packets[c.rng.IntN(len(c.packets))])
}

// restart closes the last VTEP, whose books are balanced then, and opens it again with
// another clock.
func (c *chaos) restart(t *testing.T) {
	last := len(c.nodes) - 1
	x := c.nodes[last]
	pass(time.Millisecond) // a device that died may be on its way out
	must(t, x.vtep.Close())
	if out := x.network.Stats().Out; out.Waiting != 0 {
		t.Errorf("%d frames wait in a VTEP that is closed", out.Waiting)
	}
	x.conserved(t)
	c.open(t, last)
}

// nothingForged fails the test if a port got what the stranger made up, or if the stranger
// was not tried on.
func (c *chaos) nothingForged(t *testing.T) {
	var sum dataplane.Counts
	for n, x := range c.nodes {
		for _, d := range c.devices[n] {
			for _, f := range d.received() {
				if len(f.Data) >= encap.EthernetSize && encap.Ethernet(f.Data).Src() == foreignMAC {
					t.Errorf("forged, and delivered: %x", f.Data)
				}
			}
		}
		in, stray := x.network.Stats().In, x.vtep.Stats().Stray
		for i := range sum.Drops {
			sum.Drops[i] += in.Drops[i] + stray.Drops[i]
		}
	}
	for _, why := range []dataplane.Drop{
		dataplane.DropClear, dataplane.DropForged, dataplane.DropReplayed, dataplane.DropUnknownSession,
	} {
		if sum.Drops[why] == 0 {
			t.Errorf("nothing was refused as %v: %s", why, drops(sum))
		}
	}
}
