package dataplane

import (
	"slices"
	"testing"
	"time"

	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

// measured is a stepped VTEP on a wire that keeps trains, so that what is measured is
// one copy by the port, one by the underlay, and the code between.
func measured(b testing.TB) *stepped {
	s := newStepped(b, false, 1)
	wire := mem.NewNetwork(mem.Impairments{KeepTrains: true}, 1)
	u, err := wire.Underlay(s.u.Addr(), mem.UnderlayConfig{Sources: 16})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := wire.Underlay(s.n.Remotes()[0], mem.UnderlayConfig{Discard: true}); err != nil {
		b.Fatal(err)
	}
	s.out.sends.init(u, 1, &s.out.ledger)
	return s
}

// superOut has the first port bring superframes of 64 KB, and superIn has the same come
// from the remote, as trains of segments.
func (s *stepped) superOut(c conversation) {
	c.dst, c.src = remoteMAC, steppedMAC
	super := c.next(superSize)
	s.first.Repeat([]encap.Frame{{Data: super, Offload: leave(super, superSegment)}}, 1<<62)
}

func (s *stepped) superIn(c conversation) {
	c.dst, c.src = steppedMAC, remoteMAC
	train, size := trainOf(c.frames(equal(superSize/superSegment, superSegment)...)...)
	s.u.Repeat([]encap.Datagram{{Data: train, SegmentSize: uint16(size), Remote: s.n.Remotes()[0]}}, 1<<62)
}

const (
	superSegment = 1380
	superSize    = 44 * superSegment // with all headers just under what one send takes
)

// stopwatch keeps times, of which the median counts: somebody else may have had the
// processor for a while.
type stopwatch []time.Duration

func (w *stopwatch) time(f func()) {
	start := time.Now()
	f()
	*w = append(*w, time.Since(start))
}

// median is in nanoseconds.
func (w stopwatch) median() float64 {
	slices.Sort(w)
	return float64(w[len(w)/2])
}

// BenchmarkSuperframe carries superframes of 64 KB out and in, a batch at a time, and in
// the same run copies the bytes of a batch and sums them up: the ratios of the times are
// what counts (at most 2).
func BenchmarkSuperframe(b *testing.B) {
	for _, kind := range []int{0, 1, 2, 3, 11} {
		c := kinds()[kind]
		b.Run(c.name(), func(b *testing.B) {
			s := measured(b)
			s.superOut(c)
			s.superIn(c)
			from, to := make([]byte, superSize), newBuffers(batchSize, 0, superSize)
			var out, in, both stopwatch
			b.ReportAllocs()
			for b.Loop() {
				out.time(func() { s.stepOut() })
				in.time(func() { s.stepIn() })
				both.time(func() {
					for _, buf := range to {
						copy(buf, from)
					}
					for _, buf := range to {
						encap.Sum(buf, 0)
					}
				})
			}
			s.conserved(b)
			if st := s.n.Stats(); st.Out.Forwarded != uint64(b.N*batchSize*superSize/superSegment) || st.In.Forwarded != st.Out.Forwarded {
				b.Errorf("counts %+v", st)
			}
			b.ReportMetric(out.median()/batchSize, "ns/out")
			b.ReportMetric(in.median()/batchSize, "ns/in")
			b.ReportMetric(both.median()/batchSize, "ns/copy+sum")
			b.ReportMetric(out.median()/both.median(), "out/copy+sum")
			b.ReportMetric(in.median()/both.median(), "in/copy+sum")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkSmall carries frames with 64 bytes of UDP payload: out in batches of one flow
// or of many, and in as trains of 64.
func BenchmarkSmall(b *testing.B) {
	for _, flows := range []int{1, 64} {
		name := map[int]string{1: "1flow", 64: "64flows"}[flows]
		all := make([]conversation, flows)
		for i := range all {
			all[i] = kinds()[0]
			all[i].port = uint16(i)
		}
		b.Run(name+"/out", func(b *testing.B) {
			s := measured(b)
			var frames []encap.Frame
			for i := range batchSize {
				c := &all[i%flows]
				c.dst, c.src = remoteMAC, steppedMAC
				frames = append(frames, encap.Frame{Data: c.next(64)})
			}
			s.first.Repeat(frames, 1<<62)
			perFrame(b, s, s.stepOut, 1)
		})
		b.Run(name+"/in", func(b *testing.B) {
			s := measured(b)
			var frames [][]byte
			for i := range batchSize {
				c := &all[i%flows]
				c.dst, c.src = steppedMAC, remoteMAC
				frames = append(frames, c.next(64))
			}
			train, size := trainOf(frames...)
			s.u.Repeat([]encap.Datagram{{Data: train, SegmentSize: uint16(size), Remote: s.n.Remotes()[0]}}, 1<<62)
			perFrame(b, s, s.stepIn, batchSize)
		})
		b.Run(name+"/in,alone", func(b *testing.B) { // GRO has merged nothing
			s := measured(b)
			var dgrams []encap.Datagram
			for i := range batchSize {
				c := &all[i%flows]
				c.dst, c.src = steppedMAC, remoteMAC
				dgrams = append(dgrams, encap.Datagram{Data: vxlanOf(c.next(64)), Remote: s.n.Remotes()[0]})
			}
			s.u.Repeat(dgrams, 1<<62)
			perFrame(b, s, s.stepIn, 1)
		})
	}
}

// perFrame reports the time that one of the frames takes that a step carries, so many
// in each of a batch.
func perFrame(b *testing.B, s *stepped, step func() int, frames int) {
	b.ReportAllocs()
	for b.Loop() {
		if step() != batchSize {
			b.Fatal("no batch")
		}
	}
	s.conserved(b)
	b.ReportMetric(float64(b.Elapsed())/float64(b.N*batchSize*frames), "ns/frame")
	b.ReportMetric(0, "ns/op")
}
