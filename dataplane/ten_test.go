package dataplane_test

import (
	"fmt"
	"testing"
	"testing/synctest"
)

// Ten VTEPs in one process share nothing: each counts what is its own, and one that closes
// takes nothing from the others.
func TestTenVTEPs(t *testing.T) {
	const count = 10
	synctest.Test(t, func(t *testing.T) {
		wire := newWire()
		addr := func(i int) string { return fmt.Sprintf("10.9.0.%d", i+1) }
		nodes := make([]*node, count)
		for i := range nodes {
			var others []string
			for j := range count {
				if j != i {
					others = append(others, addr(j))
				}
			}
			nodes[i] = newNode(t, wire, addr(i), setup{network: flooding(others...)})
		}
		total := uint64(0)
		for i, x := range nodes {
			for range i + 1 {
				x.port.send(t, toAll(x.mac))
				total++
			}
		}
		holds := func(nodes []*node, more uint64) {
			t.Helper()
			for i, x := range nodes {
				s, own := x.network.Stats(), uint64(i+1)
				if i == 0 {
					own += more
				} else {
					s.In.Frames -= more
				}
				if s.Out.Frames != own || s.In.Frames != total-uint64(i+1) {
					t.Errorf("vtep %d counts %d out and %d in, want %d and %d", i, s.Out.Frames, s.In.Frames, own, total-uint64(i+1))
				}
				x.conserved(t)
			}
		}
		holds(nodes, 0)
		must(t, nodes[count-1].vtep.Close())
		nodes[0].port.send(t, toAll(nodes[0].mac))
		holds(nodes[:count-1], 1)
	})
}
