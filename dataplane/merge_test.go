package dataplane

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"

	"github.com/vxtap/vxtap/dataplane/fdb"
	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

const everyOffload = encap.OffloadCSUM | encap.OffloadTSO | encap.OffloadUSO

// mergingMAC is that of a port whose frames a test looks at.
var mergingMAC = encap.MAC{0x02, 0, 0, 0, 0, 9}

// newMerging is a VTEP with a second port that keeps what is written to it.
func newMerging(t testing.TB, cfg mem.PortConfig) (*stepped, *mem.Port) {
	t.Helper()
	s := newStepped(t, false, 1)
	cfg.Depth = 8192
	p := mem.NewPort(cfg)
	if err := s.n.AddPort(PortConfig{Name: "merging", MAC: mergingMAC, MTU: 1450, Queues: []Queue{p}}); err != nil {
		t.Fatal(err)
	}
	return s, p
}

// eachKind runs a test for every kind of conversation with the merging port.
func eachKind(t *testing.T, test func(t *testing.T, c *conversation)) {
	for _, c := range kinds() {
		t.Run(c.name(), func(t *testing.T) {
			c.dst = mergingMAC
			test(t, &c)
		})
	}
}

func (c *conversation) frames(sizes ...int) (frames [][]byte) {
	for _, n := range sizes {
		frames = append(frames, c.next(n))
	}
	return frames
}

// equal is n times size.
func equal(n, size int) []int {
	sizes := make([]int, n)
	for i := range sizes {
		sizes[i] = size
	}
	return sizes
}

func allInWireSize(t testing.TB, frames []encap.Frame) (all [][]byte) {
	t.Helper()
	for _, f := range frames {
		all = append(all, inWireSize(t, f)...)
	}
	return all
}

// TestTrainsComeAsSuperframes: across all datagrams of a batch, trains or not.
func TestTrainsComeAsSuperframes(t *testing.T) {
	eachKind(t, func(t *testing.T, c *conversation) {
		s, p := newMerging(t, mem.PortConfig{Offloads: everyOffload})
		frames := c.frames(append(equal(39, 1300), 77)...)
		train, size := trainOf(frames[:20]...)
		rest, _ := trainOf(frames[30:]...)
		dgrams := []encap.Datagram{{Data: train, SegmentSize: uint16(size)}}
		for _, f := range frames[20:30] {
			dgrams = append(dgrams, encap.Datagram{Data: vxlanOf(f)})
		}
		got := s.receive(t, p, append(dgrams, encap.Datagram{Data: rest, SegmentSize: uint16(size)})...)
		if len(got) != 1 || got[0].Offload.GSO == encap.GSONone || got[0].Offload.SegmentSize != 1300 {
			t.Fatalf("%d frames, the first with %+v", len(got), got[0].Offload)
		}
		sameFlows(t, allInWireSize(t, got), frames)
		if in := s.n.Stats().In; in.Forwarded != 40 || in.ForwardedBytes != in.Bytes {
			t.Errorf("counts %+v", in)
		}
	})
}

func TestPortsWithoutOffloadsGetEverySegment(t *testing.T) {
	for _, offloads := range []encap.OffloadSet{0, encap.OffloadCSUM, everyOffload &^ encap.OffloadTSO, everyOffload &^ encap.OffloadUSO} {
		eachKind(t, func(t *testing.T, c *conversation) {
			s, p := newMerging(t, mem.PortConfig{Offloads: offloads})
			frames := c.frames(equal(40, 1000)...)
			train, size := trainOf(frames...)
			got := s.receive(t, p, encap.Datagram{Data: train, SegmentSize: uint16(size)})
			want := 40
			if c.tcp && offloads&encap.OffloadTSO != 0 || !c.tcp && offloads&encap.OffloadUSO != 0 {
				want = 1
			}
			if len(got) != want {
				t.Errorf("offloads %b: %d frames, want %d", offloads, len(got), want)
			}
			sameFlows(t, allInWireSize(t, got), frames)
		})
	}
}

// TestBadChecksumIsNotLaundered: a spoilt frame in the middle of a train comes where it
// was and as it was.
func TestBadChecksumIsNotLaundered(t *testing.T) {
	eachKind(t, func(t *testing.T, c *conversation) {
		for _, at := range []int{0, 7, 19} {
			s, p := newMerging(t, mem.PortConfig{Offloads: everyOffload})
			frames := c.frames(equal(20, 500)...)
			frames[at][len(frames[at])-3] ^= 4
			train, size := trainOf(frames...)
			got := s.receive(t, p, encap.Datagram{Data: train, SegmentSize: uint16(size)})
			alone := 0
			for _, f := range got {
				if f.Offload == (encap.Offload{}) && bytes.Equal(f.Data, frames[at]) {
					alone++
				}
			}
			if alone != 1 || len(got) > 3 {
				t.Errorf("spoilt at %d: %d frames, %d of them the spoilt one", at, len(got), alone)
			}
			sameFlows(t, allInWireSize(t, got), frames)
		}
	})
}

// TestMarkedOnTheWay: what was marked between two others of its flow is marked inside, and the
// others are not, though all look the same from inside (RFC 6040 section 4.2).
func TestMarkedOnTheWay(t *testing.T) {
	eachKind(t, func(t *testing.T, c *conversation) {
		s, p := newMerging(t, mem.PortConfig{Offloads: everyOffload})
		c.tos = uint8(encap.ECT0)
		frames := c.frames(equal(12, 500)...)
		var dgrams []encap.Datagram
		for i, f := range frames {
			d := encap.Datagram{Data: vxlanOf(f), TOS: uint8(encap.ECT0)}
			if i%4 == 2 {
				d.TOS = uint8(encap.CE)
				var l encap.Layers
				l.Parse(f)
				encap.SetInnerECN(f, &l, encap.CE)
			}
			dgrams = append(dgrams, d)
		}
		got := s.receive(t, p, dgrams...)
		if len(got) != 7 {
			t.Errorf("%d frames, want 7", len(got))
		}
		sameFlows(t, allInWireSize(t, got), frames)
	})
}

// TestLoneFrameIsWrittenAsItCame, even if it could have begun a superframe.
func TestLoneFrameIsWrittenAsItCame(t *testing.T) {
	eachKind(t, func(t *testing.T, c *conversation) {
		s, p := newMerging(t, mem.PortConfig{Offloads: everyOffload})
		f := c.next(100)
		got := s.receive(t, p, encap.Datagram{Data: vxlanOf(f)})
		if len(got) != 1 || got[0].Offload != (encap.Offload{}) || !bytes.Equal(got[0].Data, f) {
			t.Errorf("got %d frames", len(got))
		}
	})
}

// TestOffloadsThatShrinkInABatch: a port refuses the superframe that was made for it.
func TestOffloadsThatShrinkInABatch(t *testing.T) {
	eachKind(t, func(t *testing.T, c *conversation) {
		var p *mem.Port
		s, p := newMerging(t, mem.PortConfig{Offloads: everyOffload, FailWrite: func(f *encap.Frame) error {
			p.SetOffloads(0)
			return nil
		}})
		frames := c.frames(equal(30, 1000)...)
		train, size := trainOf(frames...)
		got := s.receive(t, p, encap.Datagram{Data: train, SegmentSize: uint16(size)})
		for _, f := range got {
			if f.Offload != (encap.Offload{}) {
				t.Fatalf("left to do: %+v", f.Offload)
			}
		}
		sameFlows(t, allInWireSize(t, got), frames)
		if in := s.n.Stats().In; in.Forwarded != 30 {
			t.Errorf("counts %+v", in)
		}
	})
}

func TestRefusedSuperframeIsCountedAsItsSegments(t *testing.T) {
	full := true
	s, p := newMerging(t, mem.PortConfig{Offloads: everyOffload, FailWrite: func(*encap.Frame) error {
		if full {
			return fmt.Errorf("write: %w", syscall.ENOBUFS)
		}
		return nil
	}})
	c := kinds()[0]
	c.dst = mergingMAC
	for range 2 {
		train, size := trainOf(c.frames(equal(30, 1000)...)...)
		s.receive(t, p, encap.Datagram{Data: train, SegmentSize: uint16(size)})
		full = false
	}
	if in := s.n.Stats().In; in.Drops[DropPortFull] != 30 || in.Forwarded != 30 {
		t.Errorf("counts %+v", in)
	}
}

// TestFlowsStayInOrder: far more flows than there are slots, in any mixture with frames
// that cannot be joined. Whatever the batch, each flow comes whole, in order, and byte
// for byte.
func TestFlowsStayInOrder(t *testing.T) {
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 7))
		s, p := newMerging(t, mem.PortConfig{Offloads: everyOffload})
		flows := make([]conversation, []int{2, 64, 1000}[seed%3])
		for i := range flows {
			flows[i] = kinds()[rng.IntN(16)]
			flows[i].port, flows[i].dst = uint16(i), mergingMAC
		}
		for range 20 {
			var want [][]byte
			dgrams := make([]encap.Datagram, batchSize)
			for i := range dgrams {
				frames := mixture(rng, flows)
				var size int
				dgrams[i].Data, size = trainOf(frames...)
				if len(frames) > 1 {
					dgrams[i].SegmentSize = uint16(size)
				}
				for _, f := range frames {
					f = bytes.Clone(f)
					completePartial(f)
					want = append(want, f)
				}
			}
			got := s.receive(t, p, dgrams...)
			sameFlows(t, allInWireSize(t, got), want)
		}
	}
}

// mixture is the frames of one datagram: a train, of one flow or of several, or a frame
// of some other kind.
func mixture(rng *rand.Rand, flows []conversation) (frames [][]byte) {
	c := &flows[rng.IntN(len(flows))]
	size := 20 + 100*rng.IntN(3)
	switch rng.IntN(8) {
	case 0: // a pure ACK, or an empty datagram
		return c.frames(0)
	case 1:
		c.flags = encap.TCPPsh
		return c.frames(size)
	case 2: // marked on the way
		c.tos = 2 ^ c.tos
		return c.frames(size)
	case 3: // not finished
		f := c.next(size)
		leave(f, 0)
		return [][]byte{f}
	case 4: // spoilt
		f := c.next(size)
		f[len(f)-1] ^= 1
		return [][]byte{f}
	case 5: // several flows whose frames are of one length
		like := *c
		for range 1 + rng.IntN(30) {
			c := &flows[rng.IntN(len(flows))]
			if c.v6 == like.v6 && c.tcp == like.tcp && c.vlan == like.vlan && (c.stamps == like.stamps || !c.tcp) {
				frames = append(frames, c.next(size))
			}
		}
	}
	for range 1 + rng.IntN(20) {
		if len(frames) == 0 || rng.IntN(2) == 0 && len(frames[0]) == len(frames[len(frames)-1]) && sameShape(frames[0], c, size) {
			frames = append(frames, c.next(size))
		}
	}
	return frames
}

// sameShape reports whether c's next frame with size bytes of payload is as long as f.
func sameShape(f []byte, c *conversation, size int) bool {
	probe := *c
	return len(probe.next(size)) == len(f)
}

// completePartial does what the port's host does with a checksum that is not finished.
func completePartial(f []byte) {
	var l encap.Layers
	l.Parse(f)
	if encap.VerifyChecksum(f, &l) == encap.ChecksumPartial {
		finish(f)
	}
}

// TestSuperframeThenSegments: what a kernel VTEP sent as a superframe stays before the
// small frames that follow it, and behind those before it.
func TestSuperframeThenSegments(t *testing.T) {
	eachKind(t, func(t *testing.T, c *conversation) {
		s, p := newMerging(t, mem.PortConfig{Offloads: everyOffload})
		before := c.frames(equal(3, 1000)...)
		first := *c
		super := c.next(5000)
		leave(super, 1000)
		c.id = first.id + 5
		after := c.frames(equal(3, 1000)...)

		var want [][]byte
		want = append(want, before...)
		want = append(want, inWireSize(t, encap.Frame{Data: super, Offload: leave(bytes.Clone(super), 1000)})...)
		want = append(want, after...)
		var dgrams []encap.Datagram
		for _, f := range before {
			dgrams = append(dgrams, encap.Datagram{Data: vxlanOf(f)})
		}
		dgrams = append(dgrams, encap.Datagram{Data: vxlanOf(super), SegmentSize: 1000})
		for _, f := range after {
			dgrams = append(dgrams, encap.Datagram{Data: vxlanOf(f)})
		}
		got := s.receive(t, p, dgrams...)
		if len(got) != 3 {
			t.Errorf("%d frames, want 3", len(got))
		}
		sameFlows(t, allInWireSize(t, got), want)
	})
}

// TestSuperframeBehindALongerSegment: what the kernel has said of the one datagram is not true
// of the other. Both have come as their sender's stack made them, and the headers count on; the
// second is several packets all the same.
func TestSuperframeBehindALongerSegment(t *testing.T) {
	eachKind(t, func(t *testing.T, c *conversation) {
		s, p := newMerging(t, mem.PortConfig{Offloads: everyOffload})
		long, super := c.next(1000), c.next(900)
		leave(long, 0)
		o := leave(super, 300)
		want := append(inWireSize(t, encap.Frame{Data: long, Offload: leave(bytes.Clone(long), 0)}),
			inWireSize(t, encap.Frame{Data: super, Offload: o})...)
		got := s.receive(t, p, encap.Datagram{Data: vxlanOf(long)}, encap.Datagram{Data: vxlanOf(super), SegmentSize: 300})
		if len(got) != 2 || got[1].Offload != o {
			t.Errorf("%d frames, the last with %+v", len(got), got[len(got)-1].Offload)
		}
		sameFlows(t, allInWireSize(t, got), want)
	})
}

// TestMoreFlowsThanSuperframes: those begun first are written before their memory is
// used again.
func TestMoreFlowsThanSuperframes(t *testing.T) {
	for flows := 60; flows <= 140; flows++ {
		s, p := newMerging(t, mem.PortConfig{Offloads: everyOffload})
		var frames [][]byte
		for i := range flows {
			c := conversation{dst: mergingMAC, src: remoteMAC, port: uint16(i)}
			frames = append(frames, c.frames(equal(3, 30)...)...)
		}
		train, size := trainOf(frames...)
		sameFlows(t, allInWireSize(t, s.receive(t, p, encap.Datagram{Data: train, SegmentSize: uint16(size)})), frames)
	}
}

// TestFragmentsStayInOrder: a fragment has another hash than the rest of its flow.
func TestFragmentsStayInOrder(t *testing.T) {
	c := conversation{dst: mergingMAC, src: remoteMAC}
	s, p := newMerging(t, mem.PortConfig{Offloads: everyOffload})
	frames := c.frames(equal(9, 100)...)
	for _, at := range []int{4, 5} {
		ip := encap.IPv4(frames[at][encap.EthernetSize:][:encap.IPv4MinSize])
		ip[6] = 0x20 // more to come
		ip.SetChecksum(0)
		ip.SetChecksum(^encap.Sum(ip, 0))
	}
	train, size := trainOf(frames...)
	got := s.receive(t, p, encap.Datagram{Data: train, SegmentSize: uint16(size)})
	if all := allInWireSize(t, got); !slices.EqualFunc(all, frames, bytes.Equal) || len(got) != 4 {
		t.Errorf("%d frames, or not in order", len(got))
	}
}

// TestSameFlowOnTwoNetworks: one MAC and one flow on each of two networks are two flows.
func TestSameFlowOnTwoNetworks(t *testing.T) {
	s, p := newMerging(t, mem.PortConfig{Offloads: everyOffload})
	second, err := s.v.AddNetwork(NetworkConfig{VNI: 43})
	if err != nil {
		t.Fatal(err)
	}
	q := mem.NewPort(mem.PortConfig{Offloads: everyOffload})
	if err := second.AddPort(PortConfig{Name: "other", MAC: mergingMAC, MTU: 1450, Queues: []Queue{q}}); err != nil {
		t.Fatal(err)
	}
	c := conversation{dst: mergingMAC, src: remoteMAC, v6: true}
	frames := c.frames(equal(10, 100)...)
	train, size := trainOf(frames...)
	for i := range frames {
		encap.PutVXLAN(train[i*size:], encap.VNI(42+i%2))
	}
	got := s.receive(t, p, encap.Datagram{Data: train, SegmentSize: uint16(size)})
	for i := range 5 {
		f, ok := q.TryReceive()
		if !ok || len(got) != 5 || !bytes.Equal(got[i].Data, frames[2*i]) || !bytes.Equal(f.Data, frames[2*i+1]) {
			t.Fatalf("frame %d is not on its network", i)
		}
	}
}

// TestFloodStaysBehind: when an entry goes in the middle of a batch, the frames that are
// flooded from then on stay behind those joined before.
func TestFloodStaysBehind(t *testing.T) {
	c := kinds()[1]
	c.dst = mergingMAC
	s, p := newMerging(t, mem.PortConfig{Offloads: everyOffload})
	frames := c.frames(equal(4, 100)...)
	w := s.in
	for i, f := range frames {
		d := &w.dgrams[i]
		*d = encap.Datagram{Data: d.Data[:copy(d.Data, vxlanOf(f))], Remote: s.n.Remotes()[0]}
		if i == 2 {
			s.n.table.Flush(func(e fdb.Entry[destination]) bool { return e.MAC == mergingMAC })
		}
		w.datagram(d)
	}
	w.settle()
	var got []encap.Frame
	for f, ok := p.TryReceive(); ok; f, ok = p.TryReceive() {
		got = append(got, f)
	}
	all := allInWireSize(t, got)
	for i := range frames {
		if len(all) != len(frames) || !bytes.Equal(all[i], frames[i]) {
			t.Fatalf("%d frames, not in order", len(all))
		}
	}
}

// TestTrainsAndSuperframesDoNotAllocate: a batch of full ones each way, in and out of
// every kind, to one place and to all.
func TestTrainsAndSuperframesDoNotAllocate(t *testing.T) {
	for _, c := range kinds() {
		t.Run(c.name(), func(t *testing.T) {
			s := measured(t)
			s.superOut(c)
			noAllocs(t, s.stepOut)
			s.superIn(c)
			noAllocs(t, s.stepIn)

			c.dst, c.src = encap.Broadcast, steppedMAC
			flooded := c.next(5000)
			s.first.Repeat([]encap.Frame{{Data: flooded, Offload: leave(flooded, 1000)}}, 1<<40)
			noAllocs(t, s.stepOut)

			c.dst, c.src = mergingMAC, remoteMAC // a port that has to have its segments cut
			s.addPort(t, "plain", mergingMAC, 0)
			super := c.next(5000)
			leave(super, 1000)
			s.u.Repeat([]encap.Datagram{{Data: vxlanOf(super), SegmentSize: 1000, Remote: s.n.Remotes()[0]}}, 1<<40)
			noAllocs(t, s.stepIn)
			s.conserved(t)
		})
	}
}
