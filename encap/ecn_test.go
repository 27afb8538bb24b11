package encap_test

import (
	"bytes"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"pgregory.net/rapid"

	"github.com/vxtap/vxtap/encap"
)

// TestDecapECN is RFC 6040 section 4.2, figure 4, row by row in its order of columns.
func TestDecapECN(t *testing.T) {
	const (
		not, e0, e1, ce = encap.NotECT, encap.ECT0, encap.ECT1, encap.CE
		drop            = encap.ECN(99)
	)
	outers := [4]encap.ECN{not, e0, e1, ce}
	for _, row := range []struct {
		inner encap.ECN
		want  [4]encap.ECN
	}{
		{not, [4]encap.ECN{not, not, not, drop}},
		{e0, [4]encap.ECN{e0, e0, e1, ce}},
		{e1, [4]encap.ECN{e1, e1, e1, ce}},
		{ce, [4]encap.ECN{ce, ce, ce, ce}},
	} {
		for i, outer := range outers {
			got, ok := encap.DecapECN(row.inner, outer)
			if ok != (row.want[i] != drop) || ok && got != row.want[i] {
				t.Errorf("inner %d, outer %d: got %d, %v; want %d", row.inner, outer, got, ok, row.want[i])
			}
		}
	}
}

// What goes through a tunnel that marks nothing comes out as it went in.
func TestECNThroughTunnel(t *testing.T) {
	for inner := encap.NotECT; inner <= encap.CE; inner++ {
		outer := encap.EncapECN(inner)
		if outer != inner {
			t.Errorf("inner %d is sent under %d", inner, outer)
		}
		if got, ok := encap.DecapECN(inner, outer); !ok || got != inner {
			t.Errorf("%d came out as %d, %v", inner, got, ok)
		}
	}
}

// Bits above a codepoint, as of a whole TOS, are not looked at.
func TestECNOutOfRange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tos1, tos2 := rapid.Byte().Draw(t, "inner"), rapid.Byte().Draw(t, "outer")
		got, ok := encap.DecapECN(encap.ECN(tos1), encap.ECN(tos2))
		want, wantOK := encap.DecapECN(encap.ECNOf(tos1), encap.ECNOf(tos2))
		if got != want || ok != wantOK {
			t.Fatalf("%#x in %#x: %d, %v; want %d, %v", tos1, tos2, got, ok, want, wantOK)
		}
		if e := encap.ECNOf(tos2); e.In(tos1)>>2 != tos1>>2 || encap.ECNOf(e.In(tos1)) != e {
			t.Fatalf("%d in %#x is %#x", e, tos1, e.In(tos1))
		}
	})
}

func TestSetInnerECN(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		frame := drawFrame(t)
		var l encap.Layers
		l.Parse(frame)
		before := bytes.Clone(frame)
		tos, ok := encap.InnerTOS(frame, &l)
		if want := decodeTOS(frame); !ok || tos != want {
			t.Fatalf("TOS is %#x, %v; want %#x", tos, ok, want)
		}

		ecn := encap.ECN(rapid.IntRange(0, 3).Draw(t, "ecn"))
		encap.SetInnerECN(frame, &l, ecn)
		if now := decodeTOS(frame); now != ecn.In(tos) {
			t.Fatalf("TOS %#x became %#x with ECN %d", tos, now, ecn)
		}
		if p := encap.IPv4(frame[l.L3:]); p.Version() == 4 && headerSum(p) != 0xffff {
			t.Fatalf("checksum is wrong: % x", p[:p.HeaderLength()])
		}
		// Nothing else moved.
		encap.SetInnerECN(frame, &l, encap.ECNOf(tos))
		if !bytes.Equal(frame, before) {
			t.Fatalf("% x\nset to %d and back is\n% x", before, ecn, frame)
		}
	})
}

// decodeTOS finds the TOS by gopacket.
func decodeTOS(frame []byte) uint8 {
	p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.NoCopy)
	switch v := p.NetworkLayer().(type) {
	case *layers.IPv4:
		return v.TOS
	case *layers.IPv6:
		return v.TrafficClass
	}
	return 0
}

// headerSum adds the header up, one's complement: 0xffff when its checksum is right.
func headerSum(p encap.IPv4) (sum uint32) {
	for h := p[:p.HeaderLength()]; len(h) > 0; h = h[2:] {
		sum += uint32(h[0])<<8 | uint32(h[1])
		sum = sum&0xffff + sum>>16
	}
	return sum
}

func TestECNWithoutIP(t *testing.T) {
	for name, frame := range map[string][]byte{
		"nothing": nil,
		"ARP":     cat(ethOf(encap.EtherTypeARP), make([]byte, encap.ARPSize)),
		"bad IP":  cat(ethOf(encap.EtherTypeIPv4), make([]byte, 40)),
	} {
		var l encap.Layers
		l.Parse(frame)
		before := bytes.Clone(frame)
		encap.SetInnerECN(frame, &l, encap.CE)
		if tos, ok := encap.InnerTOS(frame, &l); ok || tos != 0 || !bytes.Equal(frame, before) {
			t.Errorf("%s: TOS %#x, %v, frame % x", name, tos, ok, frame)
		}
	}
}
