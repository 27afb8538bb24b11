package dataplane_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

// wirePort adds to a node a port that is a wire, with stations behind it, as that of an
// interface is. Whether it has a MAC of its own makes no difference to them.
func (x *node) wirePort(t *testing.T, mac encap.MAC) *device {
	t.Helper()
	return x.addPort(t, "wire", mac, mem.PortConfig{Offloads: allOffloads})
}

// Stations behind a wire are found by flooding, and then reached there and nowhere else,
// until they have been silent for too long.
func TestStationsBehindAWire(t *testing.T) {
	for _, own := range []encap.MAC{{}, secondMAC} {
		synctest.Test(t, func(t *testing.T) {
			_, a, b, c := triangle(t, setup{})
			wire := a.wirePort(t, own)
			f := etherFrame(station(1), b.mac, "where are you")
			everywhere := func() {
				t.Helper()
				b.port.send(t, f)
				for _, d := range []*device{wire, a.port, c.port} {
					d.expect(t, f)
				}
			}
			everywhere()
			hello := etherFrame(b.mac, station(1), "here")
			wire.send(t, hello)
			b.port.expect(t, hello)
			a.port.expect(t)
			c.port.expect(t)
			b.port.send(t, f)
			wire.expect(t, f)
			a.port.expect(t)
			c.port.expect(t)
			a.port.send(t, f)
			wire.expect(t, f)

			wire.send(t, etherFrame(station(1), station(2), "beside me on the wire"))
			if out := a.network.Stats().Out; out.Drops[dataplane.DropHairpin] != 1 {
				t.Error(drops(out))
			}
			pass(dataplane.DefaultAgeing + time.Second)
			everywhere()
			a.conserved(t)
		})
	}
}

// A station that moves between a wire and a remote is followed at once, as the first frame
// from its new place is no loop; the wire's own MAC does not move.
func TestStationsMoveToAndFromAWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a, b, c := triangle(t, setup{})
		wire := a.wirePort(t, secondMAC)
		f := etherFrame(station(1), c.mac, "find me")
		for _, at := range []*device{wire, b.port, wire, b.port, wire} {
			at.send(t, toAll(station(1)))
			for _, d := range []*device{wire, a.port, b.port, c.port} {
				d.received()
			}
			a.port.send(t, f)
			at.expect(t, f)
			if e := a.entry(t, station(1)); (e.Port == "wire") != (at == wire) {
				t.Errorf("after it spoke at %s the entry is %+v", at.name, e)
			}
		}
		if in := a.network.Stats().In; in.Drops[dataplane.DropLoop] != 0 {
			t.Error(drops(in))
		}
		b.port.send(t, toAll(secondMAC))
		if in := a.network.Stats().In; in.Drops[dataplane.DropLoop] != 1 {
			t.Error("the wire's own MAC from the tunnel:", drops(in))
		}
		a.conserved(t)
	})
}

// latePort is a port in memory whose frames begin behind the room of a tag, as those of an
// interface do that had none.
type latePort struct{ *mem.Port }

func (p latePort) Read(frames []encap.Frame) (int, error) {
	late := make([]encap.Frame, len(frames))
	for i := range frames {
		late[i].Data = frames[i].Data[encap.VLANTagSize:]
	}
	n, err := p.Port.Read(late)
	copy(frames, late[:n])
	return n, err
}

// takes is a port without offloads that takes everything.
func takes(*encap.Frame) error { return nil }

// Where in its buffer a frame begins makes no difference to what is sent, sealed or not,
// superframes included.
func TestFramesThatBeginLate(t *testing.T) {
	for _, sealed := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			wire := newWire()
			with := func(peer string) setup {
				s := setup{port: mem.PortConfig{FailWrite: takes}}
				if sealed {
					s.network, s.peers = networkConfig{Sealed: true}, []string{peer}
				} else {
					s.network = flooding(peer)
				}
				return s
			}
			a := newNode(t, wire, "10.9.0.1", with("10.9.0.2"))
			b := newNode(t, wire, "10.9.0.2", with("10.9.0.1"))
			port := latePort{mem.NewPort(mem.PortConfig{Offloads: allOffloads})}
			must(t, a.network.AddPort(dataplane.PortConfig{Name: "late", MTU: testMTU, Queues: []dataplane.Queue{port}, Close: port.Close}))
			f := flowOf(station(1), b.mac, false)
			f.tcp = true
			for _, size := range []int{100, 20 * mss} {
				payload := pattern(size)
				frame, o := f.frame(t, payload), encap.Offload{}
				if size > mss {
					o = partial(frame, mss)
				}
				port.Inject(frame, o)
				pass(time.Second)
				b.port.received() // a sealed network's first one has waited for a session
				port.Inject(frame, o)
				synctest.Wait()
				if got := rejoin(t, b.port.received()); string(got) != string(payload) {
					t.Errorf("sealed %v: got %d bytes of %d", sealed, len(got), size)
				}
			}
			a.conserved(t)
		})
	}
}
