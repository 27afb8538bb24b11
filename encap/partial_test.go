package encap_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/vxtap/vxtap/encap"
)

func TestCompleteChecksum(t *testing.T) {
	for _, p := range packetKinds() {
		p.payload = payloadOf(77)
		want, l := p.frame(t)
		got, o := p.partial(t)
		if !encap.CompleteChecksum(got, o) || !bytes.Equal(got, want) {
			t.Errorf("%s: got\n%x, want\n%x", p.name, got, want)
		}
		if state := encap.VerifyChecksum(got, &l); state != encap.ChecksumValid {
			t.Errorf("%s: state %d", p.name, state)
		}
		if !encap.CompleteChecksum(got, encap.Offload{CSUMStart: 0xffff}) || !bytes.Equal(got, want) {
			t.Errorf("%s: nothing to do, but done", p.name)
		}
	}
}

// TestCompleteToZero: a checksum that comes out as 0 is sent as 0xffff by UDP (RFC 768),
// and as it is by TCP.
func TestCompleteToZero(t *testing.T) {
	for _, c := range []struct {
		udp  bool
		want uint16
	}{{true, 0xffff}, {false, 0}} {
		p := packet{udp: c.udp, payload: payloadOf(20)}
		frame, o := p.partial(t)
		var l encap.Layers
		l.Parse(frame)
		frame[l.Payload], frame[l.Payload+1] = 0, 0
		rest := ^encap.Sum(frame[l.L4:], 0)
		frame[l.Payload], frame[l.Payload+1] = byte(rest>>8), byte(rest)
		if !encap.CompleteChecksum(frame, o) {
			t.Fatalf("offload %+v was refused", o)
		}
		at := int(o.CSUMStart) + int(o.CSUMOffset)
		if got := binary.BigEndian.Uint16(frame[at:]); got != c.want {
			t.Errorf("UDP %t: checksum %#x, want %#x", c.udp, got, c.want)
		}
		if state := encap.VerifyChecksum(frame, &l); state != encap.ChecksumValid {
			t.Errorf("UDP %t: state %d", c.udp, state)
		}
	}
}

func TestCompleteOutside(t *testing.T) {
	for _, o := range []encap.Offload{
		{NeedsCSUM: true, CSUMStart: 59},
		{NeedsCSUM: true, CSUMStart: 34, CSUMOffset: 25},
		{NeedsCSUM: true, CSUMStart: 0xffff, CSUMOffset: 0xffff},
		{NeedsCSUM: true, CSUMStart: 100, CSUMOffset: 6},
	} {
		frame := make([]byte, 60)
		if encap.CompleteChecksum(frame, o) || !bytes.Equal(frame, make([]byte, 60)) {
			t.Errorf("%+v was taken", o)
		}
	}
	if !encap.CompleteChecksum(make([]byte, 60), encap.Offload{NeedsCSUM: true, CSUMStart: 34, CSUMOffset: 24}) {
		t.Error("a checksum in the last two bytes was refused")
	}
}

func TestRecognizeOffload(t *testing.T) {
	const mtu = 1450
	for _, p := range packetKinds() {
		t.Run(p.name, func(t *testing.T) {
			recognize := func(n int, hint uint16) (encap.Offload, encap.Offload, int) {
				p.payload = payloadOf(n)
				frame, want := p.partial(t)
				var l encap.Layers
				l.Parse(frame)
				// A tag leaves less room for the packet, too.
				return encap.RecognizeOffload(frame, &l, hint, mtu), want, l.Payload - encap.EthernetSize
			}
			check := func(what string, got, want encap.Offload) {
				t.Helper()
				if got != want {
					t.Errorf("%s: %+v, want %+v", what, got, want)
				}
			}
			super := func(want encap.Offload, size int) encap.Offload {
				want.GSO, want.SegmentSize = p.gso(), uint16(size)
				want.HeaderLen = want.CSUMStart + uint16(p.transportSize())
				return want
			}

			got, want, headers := recognize(0, 0)
			check("empty", got, want)
			got, want, _ = recognize(mtu-headers, 0)
			check("as long as the MTU", got, want)
			got, want, _ = recognize(mtu-headers, uint16(mtu-headers))
			check("as long as the hint", got, want)
			got, want, _ = recognize(1001, 1000)
			check("longer than the hint", got, super(want, 1000))
			got, want, _ = recognize(30050, 1000)
			check("longer than both", got, super(want, 1000))

			got, want, _ = recognize(mtu-headers+1, 0)
			if p.udp {
				check("a datagram longer than the MTU", got, want)
			} else {
				check("longer than the MTU", got, super(want, mtu-headers))
			}
		})
	}
}

func TestRecognizeNothing(t *testing.T) {
	for _, p := range packetKinds() {
		p.payload = payloadOf(3000)
		whole, l := p.frame(t)
		if o := encap.RecognizeOffload(whole, &l, 1000, 1450); o != (encap.Offload{}) {
			t.Errorf("%s with a complete checksum: %+v", p.name, o)
		}
		partial, _ := p.partial(t)
		fragment := l
		fragment.Fragment = true
		if o := encap.RecognizeOffload(partial, &fragment, 1000, 1450); o != (encap.Offload{}) {
			t.Errorf("%s, a fragment: %+v", p.name, o)
		}
		other := l
		other.Proto, other.Payload = encap.ProtoICMP, 0
		if o := encap.RecognizeOffload(partial, &other, 1000, 1450); o != (encap.Offload{}) {
			t.Errorf("%s, not TCP or UDP: %+v", p.name, o)
		}
		if p.udp {
			encap.UDP(partial[l.L4:]).SetLength(100)
			p.setChecksum(partial, &l, encap.PseudoHeader(partial, &l))
			if o := encap.RecognizeOffload(partial, &l, 1000, 1450); o != (encap.Offload{}) {
				t.Errorf("%s shorter than its packet: %+v", p.name, o)
			}
		}
		if o := encap.RecognizeOffload(partial, &l, 0, 10); o.GSO != encap.GSONone {
			t.Errorf("%s with an MTU below its headers: %+v", p.name, o)
		}
	}
}

func TestOffloadsDoNotAllocate(t *testing.T) {
	p := packet{payload: payloadOf(3000)}
	frame, _ := p.partial(t)
	var l encap.Layers
	l.Parse(frame)
	n := testing.AllocsPerRun(100, func() {
		o := encap.RecognizeOffload(frame, &l, 0, 1450)
		encap.CompleteChecksum(frame, o)
		encap.VerifyChecksum(frame, &l)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkRecognizeOffload(b *testing.B) {
	p := packet{payload: payloadOf(3000)}
	frame, _ := p.partial(b)
	var l encap.Layers
	l.Parse(frame)
	b.ReportAllocs()
	for b.Loop() {
		encap.RecognizeOffload(frame, &l, 0, 1450)
	}
}

func BenchmarkVerifyChecksum(b *testing.B) {
	p := packet{payload: payloadOf(1398)}
	frame, l := p.frame(b)
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	for b.Loop() {
		encap.VerifyChecksum(frame, &l)
	}
}
