package dataplane_test

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

const secret = "a secret"

// frameOf is a secret of so many bytes for everybody.
func frameOf(size int) []byte {
	f := toAll(ownMAC)
	for len(f) < size {
		f = append(f, secret...)
	}
	return f[:size]
}

// newSlowWire is one on which no session comes about while a node is still being made:
// what had waited for it would find no port there.
func newSlowWire() *mem.Network {
	return mem.NewNetwork(mem.Impairments{Delay: time.Millisecond}, 1)
}

// noSecrets fails the test when a datagram is not sealed, and returns how many were seen.
func (r *recorder) noSecrets(t *testing.T) int {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range r.datagrams {
		if !crypto.Sealed(d) || bytes.Contains(d, []byte(secret)) {
			t.Fatalf("on the wire in clear text: %x", d)
		}
	}
	return len(r.datagrams)
}

// TestFramesWaitForASessionInBounds: for two seconds, so many and so much, and then they
// are dropped. What leaves meanwhile are tries to have a session.
func TestFramesWaitForASessionInBounds(t *testing.T) {
	const waitFrames, waitBytes = 64, 128 << 10
	for size, most := range map[int]uint64{100: waitFrames, 9000: waitBytes / (9000 + encap.VXLANSize)} {
		synctest.Test(t, func(t *testing.T) {
			wire := newWire()
			var seen recorder
			newStranger(t, wire, "10.9.0.2") // hears, and says nothing
			a := newSealedNode(t, wire, "10.9.0.1", setup{wrap: seen.wrap}, "10.9.0.2")
			const sent = 200
			for range sent {
				a.port.send(t, frameOf(size))
			}
			check := func(when string, waiting uint64) {
				t.Helper()
				out := a.network.Stats().Out
				if out.Waiting != waiting || out.Drops[dataplane.DropNoKey] != sent-waiting || out.Forwarded != 0 {
					t.Errorf("%d bytes, %s: %d wait, %s; want %d to wait", size, when, out.Waiting, drops(out), waiting)
				}
				a.conserved(t)
			}
			check("at once", most)
			pass(1900 * time.Millisecond)
			check("after 1.9 s", most)
			pass(200 * time.Millisecond)
			check("after 2.1 s", 0)
			a.port.send(t, frameOf(size))
			if w := a.network.Stats().Out.Waiting; w != 1 {
				t.Errorf("there was no room again: %d wait", w)
			}
			must(t, a.vtep.Close())
			if n := seen.noSecrets(t); n == 0 {
				t.Error("no session was tried")
			}
			if out := a.network.Stats().Out; out.Waiting != 0 || out.Drops[dataplane.DropNoKey] != sent+1 {
				t.Errorf("closed, %d wait, %s", out.Waiting, drops(out))
			}
		})
	}
}

// TestHeldFramesAreSent: in order and whole, once the peer is there.
func TestHeldFramesAreSent(t *testing.T) {
	eachTransport(t, func(t *testing.T, f flow) {
		wire := newSlowWire()
		var seen recorder
		a := newSealedNode(t, wire, "10.9.0.1", setup{wrap: seen.wrap}, "10.9.0.2")
		f.dst = encap.Broadcast
		payload := pattern(9*mss + 1)
		frame, o := f.superframe(t, payload)
		a.port.inject(t, frame, o)
		small := f.frame(t, pattern(77))
		left := bytes.Clone(small)
		a.port.inject(t, left, partial(left, 0))
		synctest.Wait()
		if out := a.network.Stats().Out; out.Waiting != 11 {
			t.Errorf("%d wait, want 11", out.Waiting)
		}
		pass(time.Second)
		b := newSealedNode(t, wire, "10.9.0.2", setup{wrap: seen.wrap, port: mem.PortConfig{Offloads: encap.OffloadCSUM}}, "10.9.0.1")
		pass(time.Second)
		var segments []encap.Frame
		for _, got := range b.port.received() {
			if !encap.CompleteChecksum(got.Data, got.Offload) {
				t.Fatalf("offload %+v", got.Offload)
			}
			segments = append(segments, encap.Frame{Data: got.Data})
		}
		if len(segments) != 11 || !bytes.Equal(segments[10].Data, small) {
			t.Fatalf("%d frames came, want 11 and the small one last", len(segments))
		}
		if !bytes.Equal(rejoin(t, segments[:10]), payload) {
			t.Error("the superframe came changed")
		}
		if out := a.network.Stats().Out; out.Forwarded != 11 || out.Waiting != 0 || out.Copies != 0 || out.Bytes != out.ForwardedBytes {
			t.Errorf("counts %+v", out)
		}
		a.conserved(t)
		seen.noSecrets(t)
		for _, d := range seen.datagrams { // the workers' queues are theirs alone
			if d[0] == crypto.TypeData && crypto.Header(d).Queue() != crypto.ControlQueue {
				t.Errorf("sealed by another than its worker on queue %d", crypto.Header(d).Queue())
			}
		}
	})
}

// TestOnlyTheLastHopeIsCounted: a frame that went to one peer is forwarded, whatever
// becomes of the copy that waits for another.
func TestOnlyTheLastHopeIsCounted(t *testing.T) {
	for _, comes := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			wire := newSlowWire()
			a := newSealedNode(t, wire, "10.9.0.1", setup{}, "10.9.0.2", "10.9.0.3", "10.9.0.4")
			newInsider(t, wire, "10.9.0.2", a)
			a.port.send(t, frameOf(100))
			if out := a.network.Stats().Out; out.Forwarded != 1 || out.Waiting != 0 {
				t.Errorf("counts %+v", out)
			}
			copies := uint64(0)
			if comes {
				c := newSealedNode(t, wire, "10.9.0.3", setup{}, "10.9.0.1")
				pass(time.Second)
				c.port.expect(t, frameOf(100))
				copies = 1
			}
			pass(3 * time.Second)
			if out := a.network.Stats().Out; out.Forwarded != 1 || out.Copies != copies || out.Dropped() != 0 {
				t.Errorf("counts %+v, want %d copies", out, copies)
			}
			a.conserved(t)
		})
	}
}

// TestAFrameThatWaitsTwiceHasOneFate: when it waits for several peers.
func TestAFrameThatWaitsTwiceHasOneFate(t *testing.T) {
	for _, comes := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			wire := newSlowWire()
			a := newSealedNode(t, wire, "10.9.0.1", setup{}, "10.9.0.2", "10.9.0.3")
			a.port.send(t, frameOf(100))
			if out := a.network.Stats().Out; out.Frames != 1 || out.Waiting != 1 {
				t.Errorf("counts %+v", out)
			}
			if comes {
				newSealedNode(t, wire, "10.9.0.3", setup{}, "10.9.0.1")
			}
			pass(3 * time.Second)
			a.conserved(t)
			if out := a.network.Stats().Out; out.Waiting != 0 || out.Forwarded+out.Dropped() != 1 {
				t.Errorf("counts %+v", out)
			}
		})
	}
}

// TestNothingIsSentToAPeerThatWasRemoved: with whom there was a session a moment ago.
func TestNothingIsSentToAPeerThatWasRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := newWire()
		var seen recorder
		a := newSealedNode(t, wire, "10.9.0.1", setup{wrap: seen.wrap}, "10.9.0.2")
		in := newInsider(t, wire, "10.9.0.2", a)
		a.port.send(t, frameOf(100))
		a.vtep.Node().RemovePeer(a.peers[0])
		before := seen.noSecrets(t)
		a.port.send(t, frameOf(100))
		pass(time.Minute)
		if n := seen.noSecrets(t) - before; n != 0 {
			t.Errorf("%d datagrams left", n)
		}
		in.say(t, a, encap.Datagram{Data: in.seal(t, vxlan(toAll(foreignMAC)), 0)})
		a.port.expect(t)
		if out := a.network.Stats().Out; out.Forwarded != 1 || out.Drops[dataplane.DropNoKey] != 1 {
			t.Errorf("counts %+v", out)
		}
	})
}
