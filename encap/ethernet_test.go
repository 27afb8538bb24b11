package encap_test

import (
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"pgregory.net/rapid"

	"github.com/vxtap/vxtap/encap"
)

func TestEthernet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := drawBytes(t, encap.EthernetSize, encap.EthernetSize)
		dst, src := encap.MAC(drawBytes(t, 6, 6)), encap.MAC(drawBytes(t, 6, 6))
		typ := rapid.Uint16Min(0x600).Draw(t, "type") // less is a length to gopacket
		e := encap.Ethernet(b)
		e.SetDst(dst)
		e.SetSrc(src)
		e.SetType(typ)
		if e.Dst() != dst || e.Src() != src || e.Type() != typ {
			t.Fatalf("% x: %v, %v, %#x", b, e.Dst(), e.Src(), e.Type())
		}
		var want layers.Ethernet
		if err := want.DecodeFromBytes(b, gopacket.NilDecodeFeedback); err != nil {
			t.Fatal(err)
		}
		if encap.MAC(want.DstMAC) != dst || encap.MAC(want.SrcMAC) != src || uint16(want.EthernetType) != typ {
			t.Fatalf("gopacket reads %+v", want)
		}
	})
}

func TestVLANTags(t *testing.T) {
	frame := ethOf(encap.EtherTypeIPv4, encap.EtherTypeQinQ, encap.EtherTypeVLAN)
	e := encap.Ethernet(frame)
	encap.PutVLANTag(e.Tag(0), encap.EtherTypeQinQ, 100)
	encap.PutVLANTag(e.Tag(1), encap.EtherTypeVLAN, 0xfabc) // more than an ID has
	e.Tag(1)[2] |= 5<<5 | 1<<4

	outer, inner := e.Tag(0), e.Tag(1)
	if e.Type() != encap.EtherTypeQinQ || outer.TPID() != encap.EtherTypeQinQ || inner.TPID() != encap.EtherTypeVLAN {
		t.Errorf("types are %#x, %#x, %#x", e.Type(), outer.TPID(), inner.TPID())
	}
	if outer.ID() != 100 || outer.Priority() != 0 || outer.DropEligible() {
		t.Errorf("outer tag % x: VLAN %d, priority %d, drop %v", outer, outer.ID(), outer.Priority(), outer.DropEligible())
	}
	if inner.ID() != 0xabc || inner.Priority() != 5 || !inner.DropEligible() {
		t.Errorf("inner tag % x: VLAN %d, priority %d, drop %v", inner, inner.ID(), inner.Priority(), inner.DropEligible())
	}
	var l encap.Layers
	l.Parse(frame)
	if l.Tags != 2 || l.EtherType != encap.EtherTypeIPv4 {
		t.Errorf("parsed as %+v", l)
	}
}
