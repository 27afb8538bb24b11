package encap_test

import (
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"pgregory.net/rapid"

	"github.com/vxtap/vxtap/encap"
)

func TestIPv4Set(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := drawBytes(t, encap.IPv4MinSize, encap.IPv4MinSize)
		tos, ttl, proto := rapid.Byte().Draw(t, "tos"), rapid.Byte().Draw(t, "ttl"), rapid.Byte().Draw(t, "proto")
		id, sum := rapid.Uint16().Draw(t, "id"), rapid.Uint16().Draw(t, "checksum")
		src, dst := [4]byte(drawBytes(t, 4, 4)), [4]byte(drawBytes(t, 4, 4))
		p := encap.PutIPv4(b)
		p.SetTOS(tos)
		p.SetTotalLength(20)
		p.SetID(id)
		p.SetDontFragment()
		p.SetTTL(ttl)
		p.SetProto(proto)
		p.SetChecksum(sum)
		p.SetSrc(src)
		p.SetDst(dst)

		if !p.DontFragment() || p.IsFragment() || p.HeaderLength() != len(b) {
			t.Fatalf("% x: DF %v, fragment %v, header of %d", b, p.DontFragment(), p.IsFragment(), p.HeaderLength())
		}
		var want layers.IPv4
		if err := want.DecodeFromBytes(b, gopacket.NilDecodeFeedback); err != nil {
			t.Fatal(err)
		}
		if want.Version != 4 || want.TOS != tos || want.Length != 20 || want.Id != id || want.TTL != ttl ||
			uint8(want.Protocol) != proto || want.Checksum != sum || want.Flags != layers.IPv4DontFragment ||
			[4]byte(want.SrcIP) != src || [4]byte(want.DstIP) != dst {
			t.Fatalf("gopacket reads %+v", want)
		}
	})
}

func TestIPv4Get(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := drawBytes(t, encap.IPv4MinSize, encap.IPv4MinSize)
		b[0] = b[0]&0xf0 | 5 // gopacket takes no other length of these bytes
		b[2], b[3] = 0, 20
		p := encap.IPv4(b)
		var want layers.IPv4
		if err := want.DecodeFromBytes(b, gopacket.NilDecodeFeedback); err != nil {
			t.Fatal(err)
		}
		df, mf := want.Flags&layers.IPv4DontFragment != 0, want.Flags&layers.IPv4MoreFragments != 0
		if p.Version() != want.Version || p.TOS() != want.TOS || p.TotalLength() != int(want.Length) ||
			p.ID() != want.Id || p.TTL() != want.TTL || p.Proto() != uint8(want.Protocol) || p.Checksum() != want.Checksum ||
			p.Src() != [4]byte(want.SrcIP) || p.Dst() != [4]byte(want.DstIP) {
			t.Fatalf("% x: gopacket reads %+v", b, want)
		}
		if p.DontFragment() != df || p.MoreFragments() != mf || p.FragmentOffset() != int(want.FragOffset)*8 ||
			p.IsFragment() != (mf || want.FragOffset != 0) {
			t.Fatalf("% x: DF %v, MF %v, offset %d, fragment %v; gopacket reads %+v",
				b, p.DontFragment(), p.MoreFragments(), p.FragmentOffset(), p.IsFragment(), want)
		}
	})
}
