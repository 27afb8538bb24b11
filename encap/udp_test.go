package encap_test

import (
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"pgregory.net/rapid"

	"github.com/vxtap/vxtap/encap"
)

func TestUDP(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := drawBytes(t, encap.UDPSize, encap.UDPSize)
		src, dst := rapid.Uint16().Draw(t, "src"), rapid.Uint16().Draw(t, "dst")
		length, sum := rapid.Uint16Min(8).Draw(t, "length"), rapid.Uint16().Draw(t, "checksum")
		u := encap.UDP(b)
		u.SetSrcPort(src)
		u.SetDstPort(dst)
		u.SetLength(int(length))
		u.SetChecksum(sum)

		if u.SrcPort() != src || u.DstPort() != dst || u.Length() != int(length) || u.Checksum() != sum {
			t.Fatalf("read back wrong: % x", b)
		}
		var want layers.UDP
		if err := want.DecodeFromBytes(b, gopacket.NilDecodeFeedback); err != nil {
			t.Fatal(err)
		}
		if uint16(want.SrcPort) != src || uint16(want.DstPort) != dst || want.Length != length || want.Checksum != sum {
			t.Fatalf("gopacket reads %+v", want)
		}
	})
}
