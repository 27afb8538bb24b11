package dataplane_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

// stream is one flow of which no byte may be lost, doubled or out of order.
type stream struct {
	from, to *device
	flow     flow
	super    bool // superframes
	sent     []byte
	got      []byte
}

// send has the next part sent, without waiting.
func (s *stream) send(t testing.TB) {
	t.Helper()
	size := 8
	if s.super {
		size = 10*mss - len(s.sent)%7
	}
	payload := make([]byte, size)
	for i := range payload {
		payload[i] = byte(len(s.sent)/mss + i*3)
	}
	binary.BigEndian.PutUint64(payload, uint64(len(s.sent)))
	s.flow.seq = uint32(len(s.sent))
	s.sent = append(s.sent, payload...)
	frame, o := s.flow.frame(t, payload), encap.Offload{}
	if s.super {
		o = partial(frame, mss)
	}
	s.from.inject(t, frame, o)
}

// listen sorts what a port got by the flow's destination port. Its checksums are right,
// or left partial.
func listen(t testing.TB, to *device, streams ...*stream) {
	t.Helper()
	for _, f := range to.received() {
		if !encap.CompleteChecksum(f.Data, f.Offload) || f.Offload.GSO != encap.GSONone {
			t.Fatalf("offload %+v", f.Offload)
		}
		payload := checked(t, f.Data)
		var l encap.Layers
		l.Parse(f.Data)
		for _, s := range streams {
			if s.to == to && s.flow.dport == binary.BigEndian.Uint16(f.Data[l.L4+2:]) {
				s.got = append(s.got, payload...)
			}
		}
	}
}

// complete fails the test unless all has come in order.
func (s *stream) complete(t testing.TB) {
	t.Helper()
	if !bytes.Equal(s.got, s.sent) {
		t.Errorf("port %d: %d bytes came of %d, or not in order", s.flow.dport, len(s.got), len(s.sent))
	}
}

// pair is two nodes of a sealed network, of so many workers each, and conversations
// between their hosts.
func pair(t testing.TB, wire *mem.Network, workers [2]int) (a, b *node, streams []*stream) {
	t.Helper()
	s := setup{workers: workers[0], underlay: mem.UnderlayConfig{Sources: 4}, port: mem.PortConfig{Offloads: encap.OffloadCSUM}}
	a = newSealedNode(t, wire, "10.9.0.1", s, "10.9.0.2")
	s.workers = workers[1]
	b = newSealedNode(t, wire, "10.9.0.2", s, "10.9.0.1")
	for i, ends := range [][2]*node{{a, b}, {b, a}, {a, b}, {b, a}} {
		f := flowOf(ends[0].mac, ends[1].mac, i%2 == 0)
		f.dport, f.sport = uint16(4000+i), uint16(5000+i)
		f.tcp = i < 2
		streams = append(streams, &stream{from: ends[0].port, to: ends[1].port, flow: f, super: f.tcp})
	}
	return a, b, streams
}

// TestRotationLosesNothing: ten a second, under superframes of TCP and small frames of UDP
// both ways. There are frames on their way throughout each handshake. Where a handshake may
// take longer than the pause between two, those that cross can end in one epoch: then there
// are fewer.
func TestRotationLosesNothing(t *testing.T) {
	const ticks, each = 500, 10
	for _, tt := range []struct {
		workers [2]int
		delay   time.Duration // of each of a handshake's three messages, and up to 10 ms more
		least   uint64        // rotations, of ticks/each that are asked for
	}{
		{[2]int{1, 1}, 20 * time.Millisecond, ticks / each},
		{[2]int{3, 2}, 20 * time.Millisecond, ticks / each},
		{[2]int{1, 1}, 30 * time.Millisecond, ticks / each / 3},
		{[2]int{3, 2}, 30 * time.Millisecond, ticks / each / 3},
	} {
		t.Run(fmt.Sprintf("workers=%d,%d delay=%v", tt.workers[0], tt.workers[1], tt.delay), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				wire := mem.NewNetwork(mem.Impairments{Delay: tt.delay, Jitter: 10 * time.Millisecond}, 1)
				if n := rotateUnderLoad(t, wire, tt.workers, ticks, each); n < tt.least {
					t.Errorf("%d rotations, want %d", n, tt.least)
				}
			})
		})
	}
}

// rotateUnderLoad sends on four streams for so many ticks of 10 ms, rotates at the one end and
// the other in turn, has nothing be lost, and returns how many epochs were made.
func rotateUnderLoad(t *testing.T, wire *mem.Network, workers [2]int, ticks, each int) uint64 {
	a, b, streams := pair(t, wire, workers)
	pass(time.Second)
	before := a.vtep.Node().Status()[0].Epoch
	for i := range ticks {
		if i%each == 0 { // each end rotates when the other did 100 ms ago
			x := []*node{a, b}[i/each%2]
			must(t, x.vtep.Node().Rotate(x.peers[0]))
		}
		for _, s := range streams {
			s.send(t)
		}
		<-time.After(10 * time.Millisecond)
		listen(t, a.port, streams...)
		listen(t, b.port, streams...)
	}
	pass(time.Second)
	listen(t, a.port, streams...)
	listen(t, b.port, streams...)
	for _, s := range streams {
		s.complete(t)
	}
	for _, x := range []*node{a, b} {
		st, stray := x.network.Stats(), x.vtep.Stats().Stray
		if st.Out.Dropped()+st.In.Dropped()+stray.Dropped() != 0 {
			t.Errorf("%v dropped %s, %s and %s", x.addr, drops(st.Out), drops(st.In), drops(stray))
		}
		x.conserved(t)
	}
	return a.vtep.Node().Status()[0].Epoch - before
}

// TestARestartedPeerIsHeardAgain: within a second of its first frame, though its clock is
// an hour back, and under load from the other side; and so is the other by it.
func TestARestartedPeerIsHeardAgain(t *testing.T) {
	for _, back := range []time.Duration{0, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			wire := newSlowWire()
			a, b, _ := pair(t, wire, [2]int{1, 1})
			pass(time.Second)
			for range 3 { // so that there is something to have forgotten
				must(t, b.vtep.Node().Rotate(b.peers[0]))
				pass(time.Second)
			}
			must(t, b.vtep.Close())
			for range 10 {
				a.port.send(t, toAll(a.mac))
				pass(time.Second)
			}
			wall := func() time.Time { return time.Now().Add(-back) }
			b = newSealedNode(t, wire, "10.9.0.2", setup{sealing: crypto.Config{Wall: wall}}, "10.9.0.1")
			first, answer := etherFrame(a.mac, b.mac, "here I am again"), etherFrame(b.mac, a.mac, "welcome")
			b.port.inject(t, first, encap.Offload{})
			a.port.received()
			began := time.Now()
			for len(a.port.received()) == 0 && time.Since(began) < time.Minute {
				pass(time.Millisecond)
			}
			a.port.send(t, answer)
			pass(10 * time.Millisecond)
			if took := time.Since(began); took > time.Second {
				t.Errorf("with a clock %v back, it took %v", back, took)
			}
			b.port.expect(t, answer)
			if out := b.network.Stats().Out; out.Dropped() != 0 {
				t.Errorf("of its frames dropped: %s", drops(out))
			}
		})
	}
}

// TestKeysEndWhileTheMachineSleeps: the clock goes on then, and timers do not.
func TestKeysEndWhileTheMachineSleeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := newSlowWire()
		start := time.Now()
		var slept atomic.Int64
		s := setup{sealing: crypto.Config{Clock: func() time.Duration {
			return time.Since(start) + time.Duration(slept.Load())
		}}}
		a := newSealedNode(t, wire, "10.9.0.1", s, "10.9.0.2")
		b := newSealedNode(t, wire, "10.9.0.2", setup{}, "10.9.0.1")
		pass(5 * time.Minute) // nothing is due any more
		wire.SetImpairments(mem.Impairments{Delay: time.Millisecond, Loss: 1})
		slept.Store(int64(20 * time.Hour))
		pass(10 * time.Second)
		if a.peers[0].Sending() != nil {
			t.Fatal("keys of yesterday are still used")
		}
		wire.SetImpairments(mem.Impairments{Delay: time.Millisecond})
		frame := etherFrame(b.mac, a.mac, "good morning")
		a.port.send(t, frame)
		pass(time.Second)
		b.port.expect(t, frame)
	})
}

// TestANetworkStopsWhenItsKeysAreNotRenewed: bounded, and counted, and then goes on.
func TestANetworkStopsWhenItsKeysAreNotRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := newSlowWire()
		s := setup{sealing: crypto.Config{RotateAfter: 10 * time.Minute}}
		a := newSealedNode(t, wire, "10.9.0.1", s, "10.9.0.2")
		b := newSealedNode(t, wire, "10.9.0.2", s, "10.9.0.1")
		pass(time.Second)
		frame := etherFrame(b.mac, a.mac, "are the keys still good?")
		wire.SetImpairments(mem.Impairments{Delay: time.Millisecond, Loss: 1})
		pass(12 * time.Minute)
		if a.peers[0].Sending() != nil {
			t.Fatal("the keys are still used")
		}
		a.port.send(t, frame)
		pass(3 * time.Second)
		if out := a.network.Stats().Out; out.Drops[dataplane.DropNoKey] != 1 || out.Forwarded != 0 {
			t.Errorf("counts %+v", out)
		}
		wire.SetImpairments(mem.Impairments{Delay: time.Millisecond})
		a.port.send(t, frame)
		pass(time.Second)
		b.port.expect(t, frame)
	})
}
