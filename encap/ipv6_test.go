package encap_test

import (
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"pgregory.net/rapid"

	"github.com/vxtap/vxtap/encap"
)

func TestIPv6(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const payload = 300
		b := drawBytes(t, encap.IPv6Size, encap.IPv6Size)
		class, hops := rapid.Byte().Draw(t, "class"), rapid.Byte().Draw(t, "hops")
		next := rapid.ByteMin(1).Draw(t, "next") // gopacket looks behind hop-by-hop, 0
		label := rapid.Uint32Range(0, 0xfffff).Draw(t, "label")
		src, dst := [16]byte(drawBytes(t, 16, 16)), [16]byte(drawBytes(t, 16, 16))
		p := encap.PutIPv6(b)
		b[1], b[2], b[3] = byte(label>>16), byte(label>>8), byte(label)
		p.SetTrafficClass(0xff)
		p.SetTrafficClass(class)
		p.SetPayloadLength(payload)
		p.SetNextHeader(next)
		p.SetHopLimit(hops)
		p.SetSrc(src)
		p.SetDst(dst)

		if p.Version() != 6 || p.TrafficClass() != class || p.FlowLabel() != label || p.PayloadLength() != payload ||
			p.NextHeader() != next || p.HopLimit() != hops || p.Src() != src || p.Dst() != dst {
			t.Fatalf("read back wrong: % x", b)
		}
		var want layers.IPv6
		whole := append(b, make([]byte, payload)...)
		if err := want.DecodeFromBytes(whole, gopacket.NilDecodeFeedback); err != nil {
			t.Fatal(err)
		}
		if want.Version != 6 || want.TrafficClass != class || want.FlowLabel != label || want.Length != payload ||
			uint8(want.NextHeader) != next || want.HopLimit != hops ||
			[16]byte(want.SrcIP) != src || [16]byte(want.DstIP) != dst {
			t.Fatalf("gopacket reads %+v", want)
		}
	})
}
