package dataplane

import (
	"net/netip"
	"testing"

	"github.com/vxtap/vxtap/encap"
)

// Frames are captured without allocation, on every stage at once.
func TestCaptureDoesNotAllocate(t *testing.T) {
	s := newStepped(t, false, 3)
	s.addPort(t, "second", secondMAC, 0)
	c, err := s.v.Capture(CaptureConfig{Stages: StageTap | StageWire | StageDropped, VNI: 42})
	if err != nil {
		t.Fatal(err)
	}
	var shown int
	drain := func() { c.Drain(1<<30, func(*Captured) { shown++ }) }
	for name, f := range steadyOut(false) {
		t.Run("out,"+name, func(t *testing.T) {
			s.first.Repeat([]encap.Frame{f}, 1<<40)
			noAllocs(t, func() int { defer drain(); return s.stepOut() })
		})
	}
	for name, d := range steadyIn(s, false) {
		t.Run("in,"+name, func(t *testing.T) {
			s.u.Repeat([]encap.Datagram{d}, 1<<40)
			noAllocs(t, func() int { defer drain(); return s.stepIn() })
		})
	}
	if shown == 0 {
		t.Error("nothing was captured")
	}
	c.Close()
}

// BenchmarkOutCaptured is BenchmarkOut's small frame while it is captured.
func BenchmarkOutCaptured(b *testing.B) {
	for _, remote := range []string{"", "10.9.0.9"} { // all, and none of them
		b.Run("remote="+remote, func(b *testing.B) {
			s := newStepped(b, false, 1)
			cfg := CaptureConfig{Stages: StageTap}
			if remote != "" {
				cfg.Remote = netip.MustParseAddr(remote)
			}
			c, err := s.v.Capture(cfg)
			if err != nil {
				b.Fatal(err)
			}
			s.first.Repeat([]encap.Frame{{Data: steppedFrame(remoteMAC, steppedMAC, false, 18)}}, 1<<62)
			b.ReportAllocs()
			b.ResetTimer()
			for n := 0; n < b.N; {
				n += s.out.serve(0)
				c.Drain(batchSize, func(*Captured) {})
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N), "ns/frame")
		})
	}
}
