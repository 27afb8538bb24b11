package dataplane_test

import (
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/dataplane/fdb"
	"github.com/vxtap/vxtap/encap"
)

// A flush removes that to which every word of its filter applies, and nothing else; ports
// of the node stay in any case.
func TestFlushFiltersAreANDed(t *testing.T) {
	b, c := netip.MustParseAddr("10.9.0.2"), netip.MustParseAddr("10.9.0.3")
	for name, test := range map[string]struct {
		filter  dataplane.FlushFilter
		removed []byte // stations
	}{
		"everything":               {dataplane.FlushFilter{}, []byte{1, 2, 3, 4, 5}},
		"learned":                  {dataplane.FlushFilter{Class: fdb.Learned}, []byte{3, 4, 5}},
		"at a remote":              {dataplane.FlushFilter{Remote: b}, []byte{1, 3}},
		"static at a remote":       {dataplane.FlushFilter{Class: fdb.Static, Remote: b}, []byte{1}},
		"a MAC":                    {dataplane.FlushFilter{MAC: station(4)}, []byte{4}},
		"a MAC at its remote":      {dataplane.FlushFilter{MAC: station(4), Remote: c}, []byte{4}},
		"a MAC at another":         {dataplane.FlushFilter{MAC: station(4), Remote: b}, nil},
		"a static MAC as learned":  {dataplane.FlushFilter{MAC: station(1), Class: fdb.Learned}, nil},
		"behind a port":            {dataplane.FlushFilter{Port: "port0"}, []byte{5}},
		"behind a port and remote": {dataplane.FlushFilter{Port: "port0", Remote: b}, nil},
		"the port's own MAC":       {dataplane.FlushFilter{MAC: ownMAC}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				wire := newWire()
				a := newNode(t, wire, "10.9.0.1", setup{})
				must(t, a.network.AddEntry(station(1), netip.AddrPortFrom(b, 0)))
				must(t, a.network.AddEntry(station(2), netip.AddrPortFrom(c, 0)))
				newStranger(t, wire, b.String()).say(t, a, encap.Datagram{Data: vxlan(toAll(station(3)))})
				newStranger(t, wire, c.String()).say(t, a, encap.Datagram{Data: vxlan(toAll(station(4)))})
				a.port.send(t, etherFrame(station(1), station(5), "from behind the port"))
				if n := a.network.Flush(test.filter); n != len(test.removed) {
					t.Errorf("%d entries were removed, not those of %v", n, test.removed)
				}
				left := map[encap.MAC]bool{}
				for _, e := range a.network.Entries() {
					left[e.MAC] = true
				}
				for _, i := range test.removed {
					if left[station(i)] {
						t.Errorf("%v is still there", station(i))
					}
				}
				if len(left) != 6-len(test.removed) || !left[ownMAC] {
					t.Errorf("left are %v", left)
				}
			})
		})
	}
}
