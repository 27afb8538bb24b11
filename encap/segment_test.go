package encap_test

import (
	"bytes"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/vxtap/vxtap/encap"
)

// superframe returns the packet as a superframe of segments of size bytes.
func (p packet) superframe(t rapid.TB, size int) ([]byte, encap.Layers, encap.Offload) {
	t.Helper()
	frame, o := p.partial(t)
	var l encap.Layers
	l.Parse(frame)
	o.GSO, o.SegmentSize, o.HeaderLen = p.gso(), uint16(size), uint16(l.Payload)
	o.ECN = p.flags&encap.TCPCwr != 0 && !p.accECN
	return frame, l, o
}

// segment returns the i-th of n segments of size bytes, as the sender would have sent
// it without offloads.
func (p packet) segment(i, n, size int) packet {
	p.payload = p.payload[i*size : min((i+1)*size, len(p.payload))]
	p.id += uint16(i)
	p.seq += uint32(i * size)
	if i > 0 && !p.accECN {
		p.flags &^= encap.TCPCwr
	}
	if i < n-1 {
		p.flags &^= encap.TCPFin | encap.TCPPsh
	}
	return p
}

// checkSegments cuts the packet up and compares each segment with what gopacket makes.
func (p packet) checkSegments(t rapid.TB, size int) {
	t.Helper()
	frame, l, o := p.superframe(t, size)
	before := bytes.Clone(frame)
	frame = append(frame, 0xee, 0xee) // padding is not payload
	var s encap.Segmenter
	if !s.Reset(frame, &l, o) {
		t.Fatalf("%s: refused", p.name)
	}
	want := max(1, (len(p.payload)+size-1)/size)
	if got := s.Segments(); got != want {
		t.Fatalf("%s, %d by %d: %d segments, want %d", p.name, len(p.payload), size, got, want)
	}
	header := make([]byte, encap.MaxHeader)
	for i := range want {
		n, payload, ok := s.Next(header)
		if !ok || s.Segments() != want-1-i {
			t.Fatalf("segment %d of %d: %v, %d left", i, want, ok, s.Segments())
		}
		wire, _ := p.segment(i, want, size).frame(t)
		if got := append(bytes.Clone(header[:n]), payload...); !bytes.Equal(got, wire) {
			t.Fatalf("%s: segment %d of %d is\n%x, want\n%x", p.name, i, want, got, wire)
		}
	}
	if _, _, ok := s.Next(header); ok {
		t.Fatalf("%s: one segment too many", p.name)
	}
	if !bytes.Equal(frame[:len(before)], before) {
		t.Fatalf("%s: the superframe was changed", p.name)
	}
}

func TestSegments(t *testing.T) {
	for _, p := range packetKinds() {
		for _, n := range []int{0, 1, 999, 1000, 1001, 3000, 3001, 65000} {
			p.payload = payloadOf(n)
			p.checkSegments(t, 1000)
		}
	}
}

func TestSegmentsOfAnySize(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom(packetKinds()).Draw(t, "kind")
		p.payload = payloadOf(rapid.IntRange(0, 3000).Draw(t, "payload"))
		p.id, p.seq = rapid.Uint16().Draw(t, "id"), rapid.Uint32().Draw(t, "seq")
		p.checkSegments(t, rapid.IntRange(50, 3100).Draw(t, "size"))
	})
}

// TestSegmentsInPlace writes each header into the frame, right before its payload, over
// bytes that have been sent: the way frames are sealed.
// A checksum that was left partial can be finished behind the tunnel, and is the same then.
func TestSegmentsLeftPartial(t *testing.T) {
	for _, p := range packetKinds() {
		p.payload = payloadOf(3001)
		frame, l, o := p.superframe(t, 1000)
		var s encap.Segmenter
		if !s.Reset(frame, &l, o) {
			t.Fatalf("%s: refused", p.name)
		}
		s.LeavePartial()
		header := make([]byte, encap.MaxHeader)
		for i := range 4 {
			n, payload, ok := s.Next(header)
			if !ok {
				t.Fatalf("%s: no segment %d", p.name, i)
			}
			got := append(bytes.Clone(header[:n]), payload...)
			var cut encap.Layers
			cut.Parse(got)
			if state := encap.VerifyChecksum(got, &cut); state != encap.ChecksumPartial {
				t.Errorf("%s: checksum of segment %d is %v, want partial", p.name, i, state)
			}
			if !encap.CompleteChecksum(got, encap.RecognizeOffload(got, &cut, 0, 1500)) {
				t.Fatalf("%s: segment %d cannot be finished", p.name, i)
			}
			if wire, _ := p.segment(i, 4, 1000).frame(t); !bytes.Equal(got, wire) {
				t.Errorf("%s: segment %d is\n%x, want\n%x", p.name, i, got, wire)
			}
		}
	}
}

func TestSegmentsInPlace(t *testing.T) {
	for _, p := range packetKinds() {
		p.payload = payloadOf(1010)
		frame, l, o := p.superframe(t, 100) // less than some headers
		var s encap.Segmenter
		if !s.Reset(frame, &l, o) {
			t.Fatalf("%s: refused", p.name)
		}
		for i := range 11 {
			at := i * 100
			n, payload, ok := s.Next(frame[at : at+l.Payload])
			wire, _ := p.segment(i, 11, 100).frame(t)
			if got := frame[at : at+n+len(payload)]; !ok || !bytes.Equal(got, wire) {
				t.Fatalf("%s: segment %d is\n%x, want\n%x", p.name, i, got, wire)
			}
		}
	}
}

// TestSegmentToZero: a UDP checksum that comes out as 0 is sent as 0xffff.
func TestSegmentToZero(t *testing.T) {
	p := packet{udp: true, payload: payloadOf(200)}
	first, l := p.segment(0, 2, 100).frame(t)
	// Adding the checksum to the payload makes the sum 0xffff and the checksum 0.
	sum := encap.AddSums(encap.Sum(p.payload[:2], 0), encap.UDP(first[l.L4:]).Checksum())
	p.payload[0], p.payload[1] = byte(sum>>8), byte(sum)

	frame, l, o := p.superframe(t, 100)
	var s encap.Segmenter
	header := make([]byte, encap.MaxHeader)
	if !s.Reset(frame, &l, o) {
		t.Fatal("refused")
	}
	s.Next(header)
	if got := encap.UDP(header[l.L4:]).Checksum(); got != 0xffff {
		t.Errorf("checksum %#x, want 0xffff", got)
	}
}

func TestSegmenterRefuses(t *testing.T) {
	p := packet{payload: payloadOf(3000)}
	for name, change := range map[string]func(frame *[]byte, l *encap.Layers, o *encap.Offload){
		"no superframe":       func(_ *[]byte, _ *encap.Layers, o *encap.Offload) { o.GSO = encap.GSONone },
		"unknown kind":        func(_ *[]byte, _ *encap.Layers, o *encap.Offload) { o.GSO = 9 },
		"other family":        func(_ *[]byte, _ *encap.Layers, o *encap.Offload) { o.GSO = encap.GSOTCP6 },
		"other transport":     func(_ *[]byte, _ *encap.Layers, o *encap.Offload) { o.GSO = encap.GSOUDP },
		"no segment size":     func(_ *[]byte, _ *encap.Layers, o *encap.Offload) { o.SegmentSize = 0 },
		"complete checksum":   func(_ *[]byte, _ *encap.Layers, o *encap.Offload) { o.NeedsCSUM = false },
		"checksum of another": func(_ *[]byte, _ *encap.Layers, o *encap.Offload) { o.CSUMStart++ },
		"fragment":            func(_ *[]byte, l *encap.Layers, _ *encap.Offload) { l.Fragment = true },
		"no transport":        func(_ *[]byte, l *encap.Layers, _ *encap.Offload) { l.Payload = 0 },
		"headers too long":    func(_ *[]byte, l *encap.Layers, _ *encap.Offload) { l.Payload = encap.MaxHeader + 1 },
		"cut short":           func(f *[]byte, _ *encap.Layers, _ *encap.Offload) { *f = (*f)[:2000] },
	} {
		frame, l, o := p.superframe(t, 1000)
		var s encap.Segmenter
		if !s.Reset(frame, &l, o) {
			t.Fatal("refused before the change")
		}
		change(&frame, &l, &o)
		if s.Reset(frame, &l, o) || s.Segments() != 0 {
			t.Errorf("%s: taken", name)
		}
		if _, _, ok := s.Next(make([]byte, encap.MaxHeader)); ok {
			t.Errorf("%s: a segment of a refused superframe", name)
		}
	}
	frame, l, o := p.superframe(t, 1000)
	var s encap.Segmenter
	if s.Segments() != 0 {
		t.Error("the zero Segmenter has segments")
	}
	s.Reset(frame, &l, o)
	if _, _, ok := s.Next(make([]byte, l.Payload-1)); ok || s.Segments() != 3 {
		t.Error("a header buffer too short was used")
	}
}

// FuzzOffload puts any frame and offload through everything that works on them. What
// comes out has right checksums, and as much payload as went in.
func FuzzOffload(f *testing.F) {
	for _, p := range packetKinds() {
		p.payload = payloadOf(250)
		frame, _, o := p.superframe(f, 100)
		f.Add(frame, uint8(o.GSO), o.CSUMStart, o.CSUMOffset, o.SegmentSize, uint16(1450))
	}
	f.Fuzz(func(t *testing.T, frame []byte, gso uint8, start, offset, size, mtu uint16) {
		var l encap.Layers
		l.Parse(frame)
		fuzzRecognized(t, frame, &l, size, int(mtu))
		o := encap.Offload{
			NeedsCSUM: true, GSO: encap.GSO(gso), CSUMStart: start, CSUMOffset: offset,
			HeaderLen: offset, SegmentSize: size,
		}
		fuzzSegments(t, frame, &l, o)
		encap.CompleteChecksum(frame, o)
	})
}

// fuzzRecognized checks that what is recognized can be done.
func fuzzRecognized(t *testing.T, frame []byte, l *encap.Layers, hint uint16, mtu int) {
	partial := encap.VerifyChecksum(frame, l) == encap.ChecksumPartial
	o := encap.RecognizeOffload(frame, l, hint, mtu)
	if !o.NeedsCSUM {
		if o != (encap.Offload{}) {
			t.Fatalf("%+v", o)
		}
		return
	}
	if !partial {
		t.Fatal("recognized a checksum that is not partial")
	}
	if o.GSO != encap.GSONone && fuzzSegments(t, frame, l, o) < 2 && l.Payload <= encap.MaxHeader {
		t.Fatalf("recognized a superframe that is none: %+v", o)
	}
	frame = bytes.Clone(frame[:l.End])
	if !encap.CompleteChecksum(frame, o) {
		t.Fatalf("cannot complete %+v", o)
	}
	if state := encap.VerifyChecksum(frame, l); state < encap.ChecksumPartial || state == encap.ChecksumBad {
		t.Fatalf("completed to state %d", state)
	}
}

// markPartial has a TCP or UDP frame say of its checksum and length what superframes do.
func markPartial(frame []byte, l *encap.Layers) {
	if l.Payload == 0 || l.Fragment {
		return
	}
	if l.Proto == encap.ProtoUDP {
		encap.UDP(frame[l.L4:]).SetLength(l.End - l.L4)
	}
	sum := encap.PseudoHeader(frame, l)
	packet{udp: l.Proto == encap.ProtoUDP}.setChecksum(frame, l, sum)
}

// fuzzSegments cuts a frame up if that can be done, and returns how many it made.
func fuzzSegments(t *testing.T, frame []byte, l *encap.Layers, o encap.Offload) (n int) {
	o.ECN = o.SegmentSize%2 == 0
	markPartial(frame, l)
	var s encap.Segmenter
	if !s.Reset(frame, l, o) {
		return 0
	}
	var joined, segment []byte
	header := make([]byte, encap.MaxHeader)
	want := s.Segments()
	for ; ; n++ {
		size, payload, ok := s.Next(header)
		if !ok {
			break
		}
		joined = append(joined, payload...)
		segment = append(append(segment[:0], header[:size]...), payload...)
		var got encap.Layers
		got.Parse(segment)
		if got.End != len(segment) || got.Payload != size {
			t.Fatalf("segment %d has layers %+v, superframe %+v", n, got, *l)
		}
		switch encap.VerifyChecksum(segment, &got) {
		case encap.ChecksumValid, encap.ChecksumPartial: // right, and like the pseudo-header's by chance
		default:
			t.Fatalf("segment %d has a bad checksum", n)
		}
	}
	if n != want || !bytes.Equal(joined, frame[l.Payload:l.End]) {
		t.Fatalf("%d segments of %d, %d bytes of %d", n, want, len(joined), l.End-l.Payload)
	}
	return n
}

func TestSegmenterDoesNotAllocate(t *testing.T) {
	p := packet{payload: payloadOf(3000)}
	frame, l, o := p.superframe(t, 1000)
	var s encap.Segmenter
	header := make([]byte, encap.MaxHeader)
	n := testing.AllocsPerRun(100, func() {
		s.Reset(frame, &l, o)
		for s.Segments() > 0 {
			s.Next(header)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkSegmenter cuts up superframes of 64 KB; time is per superframe.
func BenchmarkSegmenter(b *testing.B) {
	for _, p := range []packet{{name: "tcp4", options: true}, {name: "tcp6", v6: true}, {name: "udp4", udp: true}} {
		p.payload = payloadOf(64000)
		frame, l, o := p.superframe(b, 1398)
		b.Run(fmt.Sprint(p.name), func(b *testing.B) {
			var s encap.Segmenter
			header := make([]byte, encap.MaxHeader)
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			for b.Loop() {
				s.Reset(frame, &l, o)
				for s.Segments() > 0 {
					s.Next(header)
				}
			}
		})
	}
}
