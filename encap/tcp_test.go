package encap_test

import (
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"pgregory.net/rapid"

	"github.com/vxtap/vxtap/encap"
)

func TestTCP(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := 4 * rapid.IntRange(5, 15).Draw(t, "words")
		b := append(drawBytes(t, 20, 20), make([]byte, 40)...) // options end at once
		src, dst := rapid.Uint16().Draw(t, "src"), rapid.Uint16().Draw(t, "dst")
		seq, ack := rapid.Uint32().Draw(t, "seq"), rapid.Uint32().Draw(t, "ack")
		window, sum := rapid.Uint16().Draw(t, "window"), rapid.Uint16().Draw(t, "checksum")
		flags := encap.TCPFlags(rapid.Byte().Draw(t, "flags"))
		s := encap.TCP(b)
		s.SetSrcPort(src)
		s.SetDstPort(dst)
		s.SetSeq(seq)
		s.SetAck(ack)
		s.SetHeaderLength(size)
		s.SetFlags(flags)
		s.SetWindow(window)
		s.SetChecksum(sum)

		if s.SrcPort() != src || s.DstPort() != dst || s.Seq() != seq || s.Ack() != ack ||
			s.HeaderLength() != size || s.Flags() != flags || s.Window() != window || s.Checksum() != sum {
			t.Fatalf("read back wrong: % x", b)
		}
		var want layers.TCP
		if err := want.DecodeFromBytes(b, gopacket.NilDecodeFeedback); err != nil {
			t.Fatal(err)
		}
		if uint16(want.SrcPort) != src || uint16(want.DstPort) != dst || want.Seq != seq || want.Ack != ack ||
			int(want.DataOffset)*4 != size || want.Window != window || want.Checksum != sum || tcpFlagsOf(&want) != flags {
			t.Fatalf("gopacket reads %+v", want)
		}
	})
}

// tcpFlagsOf collects gopacket's flags.
func tcpFlagsOf(t *layers.TCP) (f encap.TCPFlags) {
	for flag, set := range map[encap.TCPFlags]bool{
		encap.TCPFin: t.FIN, encap.TCPSyn: t.SYN, encap.TCPRst: t.RST, encap.TCPPsh: t.PSH,
		encap.TCPAck: t.ACK, encap.TCPUrg: t.URG, encap.TCPEce: t.ECE, encap.TCPCwr: t.CWR,
	} {
		if set {
			f |= flag
		}
	}
	return f
}
