package dataplane

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

// newSealedSending is a VTEP with two peers that sends into a script.
func newSealedSending(t testing.TB, u *script) *sealedStepped {
	t.Helper()
	s := newSealedStepped(t, false, 2)
	u.Underlay = s.u
	s.out.sends.init(u, 1, &s.out.ledger)
	if err := s.n.AddEntry(otherMAC, s.far[1].addr); err != nil {
		t.Fatal(err)
	}
	return s
}

// finished does what the flag leaves to the receiver, who knows nothing but the frame.
func finished(t testing.TB, all []opened) (frames [][]byte) {
	t.Helper()
	for _, o := range all {
		if o.flags&crypto.FlagPartialChecksum != 0 {
			var l encap.Layers
			l.Parse(o.frame)
			left := encap.RecognizeOffload(o.frame, &l, 0, encap.MaxFrame)
			if !left.NeedsCSUM {
				t.Fatalf("flagged, and nothing is left to do: %x", o.frame)
			}
			encap.CompleteChecksum(o.frame, left)
		}
		frames = append(frames, o.frame)
	}
	return frames
}

// TestEverythingIsSealedInWireSize: frames and superframes of every kind, to one peer and
// to all, and no checksum is computed that the receiver can do without.
func TestEverythingIsSealedInWireSize(t *testing.T) {
	for i := range kinds() {
		for _, dst := range []encap.MAC{remoteMAC, encap.Broadcast} {
			c := outgoingKind(i)
			c.dst = dst
			u := &script{sources: 16, limit: 64}
			u.fail = u.withinLimits(t)
			s := newSealedSending(t, u)
			var frames []wireFrame
			for _, cut := range [][2]int{{3000, 1000}, {60000, 1386}, {61001, 1000}, {5000, 100}, {500, 9}, {1400, 1400}, {64, 1}} {
				super := c.next(cut[0])
				frames = append(frames, wireFrame{super, leave(super, cut[1])})
				c.id += uint16(cut[0] / cut[1]) // as many as its segments take
				left := c.next(cut[1])
				frames = append(frames, wireFrame{left, leave(left, 0)}, wireFrame{frame: c.next(77)}, wireFrame{frame: c.next(0)})
			}
			want := s.transmit(t, frames...)
			for j := range s.far {
				if dst == remoteMAC && j > 0 {
					break
				}
				all := s.far[j].open(t, u)
				flagged := 0
				for _, o := range all {
					flagged += int(o.flags)
				}
				if whole := 2 * 7; len(all)-flagged != whole {
					t.Errorf("%s: %d of %d frames left with complete checksums, want %d", c.name(), len(all)-flagged, len(all), whole)
				}
				sameFlows(t, finished(t, all), want)
			}
			if out := s.n.Stats().Out; int(out.Forwarded) != len(want) || out.Bytes != out.ForwardedBytes {
				t.Errorf("%s: counts %+v", c.name(), out)
			}
		}
	}
}

// TestABatchIsLongerThanTheSlab: which is sent then, and used again.
func TestABatchIsLongerThanTheSlab(t *testing.T) {
	u := &script{sources: 16, limit: 64}
	s := newSealedSending(t, u)
	c := outgoingKind(3)
	c.dst = encap.Broadcast
	var frames []wireFrame
	for range batchSize {
		super := c.next(4 * sealSlab / batchSize)
		frames = append(frames, wireFrame{super, leave(super, 1386)})
	}
	want := s.transmit(t, frames...)
	for j := range s.far {
		sameFlows(t, finished(t, s.far[j].open(t, u)), want)
	}
}

// TestAnythingIsSealed: batches of anything, and each flow is in order.
func TestAnythingIsSealed(t *testing.T) {
	for seed := range uint64(15) {
		rng := rand.New(rand.NewPCG(seed, 3))
		u := &script{sources: []int{0, 1, 16}[seed%3], limit: []int{64, 128, 7, 1, 0}[seed%5]}
		u.fail = u.withinLimits(t)
		s := newSealedSending(t, u)
		for range 5 {
			u.took = nil
			want := s.transmitAtRandom(t, rng)
			sameFlows(t, finished(t, s.far[0].open(t, u)), want)
		}
	}
}

// TestPortsGetTheirCopyUnharmed: of a superframe that is cut up where it lies for others.
func TestPortsGetTheirCopyUnharmed(t *testing.T) {
	for i := range kinds() {
		c := outgoingKind(i)
		c.dst = encap.Broadcast
		u := &script{sources: 16, limit: 64}
		s := newSealedSending(t, u)
		ports := make(map[string]*mem.Port)
		for name, offloads := range map[string]encap.OffloadSet{"able": everyOffload, "able too": everyOffload, "half": encap.OffloadCSUM, "plain": 0} {
			ports[name] = mem.NewPort(mem.PortConfig{Depth: 8192, Offloads: offloads})
			mac := encap.MAC{0x02, 1, 0, 0, 0, byte(len(ports))}
			if err := s.n.AddPort(PortConfig{Name: name, MAC: mac, MTU: 1450, Queues: []Queue{ports[name]}}); err != nil {
				t.Fatal(err)
			}
		}
		var frames []wireFrame
		for range 5 {
			super, left := c.next(30000), c.next(1000)
			frames = append(frames, wireFrame{super, leave(super, 1000)}, wireFrame{left, leave(left, 0)}, wireFrame{frame: c.next(100)})
		}
		want := s.transmit(t, frames...)
		for name, p := range ports {
			var got []encap.Frame
			for f, ok := p.TryReceive(); ok; f, ok = p.TryReceive() {
				got = append(got, f)
			}
			sameFlows(t, allInWireSize(t, got), want)
			if p.Offloads() != everyOffload {
				continue
			}
			for j := range got {
				if got[j].Offload != frames[j].offload || !bytes.Equal(got[j].Data, frames[j].frame) {
					t.Fatalf("%s, port %s: frame %d is another: %+v", c.name(), name, j, got[j].Offload)
				}
			}
		}
		for j := range s.far {
			sameFlows(t, finished(t, s.far[j].open(t, u)), want)
		}
		if out := s.n.Stats().Out; int(out.Forwarded) != len(want) || int(out.Copies) != 5*len(want) {
			t.Errorf("%s: counts %+v, want %d", c.name(), out, len(want))
		}
	}
}

// TestOddOffloadsAreDoneBeforeSealing: what the receiver would not see from the frame
// alone is finished here, or dropped.
func TestOddOffloadsAreDoneBeforeSealing(t *testing.T) {
	c := outgoingKind(0)
	u := &script{sources: 16, limit: 64}
	s := newSealedSending(t, u)
	odd := c.next(100)
	o := leave(odd, 0)
	o.CSUMStart, o.CSUMOffset = o.CSUMStart+encap.UDPSize, 2 // somewhere in the payload
	outside := c.next(100)
	out := leave(outside, 0)
	out.CSUMStart = 1000
	broken := c.next(3000)
	cut := leave(broken, 1000)
	cut.CSUMStart++
	for _, f := range []wireFrame{{odd, o}, {outside, out}, {broken, cut}} {
		if !s.first.Inject(f.frame, f.offload) {
			t.Fatal("not injected")
		}
	}
	for s.out.serve(0) > 0 {
	}
	encap.CompleteChecksum(odd, o)
	got := s.far[0].open(t, u)
	if len(got) != 1 || got[0].flags != 0 || !bytes.Equal(got[0].frame, odd) {
		t.Errorf("%d frames were sealed: %x", len(got), got)
	}
	if st := s.n.Stats().Out; st.Drops[DropMalformed] != 4 || st.Forwarded != 1 {
		t.Errorf("counts %+v", st)
	}
}

// TestOuterTOSOfSealedFrames: ECN and DSCP are the inner ones, each in a train of its own.
func TestOuterTOSOfSealedFrames(t *testing.T) {
	for i := range kinds() {
		c := outgoingKind(i)
		u := &script{sources: 16, limit: 64}
		s := newSealedSending(t, u)
		var want []uint8
		for _, tos := range []uint8{0, 1, 2, 3, 0xb8, 0xb9} {
			c.tos = tos
			super := c.next(2000)
			s.transmit(t, wireFrame{super, leave(super, 1000)}, wireFrame{frame: c.next(10)})
			outer := encap.EncapECN(encap.ECNOf(tos)).In(tos)
			want = append(want, outer, outer, outer)
		}
		var got []uint8
		for _, d := range u.took {
			got = append(got, d.TOS)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: TOS %v, want %v", c.name(), got, want)
		}
	}
}
