package dataplane

import (
	"testing"

	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

// measuredSealed is measured with a sealed network.
func measuredSealed(b testing.TB) *sealedStepped {
	s := newSealedStepped(b, false, 1)
	wire := mem.NewNetwork(mem.Impairments{KeepTrains: true}, 1)
	u, err := wire.Underlay(s.u.Addr(), mem.UnderlayConfig{Sources: 16})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := wire.Underlay(s.far[0].addr, mem.UnderlayConfig{Discard: true}); err != nil {
		b.Fatal(err)
	}
	s.out.sends.init(u, 1, &s.out.ledger)
	return s
}

// sealedSegment is the payload of segments that fill an underlay packet of 1500 bytes.
const (
	sealedSegment = superSegment - crypto.Overhead
	sealedSuper   = 44 * sealedSegment
)

// BenchmarkSealedSuperframe carries superframes of 64 KB out and in, a batch at a time, and
// in the same run seals their segments one by one with the bare cipher's key: the ratios of
// the times say what all the rest costs.
func BenchmarkSealedSuperframe(b *testing.B) {
	for _, kind := range []int{0, 2, 11} {
		c := kinds()[kind]
		b.Run(c.name(), func(b *testing.B) {
			s := measuredSealed(b)
			c.dst, c.src = remoteMAC, steppedMAC
			super := c.next(sealedSuper)
			s.first.Repeat([]encap.Frame{{Data: super, Offload: leave(super, sealedSegment)}}, 1<<62)
			c.dst, c.src = steppedMAC, remoteMAC
			segments := leftPartial(c.frames(equal(44, sealedSegment)...))
			trains := make([]encap.Datagram, batchSize)
			var out, in, bare stopwatch
			for b.Loop() {
				out.time(func() { s.stepOut() })
				bare.time(func() { s.far[0].sealAll(b, trains, segments, flagged) })
				s.u.Repeat(trains, 1<<62)
				in.time(func() { s.stepIn() })
			}
			s.conserved(b)
			frames := uint64(b.N * batchSize * len(segments))
			if st := s.n.Stats(); st.Out.Forwarded != frames || st.In.Forwarded != frames {
				b.Errorf("counts %+v, want %d", st, frames)
			}
			reportSealed(b, out, in, bare, batchSize)
		})
	}
}

// BenchmarkSealedSmall carries frames with 64 bytes of UDP payload: out in batches of one
// flow, and in as trains of 64.
func BenchmarkSealedSmall(b *testing.B) {
	c := kinds()[0]
	s := measuredSealed(b)
	c.dst, c.src = remoteMAC, steppedMAC
	s.first.Repeat([]encap.Frame{{Data: c.next(64)}}, 1<<62)
	c.dst, c.src = steppedMAC, remoteMAC
	frames := c.frames(equal(batchSize, 64)...)
	trains := make([]encap.Datagram, batchSize)
	var out, in, bare stopwatch
	for b.Loop() {
		out.time(func() {
			for range len(frames) { // as many as come in
				s.stepOut()
			}
		})
		bare.time(func() { s.far[0].sealAll(b, trains, frames, 0) })
		s.u.Repeat(trains, 1<<62)
		in.time(func() { s.stepIn() })
	}
	s.conserved(b)
	if st := s.n.Stats(); st.Out.Forwarded != uint64(b.N*batchSize*batchSize) || st.In.Forwarded != st.Out.Forwarded {
		b.Errorf("counts %+v", st)
	}
	reportSealed(b, out, in, bare, batchSize*batchSize)
}

// sealAll seals frames into each of the trains, in memory that is used again.
func (f *farEnd) sealAll(b *testing.B, trains []encap.Datagram, frames [][]byte, flags uint16) {
	key, plain := f.vtep.Sending(), vxlanOf(nil)
	for i := range trains {
		d := &trains[i]
		d.Data, d.Remote = d.Data[:0], f.addr
		for _, frame := range frames {
			plain = append(plain[:encap.VXLANSize], frame...)
			var ok bool
			if d.Data, ok = key.Seal(0, d.Data, plain, flags); !ok {
				b.Fatal("not sealed")
			}
		}
		d.SegmentSize = uint16(len(plain) + crypto.Overhead)
	}
}

// reportSealed reports medians for each of n frames, and their ratios to what sealing
// alone takes.
func reportSealed(b *testing.B, out, in, bare stopwatch, n float64) {
	b.ReportMetric(out.median()/n, "ns/out")
	b.ReportMetric(in.median()/n, "ns/in")
	b.ReportMetric(bare.median()/n, "ns/seal")
	b.ReportMetric(out.median()/bare.median(), "out/seal")
	b.ReportMetric(in.median()/bare.median(), "in/seal")
	b.ReportMetric(0, "ns/op")
}
