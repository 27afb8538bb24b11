package encap_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"pgregory.net/rapid"

	"github.com/vxtap/vxtap/encap"
)

func TestPutVXLAN(t *testing.T) {
	for _, c := range []struct {
		vni  encap.VNI
		want []byte
	}{
		{42, []byte{8, 0, 0, 0, 0, 0, 42, 0}},
		{0x123456, []byte{8, 0, 0, 0, 0x12, 0x34, 0x56, 0}},
		{encap.MaxVNI, []byte{8, 0, 0, 0, 0xff, 0xff, 0xff, 0}},
		{encap.MaxVNI + 6, []byte{8, 0, 0, 0, 0, 0, 5, 0}},
	} {
		got := bytes.Repeat([]byte{0xee}, encap.VXLANSize+1)
		encap.PutVXLAN(got, c.vni)
		if !bytes.Equal(got, append(c.want, 0xee)) {
			t.Errorf("VNI %d is written as % x", c.vni, got)
		}
	}
}

// What is written passes, and gopacket reads the same from it.
func TestVXLANRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		vni := encap.VNI(rapid.Uint32Range(0, uint32(encap.MaxVNI)).Draw(t, "vni"))
		b := make([]byte, encap.VXLANSize)
		encap.PutVXLAN(b, vni)
		if got, fault := encap.CheckVXLAN(b, 0); fault != encap.VXLANOK || got != vni {
			t.Fatalf("VNI %d came back as %d, fault %d", vni, got, fault)
		}
		var v layers.VXLAN
		if err := v.DecodeFromBytes(b, gopacket.NilDecodeFeedback); err != nil || !v.ValidIDFlag || v.VNI != uint32(vni) {
			t.Fatalf("gopacket: %+v, %v", v, err)
		}
	})
}

func TestCheckVXLANShort(t *testing.T) {
	b := []byte{8, 0, 0, 0, 0, 0, 42, 0}
	for n := range b {
		if _, fault := encap.CheckVXLAN(b[:n], ^uint64(0)); fault != encap.VXLANShort {
			t.Errorf("%d bytes: fault %d", n, fault)
		}
	}
}

// Each of the 64 bits is turned over alone, with nothing, itself, and everything but
// itself tolerated.
func TestCheckVXLANEachBit(t *testing.T) {
	for i := range 64 {
		bit := uint64(1) << i
		good := make([]byte, encap.VXLANSize)
		encap.PutVXLAN(good, 42)
		b := binary.BigEndian.AppendUint64(nil, encap.VXLAN(good).Word()^bit)

		want, passed := encap.VXLANReservedBits, encap.VXLANOK
		switch {
		case i == 59: // the I flag is never optional
			want, passed = encap.VXLANNoVNI, encap.VXLANNoVNI
		case 8 <= i && i < 32: // the VNI is never reserved
			want = encap.VXLANOK
		}
		for tolerate, want := range map[uint64]encap.VXLANFault{0: want, ^bit: want, bit: passed, ^uint64(0): passed} {
			vni, fault := encap.CheckVXLAN(b, tolerate)
			if fault != want {
				t.Errorf("bit %d, tolerating %#x: fault %d, want %d", i, tolerate, fault, want)
			}
			if fault == encap.VXLANOK && vni != encap.VXLAN(b).VNI() || fault != encap.VXLANOK && vni != 0 {
				t.Errorf("bit %d, tolerating %#x: VNI %d", i, tolerate, vni)
			}
		}
	}
}

func FuzzVXLAN(f *testing.F) {
	f.Add([]byte{8, 0, 0, 0, 0, 0, 42, 0}, uint64(0))
	f.Add([]byte{8, 0, 0, 0, 0, 0, 42, 1}, uint64(0xff))
	f.Add([]byte{0x88, 0, 0, 1, 0, 0, 42}, uint64(0))
	f.Fuzz(func(t *testing.T, b []byte, tolerate uint64) {
		vni, fault := encap.CheckVXLAN(b, tolerate)
		if fault != encap.VXLANOK {
			return
		}
		// All that passed is in the VNI, the I flag, or was tolerated.
		want := make([]byte, encap.VXLANSize)
		encap.PutVXLAN(want, vni)
		if w := encap.VXLAN(b).Word() &^ (tolerate & encap.VXLANReserved); w != encap.VXLAN(want).Word() {
			t.Fatalf("%#x passed as VNI %d", w, vni)
		}
	})
}

func BenchmarkVXLANCheck(b *testing.B) {
	h := make([]byte, encap.VXLANSize)
	encap.PutVXLAN(h, 42)
	b.ReportAllocs()
	for b.Loop() {
		if _, fault := encap.CheckVXLAN(h, 0); fault != encap.VXLANOK {
			b.Fatal(fault)
		}
	}
}
