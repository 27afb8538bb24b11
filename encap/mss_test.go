package encap_test

import (
	"bytes"
	"testing"

	"github.com/google/gopacket/layers"
	"pgregory.net/rapid"

	"github.com/vxtap/vxtap/encap"
)

// syn returns a SYN with options.
func syn(t rapid.TB, v6 bool, tags int, options []byte, partial bool) ([]byte, encap.Layers) {
	t.Helper()
	p := packet{v6: v6, tags: tags}
	frame, l := p.frame(t)
	options = append(options, make([]byte, -len(options)&3)...)
	frame = append(frame[:l.Payload], options...)
	tcp := encap.TCP(frame[l.L4:])
	tcp.SetHeaderLength(len(tcp))
	tcp.SetFlags(encap.TCPSyn)
	if v6 {
		encap.IPv6(frame[l.L3:]).SetPayloadLength(len(tcp))
	} else {
		ip := encap.IPv4(frame[l.L3:l.L4])
		ip.SetTotalLength(len(frame) - l.L3)
		ip.SetChecksum(0)
		ip.SetChecksum(^encap.Sum(ip, 0))
	}
	l.Parse(frame)
	tcp.SetChecksum(encap.PseudoHeader(frame, &l))
	if !partial {
		encap.CompleteChecksum(frame, encap.Offload{NeedsCSUM: true, CSUMStart: uint16(l.L4), CSUMOffset: 16})
	}
	return frame, l
}

// Wherever the option lies, the MSS is lowered and never raised, and the checksum is what
// it would have been.
func TestClampMSS(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v6, partial := rapid.Bool().Draw(t, "v6"), rapid.Bool().Draw(t, "partial")
		tags := rapid.IntRange(0, 2).Draw(t, "tags")
		had, max := rapid.Uint16().Draw(t, "had"), rapid.Uint16().Draw(t, "max")
		filler := bytes.Repeat([]byte{1}, rapid.IntRange(0, 5).Draw(t, "nothing"))
		if rapid.Bool().Draw(t, "window scale") {
			filler = append(filler, 3, 3, 7)
		}
		options := func(mss uint16) []byte {
			return append(bytes.Clone(filler), 2, 4, byte(mss>>8), byte(mss), 4, 2)
		}
		frame, l := syn(t, v6, tags, options(had), partial)
		want, _ := syn(t, v6, tags, options(min(had, max)), partial)
		if changed := encap.ClampMSS(frame, &l, max, partial); changed != (had > max) {
			t.Fatalf("changed %v", changed)
		}
		if !bytes.Equal(frame, want) {
			t.Fatalf("\n got %x\nwant %x", frame, want)
		}
	})
}

func TestClampMSSLeavesTheRestAlone(t *testing.T) {
	mss := []byte{2, 4, 0xff, 0xff}
	data := packet{flags: encap.TCPAck, payload: mss}
	acked, lAcked := data.frame(t)
	datagram, lDatagram := packet{udp: true, payload: mss}.frame(t)
	type frame struct {
		b []byte
		l encap.Layers
	}
	withOptions := func(options ...byte) frame {
		b, l := syn(t, false, 0, options, false)
		return frame{b, l}
	}
	for name, f := range map[string]frame{
		"no SYN":            {acked, lAcked},
		"UDP":               {datagram, lDatagram},
		"no options":        withOptions(),
		"ended before":      withOptions(append([]byte{0}, mss...)...),
		"another length":    withOptions(2, 6, 0xff, 0xff, 0, 0),
		"cut short":         withOptions(1, 1, 1, 2),
		"length of nothing": withOptions(3, 0, 2, 4, 0xff, 0xff),
		"length beyond":     withOptions(3, 40, 2, 4, 0xff, 0xff),
	} {
		before := bytes.Clone(f.b)
		if encap.ClampMSS(f.b, &f.l, 500, false) || !bytes.Equal(f.b, before) {
			t.Errorf("%s: changed", name)
		}
	}
}

// gopacket's reading of the option.
func TestClampMSSByGopacket(t *testing.T) {
	frame, l := syn(t, true, 1, []byte{1, 2, 4, 0x05, 0xb4}, false)
	encap.ClampMSS(frame, &l, uint16(encap.MSSFor(&l, 1300)), false)
	var tcp layers.TCP
	if err := tcp.DecodeFromBytes(frame[l.L4:], noFeedback{}); err != nil {
		t.Fatal(err)
	}
	for _, o := range tcp.Options {
		if o.OptionType == layers.TCPOptionKindMSS && bytes.Equal(o.OptionData, []byte{1240 >> 8, 1240 & 0xff}) {
			return
		}
	}
	t.Errorf("options %v", tcp.Options)
}

type noFeedback struct{}

func (noFeedback) SetTruncated() {}

// FuzzClampMSS: of any frame only the option and the checksum change, and what was right
// stays right.
func FuzzClampMSS(f *testing.F) {
	for _, v6 := range []bool{false, true} {
		frame, _ := syn(f, v6, 1, []byte{1, 2, 4, 0x05, 0xb4}, false)
		f.Add(frame, uint16(1000))
	}
	f.Fuzz(func(t *testing.T, frame []byte, mss uint16) {
		var l encap.Layers
		l.Parse(frame)
		before := bytes.Clone(frame)
		was := encap.VerifyChecksum(frame, &l)
		if !encap.ClampMSS(frame, &l, mss, was == encap.ChecksumPartial) {
			if !bytes.Equal(frame, before) {
				t.Fatal("changed")
			}
			return
		}
		changed := 0
		for i := range frame {
			if frame[i] != before[i] {
				changed++
			}
		}
		if changed > 4 {
			t.Fatalf("%d bytes changed", changed)
		}
		if now := encap.VerifyChecksum(frame, &l); was == encap.ChecksumValid && now != was && now != encap.ChecksumPartial {
			t.Fatalf("the checksum was %v and is %v", was, now)
		}
	})
}
