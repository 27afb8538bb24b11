package dataplane

import (
	"fmt"
	"testing"

	"github.com/vxtap/vxtap/encap"
)

// benchSizes are payloads of UDP: the smallest frame, one that fills an underlay packet,
// and a superframe.
var benchSizes = []struct {
	name    string
	payload int
	segment int // of a superframe
}{{"64B", 18, 0}, {"1450B", 1402, 0}, {"64KB", 65000, 1400}}

// eachSize runs a benchmark for every size over IPv4 and IPv6, and reports the time that
// a frame takes; a superframe is one.
func eachSize(b *testing.B, run func(b *testing.B, s *stepped, frame []byte, segment int)) {
	for _, ipv6 := range []bool{false, true} {
		for _, size := range benchSizes {
			b.Run(fmt.Sprintf("ipv6=%t/%s", ipv6, size.name), func(b *testing.B) {
				s := newStepped(b, ipv6, 1)
				frame := steppedFrame(remoteMAC, steppedMAC, ipv6, size.payload)
				b.SetBytes(int64(len(frame)))
				b.ReportAllocs()
				b.ResetTimer()
				run(b, s, frame, size.segment)
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N), "ns/frame")
			})
		}
	}
}

// BenchmarkOut is a frame's way from a port to the wire.
func BenchmarkOut(b *testing.B) {
	eachSize(b, func(b *testing.B, s *stepped, frame []byte, segment int) {
		f := encap.Frame{Data: frame}
		if segment > 0 {
			f.Offload = superOffload(frame, segment)
		}
		s.first.Repeat([]encap.Frame{f}, 1<<62)
		for n := 0; n < b.N; {
			n += s.out.serve(0)
		}
	})
}

// BenchmarkIn is a datagram's way from the wire to a port.
func BenchmarkIn(b *testing.B) {
	eachSize(b, func(b *testing.B, s *stepped, frame []byte, segment int) {
		eth := encap.Ethernet(frame)
		eth.SetDst(steppedMAC)
		eth.SetSrc(remoteMAC)
		if segment > 0 {
			superOffload(frame, segment)
		}
		s.u.Repeat([]encap.Datagram{{
			Data: vxlanOf(frame), Remote: s.n.Remotes()[0], SegmentSize: uint16(segment),
		}}, 1<<62)
		for n := 0; n < b.N; {
			got, err := s.in.wait()
			if err != nil {
				b.Fatal(err)
			}
			s.in.batch(got)
			n += got
		}
	})
}
