package encap_test

import (
	"testing"

	"github.com/vxtap/vxtap/encap"
)

func TestSealed(t *testing.T) {
	s := encap.Sealed{0x44, 0x01, 0x80, 0x02, 0xa1, 0xa2, 0xa3, 0xa4, 0x10, 0xb1, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7}
	if len(s) != encap.SealedSize {
		t.Errorf("a header has %d bytes", encap.SealedSize)
	}
	if s.Type() != encap.SealedKeepalive || s.Version() != 1 || s.Flags() != 0x8002 {
		t.Errorf("type %#x, version %d, flags %#x", s.Type(), s.Version(), s.Flags())
	}
	if s.Receiver() != 0xa1a2a3a4 || s.Counter() != 0x10b1b2b3b4b5b6b7 || s.Queue() != 0x10 {
		t.Errorf("receiver %#x, counter %#x, queue %d", s.Receiver(), s.Counter(), s.Queue())
	}
}

// No first byte is that of a plain and of a sealed frame.
func TestIsSealed(t *testing.T) {
	for first := range 256 {
		b := make([]byte, encap.VXLANSize)
		b[0] = byte(first)
		sealed := first >= 0x40 && first <= 0x47
		if encap.IsSealed(b) != sealed || encap.IsSealed(b[:1]) != sealed {
			t.Errorf("first byte %#x: sealed is %v", first, !sealed)
		}
		if _, fault := encap.CheckVXLAN(b, ^uint64(0)); sealed && fault != encap.VXLANNoVNI {
			t.Errorf("first byte %#x: VXLAN fault %d", first, fault)
		}
	}
	if encap.IsSealed(nil) {
		t.Error("nothing is sealed")
	}
}
