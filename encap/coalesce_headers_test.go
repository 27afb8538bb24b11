package encap_test

import (
	"testing"

	"github.com/vxtap/vxtap/encap"
)

// TestCoalesceOtherZero: a checksum of 0xffff where a Segmenter writes 0 is right too,
// but would not come out again.
func TestCoalesceOtherZero(t *testing.T) {
	frames := func(v6 bool) [][]byte {
		return packet{v6: v6, flags: encap.TCPAck}.train(t, 3, 100, 100)
	}
	ip := frames(false)
	h := encap.IPv4(ip[1][14:34])
	sum := h.Checksum() // what has to be added to one word of the addresses
	for _, f := range ip {
		word := encap.AddSums(encap.Sum(f[14+14:14+16], 0), sum)
		f[14+14], f[14+15] = byte(word>>8), byte(word)
		refit(f)
	}
	if h.Checksum() != 0 {
		t.Fatalf("checksum %#x", h.Checksum())
	}
	h.SetChecksum(0xffff)
	if n := lawful(t, ip); n != 3 {
		t.Errorf("IPv4: %d pieces", n)
	}
	tcp := frames(true)
	refitTo := encap.AddSums(encap.Sum(tcp[1][74:76], 0), encap.TCP(tcp[1][54:]).Checksum())
	tcp[1][74], tcp[1][75] = byte(refitTo>>8), byte(refitTo)
	encap.TCP(tcp[1][54:]).SetChecksum(0xffff)
	if n := lawful(t, tcp); n != 3 {
		t.Errorf("TCP: %d pieces", n)
	}
}

// TestCoalesceLengthsThatLie: a length in a header that does not lead to the end of the frame,
// with checksums that are right all the same for whoever takes the whole frame.
func TestCoalesceLengthsThatLie(t *testing.T) {
	for _, p := range joinableKinds() {
		frames := p.train(t, 3, 100, 100)
		f := frames[1]
		var l encap.Layers
		l.Parse(f)
		if l.EtherType == encap.EtherTypeIPv4 {
			ip := encap.IPv4(f[l.L3:l.L4])
			ip.SetTotalLength(l.End - l.L3 - 2)
			ip.SetChecksum(0)
			ip.SetChecksum(^plainSum(ip, 0))
		} else {
			encap.IPv6(f[l.L3:]).SetPayloadLength(l.End - l.L4 - 2)
		}
		if n := lawful(t, frames); n != 3 {
			t.Errorf("%s, of the packet: %d pieces", p.name, n)
		}
		if !p.udp {
			continue
		}
		frames = p.train(t, 3, 100, 100)
		udp := encap.UDP(frames[1][l.L4:])
		udp.SetLength(len(udp) - 2)
		udp.SetChecksum(encap.AddSums(udp.Checksum(), 2))
		if n := lawful(t, frames); n != 3 {
			t.Errorf("%s, of the datagram: %d pieces", p.name, n)
		}
	}
}

// TestCoalesceAbsentThatFits: a UDP checksum that was left out, where the right one is zero.
func TestCoalesceAbsentThatFits(t *testing.T) {
	frames := packet{udp: true}.train(t, 3, 100, 100)
	for _, f := range frames {
		udp := encap.UDP(f[34:])
		word := encap.AddSums(encap.Sum(udp[8:10], 0), udp.Checksum())
		udp[8], udp[9] = byte(word>>8), byte(word)
		udp.SetChecksum(0xffff)
	}
	encap.UDP(frames[1][34:]).SetChecksum(0)
	if n := lawful(t, frames); n != 3 {
		t.Errorf("%d pieces", n)
	}
}

// TestCoalesceIDs: RFC 6864. An ID that stands still is good where nothing can be
// fragmented, and the discipline does not change within a superframe.
func TestCoalesceIDs(t *testing.T) {
	for _, c := range []struct {
		ids  []uint16
		df   bool
		want int
	}{
		{[]uint16{0xfffe, 0xffff, 0, 1}, true, 1},
		{[]uint16{0xfffe, 0xffff, 0, 1}, false, 1},
		{[]uint16{0, 0, 0}, true, 1},
		{[]uint16{7, 7, 7}, false, 3},
		{[]uint16{1, 2, 2, 2}, true, 2},
		{[]uint16{1, 1, 2, 3}, true, 2},
		{[]uint16{1, 3, 5}, true, 3},
		{[]uint16{3, 2, 1}, true, 3},
	} {
		var frames [][]byte
		for _, id := range c.ids {
			f, l := packet{udp: true, id: id, payload: payloadOf(10)}.frame(t)
			if !c.df {
				f[l.L3+6] = 0
				refit(f)
			}
			frames = append(frames, f)
		}
		if n := lawful(t, frames); n != c.want {
			t.Errorf("IDs %d, DF %t: %d pieces, want %d", c.ids, c.df, n, c.want)
		}
	}
}

// TestCoalescePartial: checksums that their sender left undone are joined as they are,
// also to finished ones.
func TestCoalescePartial(t *testing.T) {
	for _, p := range joinableKinds() {
		for _, complete := range []func(i int) bool{
			func(i int) bool { return i == 2 },
			func(i int) bool { return i != 2 },
		} {
			frames := p.train(t, 5, 100, 100)
			for i, f := range frames {
				var l encap.Layers
				l.Parse(f)
				if !complete(i) {
					p.setChecksum(f, &l, encap.PseudoHeader(f, &l))
				}
			}
			if n := lawful(t, frames); n != 1 {
				t.Errorf("%s: %d pieces", p.name, n)
			}
		}

		p.payload = payloadOf(100)
		one, o := p.partial(t)
		var l encap.Layers
		var c encap.Coalescer
		l.Parse(one)
		if !c.Begin(one, &l, encap.ChecksumPartial) {
			t.Fatalf("%s: not begun", p.name)
		}
		if f := c.Finish(); f.Offload != o || len(f.More) != 0 {
			t.Errorf("%s: one alone came with %+v, want %+v", p.name, f.Offload, o)
		}
	}
}
