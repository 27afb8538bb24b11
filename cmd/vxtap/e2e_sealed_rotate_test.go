//go:build linux

package main

import (
	"testing"

	"github.com/vxtap/vxtap/dataplane/netlab"
)

// Keys are changed ten times a second while TCP and UDP flow both ways, and not one packet
// is lost by it.
func TestSealedRotationLosesNothing(t *testing.T) {
	t.Parallel()
	v4, v6 := families[0], families[1]
	off := func(end string) []string { return []string{"--offload", end} }
	for name, link := range map[string]sealedLink{
		"IPv4 keys, two queues":               {family: v4, way: "keys", args: []string{"--queues", "2"}},
		"IPv6 keys, two queues and one":       {family: v6, way: "keys", a: []string{"--queues", "2"}, b: []string{"--queues", "1"}},
		"IPv6 psk, offloads and none":         {family: v6, way: "psk", a: []string{"--queues", "2"}, b: off("off")},
		"IPv4 psk, no offloads":               {family: v4, way: "psk", args: off("off")},
		"IPv4 both, AES-256, no TAP offloads": {family: v4, way: "both", args: []string{"--cipher", "aes-256-gcm"}, a: off("underlay"), b: off("tap")},
		"IPv4 keys, wire":                     {family: v4, way: "keys", link: netlab.LinkConfig{Underlay: netlab.Wire}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := link.up(t)
			p.losesNothing(t, "without rotation", func() { p.carries(t, func() {}) })
			p.losesNothing(t, "with it", func() { p.carries(t, func() { p.rotate(t, 10) }) })
			noChecksumErrors(t, p.a, p.b)
			nothingLost(t, p.va)
			nothingLost(t, p.vb)
		})
	}
}

// carries has UDP flow both ways for as long as something else takes, and then TCP.
func (p *sealedPair) carries(t *testing.T, something func()) {
	t.Helper()
	const least = 1000 // datagrams, both ways
	there, back := newFlow(t, p.a, p.b, innerB), newFlow(t, p.b, p.a, innerA)
	during(func() {
		something()
		eventually(t, "datagrams flow", func() bool { return t.Failed() || min(there.done.Load(), back.done.Load()) >= least })
	}, there.run, back.run)
	during(something, streams(t, p.a, p.b, innerB), streams(t, p.b, p.a, innerA))
}

// losesNothing expects that of all packets that one end sealed meanwhile, the other opened
// every one, unless its kernel had no room for them. Segments that TCP sent again are told,
// as it does so on a busy machine when nothing was lost.
func (p *sealedPair) losesNothing(t *testing.T, when string, meanwhile func()) {
	t.Helper()
	before := p.sentAgain(t)
	meanwhile()
	noRoom := uint64(0)
	defer func() {
		if t.Failed() {
			t.Logf("dropped: %v and %v, held: %v and %v", p.va.drops(), p.vb.drops(), p.va.stats().Out, p.vb.stats().Out)
		}
	}()
	for _, way := range [][2]*child{{p.va, p.vb}, {p.vb, p.va}} {
		eventually(t, "all packets that were sealed are opened", func() bool {
			from, to := way[0].count(), way[1].count()
			noRoom = max(noRoom, to.UnderlayDrops)
			return from.Networks[0].Out.Forwarded == to.Networks[0].In.Frames || to.UnderlayDrops > 0
		})
	}
	t.Logf("%s: no room for %d datagrams, TCP sent %d segments again", when, noRoom, p.sentAgain(t)-before)
}

// sentAgain is how many segments TCP has sent again at both ends.
func (p *sealedPair) sentAgain(t *testing.T) (sum uint64) {
	t.Helper()
	for _, h := range []*netlab.Host{p.a, p.b} {
		counters, err := h.SNMP()
		check(t, err)
		sum += counters["TcpRetransSegs"]
	}
	return sum
}
