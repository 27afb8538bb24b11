package dataplane_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

// Ten VTEPs in one process know nothing of each other: five pairs with the same addresses,
// networks, MACs and ports, each on a wire of its own. What is sent, learned, entered,
// counted, captured, reported or closed in one pair shows in no other.
func TestTenVTEPsInOneProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const pairs = 5
		var a, b [pairs]*node
		var paths [pairs]*mem.Paths
		var told [pairs]int
		var captured [pairs]*dataplane.Capture
		for i := range pairs {
			wire := newWire()
			paths[i] = mem.NewPaths()
			a[i] = newNode(t, wire, "10.9.0.1", setup{network: flooding("10.9.0.2"), paths: paths[i], events: func(dataplane.Event) { told[i]++ }})
			b[i] = newNode(t, wire, "10.9.0.2", setup{network: flooding("10.9.0.1")})
			captured[i] = startCapture(t, a[i].vtep, dataplane.CaptureConfig{Stages: dataplane.StageTap})
		}
		others := func(i int, what string, quiet func(j int) bool) {
			t.Helper()
			for j := range pairs {
				if j != i && !quiet(j) {
					t.Errorf("%s in pair %d shows in pair %d", what, i, j)
				}
			}
		}
		guest := station(7)
		for i := range pairs {
			// A station behind b speaks: as many times as the number of the pair.
			for k := range i + 1 {
				frame := etherFrame(encap.Broadcast, guest, fmt.Sprint("pair ", i, " frame ", k))
				b[i].port.send(t, frame)
				a[i].port.expect(t, frame)
			}
			others(i, "a frame", func(j int) bool { return len(a[j].port.received())+len(b[j].port.received()) == 0 })
			out := etherFrame(guest, a[i].mac, fmt.Sprint("answer of ", i))
			a[i].port.send(t, out)
			b[i].port.expect(t, out)

			entry := station(byte(20 + i))
			must(t, a[i].network.AddEntry(entry, b[i].addr))
			others(i, "an entry", func(j int) bool { return !hasEntry(a[j], entry) && !hasEntry(b[j], entry) })

			paths[i].Report(refused(a[i], b[i], 1300+i))
			synctest.Wait()
			if got, want := mtus(a[i]), fmt.Sprintf("10.9.0.2:%d ", 1300+i); got != want || told[i] != 1 {
				t.Errorf("pair %d knows %s, not %s, and told %d times", i, got, want, told[i])
			}
		}
		for i := range pairs {
			if s := a[i].network.Stats(); s.In.Frames != uint64(i+1) || s.Out.Frames != 1 || s.Learned != 1 {
				t.Errorf("pair %d counts %+v in, %+v out, %d learned", i, s.In, s.Out, s.Learned)
			}
			if n := len(drain(captured[i])); n != i+2 {
				t.Errorf("pair %d: %d frames captured", i, n)
			}
			a[i].conserved(t)
			b[i].conserved(t)
		}
		must(t, a[0].vtep.RemoveNetwork(testVNI))
		must(t, a[1].vtep.Close())
		must(t, b[2].network.RemovePort(b[2].port.name))
		a[3].network.Flush(dataplane.FlushFilter{})
		frame := etherFrame(encap.Broadcast, guest, "still there")
		b[4].port.send(t, frame)
		a[4].port.expect(t, frame)
		if !hasEntry(a[4], guest) || !hasEntry(a[2], guest) || len(a[4].vtep.Networks()) != 1 {
			t.Error("what ended in other pairs ended in this one")
		}
		a[4].conserved(t)
	})
}

// hasEntry reports whether a node's table has a MAC.
func hasEntry(x *node, mac encap.MAC) bool {
	for _, e := range x.network.Entries() {
		if e.MAC == mac {
			return true
		}
	}
	return false
}
