package dataplane_test

import (
	"testing"
	"testing/synctest"

	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

// What two VTEPs count of the same traffic is the same, in frames and in bytes, however
// it was joined on the way.
func TestBothEndsCountTheSame(t *testing.T) {
	eachTransport(t, func(t *testing.T, f flow) {
		wire := newWire()
		wire.SetImpairments(mem.Impairments{KeepTrains: true})
		a := newNode(t, wire, "10.9.0.1", setup{network: flooding("10.9.0.2")})
		b := newNode(t, wire, "10.9.0.2", setup{})
		f.dst = b.mac
		var bytes, frames uint64
		for _, size := range []int{100, mss, 10 * mss, 30*mss + 1} {
			frame, o := f.superframe(t, pattern(size))
			n := (size + mss - 1) / mss
			headers := len(frame) - size
			bytes += uint64(size + n*headers)
			frames += uint64(n)
			a.port.inject(t, frame, o)
		}
		synctest.Wait()
		for name, c := range map[string]dataplane.Counts{"out": a.network.Stats().Out, "in": b.network.Stats().In} {
			if c.Frames != frames || c.Bytes != bytes || c.Forwarded != frames || c.ForwardedBytes != bytes {
				t.Errorf("%s: %d frames of %d bytes, forwarded %d of %d; want %d of %d",
					name, c.Frames, c.Bytes, c.Forwarded, c.ForwardedBytes, frames, bytes)
			}
		}
	})
}

// A kernel VTEP's superframe, which was never cut, counts like one that was.
func TestSuperframeInOnePieceCountsAsItsSegments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := newWire()
		wire.SetImpairments(mem.Impairments{KeepTrains: true})
		a := newNode(t, wire, "10.9.0.1", setup{})
		f := flowOf(station(1), a.mac, false)
		f.tcp = true
		frame, _ := f.superframe(t, pattern(5*mss))
		newStranger(t, wire, "10.9.0.2").say(t, a, encap.Datagram{Data: vxlan(frame), SegmentSize: mss})
		want := uint64(len(frame) + 4*(len(frame)-5*mss))
		if in := a.network.Stats().In; in.Frames != 5 || in.Bytes != want || in.ForwardedBytes != want {
			t.Errorf("%d frames of %d bytes, forwarded %d; want 5 of %d", in.Frames, in.Bytes, in.ForwardedBytes, want)
		}
	})
}
