package encap_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/vxtap/vxtap/encap"
)

// plainSum is RFC 1071 word by word.
func plainSum(b []byte, initial uint16) uint16 {
	sum := uint32(initial)
	for i, o := range b {
		if i%2 == 0 {
			sum += uint32(o) << 8
		} else {
			sum += uint32(o)
		}
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}

func TestSumExample(t *testing.T) {
	// RFC 1071 section 3.
	b := []byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}
	if got := encap.Sum(b, 0); got != 0xddf2 {
		t.Errorf("sum %#x, want 0xddf2", got)
	}
}

// TestSumCarries: lengths around every step of the loops, with bytes that carry always.
func TestSumCarries(t *testing.T) {
	for _, fill := range []byte{0x00, 0x01, 0x80, 0xff} {
		b := bytes.Repeat([]byte{fill}, 300)
		for n := range b {
			for _, initial := range []uint16{0, 1, 0x00ff, 0xff00, 0xfffe, 0xffff} {
				if got, want := encap.Sum(b[:n], initial), plainSum(b[:n], initial); got != want {
					t.Errorf("%d times %#x on %#x: %#x, want %#x", n, fill, initial, got, want)
				}
			}
		}
	}
}

func TestSumAgainstPlainLoop(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), 0, 400).Draw(t, "bytes")
		from := rapid.IntRange(0, len(b)).Draw(t, "from")
		initial := rapid.Uint16().Draw(t, "initial")
		got, want := encap.Sum(b[from:], initial), plainSum(b[from:], initial)
		if got != want {
			t.Fatalf("%#x, want %#x", got, want)
		}
		even := from &^ 1
		if got := encap.Sum(b[even:], encap.Sum(b[:even], initial)); got != plainSum(b, initial) {
			t.Fatalf("in two pieces %#x, want %#x", got, plainSum(b, initial))
		}
		if got := encap.AddSums(encap.Sum(b[even:], 0), encap.Sum(b[:even], initial)); got != plainSum(b, initial) {
			t.Fatalf("two sums added %#x, want %#x", got, plainSum(b, initial))
		}
	})
}

func TestUpdateChecksum(t *testing.T) {
	// RFC 1624 section 4: the case that equation 2 gets wrong.
	if got := encap.UpdateChecksum16(0xdd2f, 0x5555, 0x3285); got != 0x0000 {
		t.Errorf("RFC 1624 example: %#x, want 0", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), 8, 60).Draw(t, "bytes")
		b[0] = 0x45 // a sum of zeros alone is the one that has another form
		at := 2 * rapid.IntRange(1, len(b)/2-2).Draw(t, "at")
		word := rapid.Uint32().Draw(t, "word")
		before := ^encap.Sum(b, 0)

		old := binary.BigEndian.Uint16(b[at:])
		binary.BigEndian.PutUint16(b[at:], uint16(word))
		after := encap.UpdateChecksum16(before, old, uint16(word))
		if after != ^encap.Sum(b, 0) {
			t.Fatalf("16 bits: %#x, want %#x", after, ^encap.Sum(b, 0))
		}
		old32 := binary.BigEndian.Uint32(b[at:])
		binary.BigEndian.PutUint32(b[at:], word)
		if got := encap.UpdateChecksum32(after, old32, word); got != ^encap.Sum(b, 0) {
			t.Fatalf("32 bits: %#x, want %#x", got, ^encap.Sum(b, 0))
		}
	})
}

func TestVerifyChecksum(t *testing.T) {
	for _, p := range packetKinds() {
		t.Run(p.name, func(t *testing.T) {
			p.payload = payloadOf(333)
			whole, l := p.frame(t)
			want := func(what string, frame []byte, l *encap.Layers, state encap.ChecksumState) {
				t.Helper()
				if got := encap.VerifyChecksum(frame, l); got != state {
					t.Errorf("%s: state %d, want %d", what, got, state)
				}
			}
			want("complete", whole, &l, encap.ChecksumValid)
			for _, at := range []int{l.L4, l.End - 1, l.L3 + 15} {
				bad := bytes.Clone(whole)
				bad[at] ^= 0x10
				want(fmt.Sprintf("byte %d changed", at), bad, &l, encap.ChecksumBad)
			}
			want("padded", append(bytes.Clone(whole), 1, 2, 3), &l, encap.ChecksumValid)
			want("cut short", whole[:len(whole)-1], &l, encap.ChecksumUnknown)

			partial := bytes.Clone(whole)
			p.setChecksum(partial, &l, encap.PseudoHeader(whole, &l))
			want("partial", partial, &l, encap.ChecksumPartial)

			none := bytes.Clone(whole)
			p.setChecksum(none, &l, 0)
			if p.udp {
				want("none", none, &l, encap.ChecksumAbsent)
			} else {
				want("none", none, &l, encap.ChecksumBad)
			}
			l.Fragment = true
			want("fragment", whole, &l, encap.ChecksumUnknown)
			if sum := encap.PseudoHeader(whole, &l); sum != 0 {
				t.Errorf("a fragment's pseudo-header is %#x", sum)
			}
		})
	}
}

// TestVerifyShortUDP: what lies between the end of a datagram and that of its packet is
// not under the checksum; a length that cannot be true makes it unknown.
func TestVerifyShortUDP(t *testing.T) {
	p := packet{udp: true, payload: payloadOf(20)}
	frame, l := p.frame(t)
	udp := encap.UDP(frame[l.L4:])
	udp.SetLength(18)
	udp.SetChecksum(0)
	udp.SetChecksum(^plainSum(udp[:18], encap.PseudoHeader(frame, &l)))
	if got := encap.VerifyChecksum(frame, &l); got != encap.ChecksumValid {
		t.Errorf("short datagram: state %d", got)
	}
	for _, n := range []int{0, 7, 29} {
		udp.SetLength(n)
		if got := encap.VerifyChecksum(frame, &l); got != encap.ChecksumUnknown {
			t.Errorf("length %d: state %d", n, got)
		}
	}
}

func BenchmarkSum(b *testing.B) {
	for _, n := range []int{64, 1448, 65536} {
		data := payloadOf(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				encap.Sum(data, 0)
			}
		})
	}
}
