package dataplane_test

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

// Of twenty VTEPs that send, a closed network delivers from exactly those ten that it
// names, by its flood list or by an entry.
func TestTwentySourcesOfWhichTenAreNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := newWire()
		address := func(i int) string { return fmt.Sprintf("10.9.1.%d", 1+i) }
		cfg := networkConfig{Closed: true}
		for i := range 5 {
			cfg.Remotes = append(cfg.Remotes, netAddr(address(i)))
		}
		a := newNode(t, wire, "10.9.0.1", setup{network: cfg})
		for i := 5; i < 10; i++ {
			must(t, a.network.AddEntry(station(byte(100+i)), netAddr(address(i))))
		}
		var want [][]byte
		for i := range 20 {
			f := etherFrame(encap.Broadcast, station(byte(i)), fmt.Sprint("from ", i))
			newStranger(t, wire, address(i)).say(t, a, encap.Datagram{Data: vxlan(f)})
			if i < 10 {
				want = append(want, f)
			}
		}
		a.port.expect(t, want...)
		s := a.network.Stats()
		if s.In.Forwarded != 10 || s.In.Drops[dataplane.DropUnknownVTEP] != 10 || s.Learned != 10 {
			t.Errorf("%d delivered, %d learned, dropped %s", s.In.Forwarded, s.Learned, drops(s.In))
		}
		a.conserved(t)
	})
}

// Flows leave from all source ports about equally, and each from one: what ECMP and RSS
// on the way depend on.
func TestSourcePortEntropy(t *testing.T) {
	const flows, ports = 1600, 16
	for name, v6 := range map[string]bool{"IPv4": false, "IPv6": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				wire := newWire()
				newStranger(t, wire, "10.9.0.2")
				count := map[uint16]int{}
				wire.Tap(func(from, _ netip.AddrPort, _ encap.Datagram) { count[from.Port()]++ })
				a := newNode(t, wire, "10.9.0.1", setup{network: flooding("10.9.0.2"), underlay: mem.UnderlayConfig{Sources: ports}})
				for i := range flows {
					f := flowOf(a.mac, encap.Broadcast, v6)
					f.sport = uint16(1000 + i)
					for range 2 { // one flow, one port
						a.port.send(t, f.frame(t, []byte("x")))
					}
				}
				if len(count) != ports {
					t.Errorf("%d source ports", len(count))
				}
				for port, n := range count {
					if mean := 2 * flows / ports; n%2 != 0 || n < mean/2 || n > 2*mean {
						t.Errorf("%d of %d datagrams from port %d", n, 2*flows, port)
					}
				}
			})
		})
	}
}
