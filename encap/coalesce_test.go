package encap_test

import (
	"bytes"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/vxtap/vxtap/encap"
)

// The law of coalescing: what it joins, segmentation takes apart into the same frames.
// A checksum that had not been finished comes out finished, and the IPv4 ID of packets
// with DF that stood still comes out counting (RFC 6864).

// coalesce runs frames through a Coalescer as a worker does for one flow, and returns
// what would be written. Beside it runs one that is asked to Continue first: it must come to
// the same, and Continue be true of each that Join takes and is as sound as the first.
func coalesce(t rapid.TB, frames [][]byte) (out []encap.Frame) {
	t.Helper()
	c, quick := new(encap.Coalescer), new(encap.Coalescer)
	open, first := false, encap.ChecksumUnknown
	end := func() {
		if open {
			f := c.Finish()
			if q := quick.Finish(); !reflect.DeepEqual(f, q) {
				t.Fatalf("by Continue\n%+v, by Join\n%+v", q, f)
			}
			out = append(out, f)
			c, quick, open = new(encap.Coalescer), new(encap.Coalescer), false // More is in use
		}
	}
	for _, f := range frames {
		var l encap.Layers
		l.Parse(f)
		state := encap.VerifyChecksum(f, &l)
		twin := bytes.Clone(f)
		if open {
			joined, continued := c.Join(f, &l, state), quick.Continue(twin)
			if continued != (joined && state == first) || !continued && joined != quick.Join(twin, &l, state) {
				t.Fatalf("continued %t, joined %t: checksum in state %d behind %d\n%x", continued, joined, state, first, f)
			}
			if joined {
				if c.Last() {
					end()
				}
				continue
			}
		}
		end()
		first = state
		if open = c.Begin(f, &l, state); !open {
			out = append(out, encap.Frame{Data: f})
		}
		if quick.Begin(twin, &l, state) != open {
			t.Fatal("begins otherwise")
		}
	}
	end()
	return out
}

// segments cuts a frame up, or finishes its checksum, as the kernel behind a port does.
func segments(t rapid.TB, f encap.Frame) (out [][]byte) {
	t.Helper()
	whole := slices.Concat(append([][]byte{f.Data}, f.More...)...)
	if f.Offload.GSO == encap.GSONone {
		if !encap.CompleteChecksum(whole, f.Offload) {
			t.Fatalf("offload %+v points outside", f.Offload)
		}
		return [][]byte{whole}
	}
	var l encap.Layers
	var s encap.Segmenter
	l.Parse(whole)
	if !s.Reset(whole, &l, f.Offload) {
		t.Fatalf("no superframe: %+v, layers %+v", f.Offload, l)
	}
	if pseudo := encap.PseudoHeader(whole, &l); int(f.Offload.HeaderLen) != l.Payload || checksumOf(whole, &l) != pseudo {
		t.Fatalf("superframe with offload %+v, checksum %#x, pseudo-header %#x", f.Offload, checksumOf(whole, &l), pseudo)
	}
	if l.EtherType == encap.EtherTypeIPv4 && plainSum(whole[l.L3:l.L4], 0) != 0xffff {
		t.Fatal("superframe with a wrong IPv4 header checksum")
	}
	for {
		header := make([]byte, encap.MaxHeader)
		n, payload, ok := s.Next(header)
		if !ok {
			return out
		}
		out = append(out, append(header[:n], payload...))
	}
}

func checksumOf(frame []byte, l *encap.Layers) uint16 {
	if l.Proto == encap.ProtoUDP {
		return encap.UDP(frame[l.L4:]).Checksum()
	}
	return encap.TCP(frame[l.L4:]).Checksum()
}

// lawful fails the test unless cutting what became of frames gives the frames. It
// returns how many pieces they were written in.
func lawful(t rapid.TB, frames [][]byte) int {
	t.Helper()
	var want, got [][]byte
	for _, f := range frames {
		f = bytes.Clone(f)
		var l encap.Layers
		l.Parse(f)
		if encap.VerifyChecksum(f, &l) == encap.ChecksumPartial {
			encap.CompleteChecksum(f, encap.RecognizeOffload(f, &l, 0, 1<<20))
		}
		want = append(want, f)
	}
	out := coalesce(t, frames)
	for _, f := range out {
		got = append(got, segments(t, f)...)
	}
	if len(got) != len(want) {
		t.Fatalf("%d frames came out as %d", len(want), len(got))
	}
	for i := range want {
		if g, w := normal(got[i], want, i), normal(want[i], want, i); !bytes.Equal(g, w) {
			t.Fatalf("frame %d came out as\n%x, was\n%x", i, g, w)
		}
	}
	return len(out)
}

// normal clears what the law leaves open about frame i: the ID of an IPv4 packet that
// cannot be fragmented, where it stood still, and which of the two zeros a TCP checksum
// that was not finished comes out as.
func normal(frame []byte, all [][]byte, i int) []byte {
	var l encap.Layers
	l.Parse(frame)
	frame = bytes.Clone(frame)
	if l.L3 == 0 || l.Payload == 0 {
		return frame
	}
	if l.Proto == encap.ProtoTCP && encap.TCP(frame[l.L4:]).Checksum() == 0xffff {
		encap.TCP(frame[l.L4:]).SetChecksum(0)
	}
	if l.EtherType != encap.EtherTypeIPv4 || i == 0 {
		return frame
	}
	ip, before := encap.IPv4(frame[l.L3:]), encap.IPv4(all[i-1][min(l.L3, len(all[i-1])):])
	want := encap.IPv4(all[i][l.L3:])
	if len(before) >= encap.IPv4MinSize && ip.DontFragment() && want.ID() == before.ID() {
		ip.SetID(0)
		ip.SetChecksum(0)
	}
	return frame
}

// train is n wire frames of a packet kind, size bytes of payload each but for the last.
func (p packet) train(t rapid.TB, n, size, last int) (frames [][]byte) {
	t.Helper()
	p.payload = payloadOf((n-1)*size + last)
	for i := range n {
		f, _ := p.segment(i, n, size).frame(t)
		frames = append(frames, f)
	}
	return frames
}

// joinableKinds are the packets that superframes are made of.
func joinableKinds() (kinds []packet) {
	for _, p := range packetKinds() {
		if p.options && !p.v6 || len(p.route.header) > 0 {
			continue // IPv4 options, IPv6 extension headers
		}
		p.flags = encap.TCPAck
		kinds = append(kinds, p)
	}
	return kinds
}

// TestCoalesceIsSegmentBackwards: a superframe cut up is put together again as it was.
func TestCoalesceIsSegmentBackwards(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom(joinableKinds()).Draw(t, "kind")
		p.id, p.seq = rapid.Uint16().Draw(t, "id"), rapid.Uint32().Draw(t, "seq")
		size := rapid.IntRange(1, 900).Draw(t, "size")
		n := rapid.IntRange(2, encap.MaxCoalesced).Draw(t, "segments")
		p.payload = payloadOf((n-1)*size + rapid.IntRange(1, size).Draw(t, "last"))
		if !p.udp && rapid.Bool().Draw(t, "end") {
			p.flags |= rapid.SampledFrom([]encap.TCPFlags{encap.TCPPsh, encap.TCPFin, encap.TCPPsh | encap.TCPFin}).Draw(t, "flags")
		}
		frame, _, o := p.superframe(t, size)
		cut := segments(t, encap.Frame{Data: bytes.Clone(frame), Offload: o})
		lawful(t, cut)
		out := coalesce(t, segments(t, encap.Frame{Data: bytes.Clone(frame), Offload: o}))
		if len(out) != 1 {
			t.Fatalf("%d segments became %d frames", n, len(out))
		}
		whole := slices.Concat(append([][]byte{out[0].Data}, out[0].More...)...)
		if out[0].Offload != o || !bytes.Equal(whole, frame) {
			t.Fatalf("offload %+v, want %+v\n got %x\nwant %x", out[0].Offload, o, whole, frame)
		}
	})
}

// refit makes the checksums of a frame right again after a change.
func refit(frame []byte) {
	var l encap.Layers
	l.Parse(frame)
	if l.L3 == 0 {
		return
	}
	if l.EtherType == encap.EtherTypeIPv4 {
		ip := encap.IPv4(frame[l.L3 : l.L3+encap.IPv4(frame[l.L3:]).HeaderLength()])
		ip.SetChecksum(0)
		ip.SetChecksum(^plainSum(ip, 0))
	}
	pseudo := encap.PseudoHeader(frame, &l)
	if l.Payload == 0 || pseudo == 0 {
		return
	}
	setChecksum, end := encap.TCP(frame[l.L4:]).SetChecksum, l.End
	if udp := encap.UDP(frame[l.L4:]); l.Proto == encap.ProtoUDP {
		setChecksum, end = udp.SetChecksum, l.L4+udp.Length()
	}
	setChecksum(0)
	setChecksum(^plainSum(frame[l.L4:end], pseudo))
}

// differences are ways in which a segment can differ so that it must not be joined to
// the one before. Each returns false if it does not concern the frame.
var differences = []struct {
	name string
	make func(frame []byte, l *encap.Layers) bool
}{
	{"destination MAC", at(0, 0x02)},
	{"source MAC", at(11, 0x01)},
	{"VLAN", func(f []byte, l *encap.Layers) bool { f[15] ^= 1; return l.Tags > 0 }},
	{"VLAN priority", func(f []byte, l *encap.Layers) bool { f[14] ^= 0x20; return l.Tags > 0 }},
	{"ECN 4", ip4(1, 0x01)},
	{"DSCP 4", ip4(1, 0x10)},
	{"ID", ip4(4, 0x80)},
	{"DF", ip4(6, 0x40)},
	{"reserved IPv4 flag", ip4(6, 0x80)},
	{"MF", ip4(6, 0x20)},
	{"TTL", ip4(8, 1)},
	{"source 4", ip4(15, 1)},
	{"destination 4", ip4(19, 1)},
	{"ECN 6", ip6(1, 0x10)},
	{"DSCP 6", ip6(0, 0x01)},
	{"flow label", ip6(3, 1)},
	{"hop limit", ip6(7, 1)},
	{"source 6", ip6(8, 1)},
	{"destination 6", ip6(39, 1)},
	{"source port", l4(1, 1)},
	{"destination port", l4(2, 1)},
	{"sequence", tcp(7, 1)},
	{"acknowledgement", tcp(11, 1)},
	{"AE", tcp(12, 1)},
	{"CWR", tcp(13, uint8(encap.TCPCwr))},
	{"ECE", tcp(13, uint8(encap.TCPEce))},
	{"URG", tcp(13, uint8(encap.TCPUrg))},
	{"no ACK", tcp(13, uint8(encap.TCPAck))},
	{"RST", tcp(13, uint8(encap.TCPRst))},
	{"SYN", tcp(13, uint8(encap.TCPSyn))},
	{"window", tcp(15, 1)},
	{"urgent pointer", tcp(19, 1)},
	{"timestamp", func(f []byte, l *encap.Layers) bool { f[l.Payload-9] ^= 1; return l.Payload-l.L4 == 32 }},
}

func at(off int, bit uint8) func([]byte, *encap.Layers) bool {
	return func(f []byte, _ *encap.Layers) bool { f[off] ^= bit; return true }
}

func ip4(off int, bit uint8) func([]byte, *encap.Layers) bool {
	return func(f []byte, l *encap.Layers) bool { f[l.L3+off] ^= bit; return l.EtherType == encap.EtherTypeIPv4 }
}

func ip6(off int, bit uint8) func([]byte, *encap.Layers) bool {
	return func(f []byte, l *encap.Layers) bool { f[l.L3+off] ^= bit; return l.EtherType == encap.EtherTypeIPv6 }
}

func l4(off int, bit uint8) func([]byte, *encap.Layers) bool {
	return func(f []byte, l *encap.Layers) bool { f[l.L4+off] ^= bit; return true }
}

func tcp(off int, bit uint8) func([]byte, *encap.Layers) bool {
	return func(f []byte, l *encap.Layers) bool { f[l.L4+off] ^= bit; return l.Proto == encap.ProtoTCP }
}

// TestCoalesceNotAcrossDifferences: a segment that differs in any one thing ends the
// superframe, and its checksums, made right or left wrong, come out as they came.
func TestCoalesceNotAcrossDifferences(t *testing.T) {
	for _, p := range joinableKinds() {
		for _, d := range differences {
			for _, right := range []bool{true, false} {
				frames := p.train(t, 6, 100, 60)
				if n := lawful(t, frames); n != 1 {
					t.Fatalf("%s: undisturbed, it comes in %d pieces", p.name, n)
				}
				frames = p.train(t, 6, 100, 60)
				var l encap.Layers
				l.Parse(frames[3])
				if !d.make(frames[3], &l) {
					continue
				}
				if right {
					refit(frames[3])
				}
				if n := lawful(t, frames); n < 3 {
					t.Errorf("%s, %s, checksum right=%t: joined into %d", p.name, d.name, right, n)
				}
			}
		}
	}
}

// TestCoalesceLengths: what is longer than those before it begins anew, and nothing
// follows what is shorter.
func TestCoalesceLengths(t *testing.T) {
	p := packet{v6: true, udp: true}
	lengths := func(sizes ...int) (frames [][]byte) {
		for _, n := range sizes {
			p.payload = payloadOf(n)
			f, _ := p.frame(t)
			frames = append(frames, f)
		}
		return frames
	}
	for _, c := range []struct {
		sizes []int
		want  int
	}{
		{[]int{50, 50, 50}, 1},
		{[]int{50, 50, 49, 50}, 2},
		{[]int{50, 51}, 2},
		{[]int{50, 49, 49, 49}, 2},
		{[]int{50, 0, 50}, 3},
		{[]int{0, 0}, 2},
		{slices.Repeat([]int{9}, 200), 4},
		{slices.Repeat([]int{1400}, 47), 2}, // over 64 KB
	} {
		if n := lawful(t, lengths(c.sizes...)); n != c.want {
			t.Errorf("lengths %v: %d pieces, want %d", c.sizes, n, c.want)
		}
	}
}

// TestCoalesceLeavesAlone: frames of kinds that are not joined even to their like.
func TestCoalesceLeavesAlone(t *testing.T) {
	spoil := map[string]func(frames [][]byte){
		"bad checksum":            func(fs [][]byte) { fs[1][len(fs[1])-1] ^= 1 },
		"bad first checksum":      func(fs [][]byte) { fs[0][len(fs[0])-1] ^= 1; fs[1] = bytes.Clone(fs[0]) },
		"padded":                  func(fs [][]byte) { fs[0], fs[1] = append(fs[0], 0), append(fs[1], 0) },
		"UDP without a checksum":  func(fs [][]byte) { clear(fs[0][40:42]); clear(fs[1][40:42]) },
		"UDP shorter than its IP": func(fs [][]byte) { fs[0][39]--; fs[1][39]--; refit(fs[0]); refit(fs[1]) },
		"bad IPv4 checksum":       func(fs [][]byte) { fs[0][24] ^= 1; fs[1][24] ^= 1 },
		"fragments":               func(fs [][]byte) { fs[0][20], fs[1][20] = 0x20, 0x20; refit(fs[0]); refit(fs[1]) },
	}
	for name, change := range spoil {
		frames := packet{udp: true, id: 3}.train(t, 2, 100, 100)
		change(frames)
		before := [][]byte{bytes.Clone(frames[0]), bytes.Clone(frames[1])}
		if n := lawful(t, frames); n != 2 {
			t.Errorf("%s: joined", name)
		}
		for i := range frames {
			if !bytes.Equal(frames[i], before[i]) {
				t.Errorf("%s: frame %d was changed", name, i)
			}
		}
	}
}

// TestCoalesceEnds: PSH and FIN are about the end of a superframe, so nothing follows
// them in it.
func TestCoalesceEnds(t *testing.T) {
	for _, flags := range []encap.TCPFlags{encap.TCPPsh, encap.TCPFin} {
		for i, want := range []int{2, 2, 2, 1} {
			frames := packet{v6: true, flags: encap.TCPAck}.train(t, 4, 100, 100)
			frames[i][54+13] |= uint8(flags)
			refit(frames[i])
			if n := lawful(t, frames); n != want {
				t.Errorf("flags %#x in segment %d: %d pieces, want %d", flags, i, n, want)
			}
		}
	}
}
