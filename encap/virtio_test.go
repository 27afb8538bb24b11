package encap

import (
	"testing"
	"unsafe"
)

// The header is the kernel's struct, to the byte.
func TestVirtioHeaderLayout(t *testing.T) {
	var h VirtioHeader
	if unsafe.Sizeof(h) != VirtioHeaderSize || unsafe.Offsetof(h.csumOffset) != 8 {
		t.Errorf("size %d, last field at %d", unsafe.Sizeof(h), unsafe.Offsetof(h.csumOffset))
	}
}

// Every offload that a worker may have survives the way to the kernel and back, even if
// hdrLen is wrong.
func TestVirtioHeaderRoundTrip(t *testing.T) {
	frame := make([]byte, 3000)
	frame[34+12] = 8 << 4 // a TCP header of 32 bytes
	cases := []Offload{
		{},
		{NeedsCSUM: true, CSUMStart: 34, CSUMOffset: 16},
		{NeedsCSUM: true, CSUMStart: 34, CSUMOffset: 16, GSO: GSOTCP4, HeaderLen: 66, SegmentSize: 1448},
		{NeedsCSUM: true, CSUMStart: 34, CSUMOffset: 16, GSO: GSOTCP4, HeaderLen: 66, SegmentSize: 1448, ECN: true},
		{NeedsCSUM: true, CSUMStart: 34, CSUMOffset: 16, GSO: GSOTCP6, HeaderLen: 66, SegmentSize: 1},
		{NeedsCSUM: true, CSUMStart: 34, CSUMOffset: 6, GSO: GSOUDP, HeaderLen: 42, SegmentSize: 1200},
	}
	for _, want := range cases {
		h := MakeVirtioHeader(&want, 0)
		for _, hdrLen := range []uint16{h.hdrLen, 0, 65535} {
			h.hdrLen = hdrLen
			if got := h.Offload(frame); got != want {
				t.Errorf("hdrLen %d: got %+v, want %+v", hdrLen, got, want)
			}
		}
	}
}

// What a header says is believed only as far as the frame bears it out.
func TestVirtioHeaderImplausible(t *testing.T) {
	good := VirtioHeader{flags: 1, gsoType: virtioGSOTCP4, gsoSize: 1000, csumStart: 34, csumOffset: 16}
	frame := make([]byte, 60)
	frame[34+12] = 5 << 4
	checksum := Offload{NeedsCSUM: true, CSUMStart: 34, CSUMOffset: 16}
	cases := []struct {
		name  string
		spoil func(h *VirtioHeader, f []byte)
		want  Offload
	}{
		{"no flag", func(h *VirtioHeader, _ []byte) { h.flags = 2 }, Offload{}},
		{"starts in Ethernet", func(h *VirtioHeader, _ []byte) { h.csumStart = 13 }, Offload{}},
		{"field ends behind", func(h *VirtioHeader, _ []byte) { h.csumOffset = 25 }, Offload{}},
		{"sum overflows", func(h *VirtioHeader, _ []byte) { h.csumStart, h.csumOffset = 65535, 65535 }, Offload{}},
		{"no size", func(h *VirtioHeader, _ []byte) { h.gsoSize = 0 }, checksum},
		{"unknown kind", func(h *VirtioHeader, _ []byte) { h.gsoType = 2 }, checksum},
		{"short TCP header", func(_ *VirtioHeader, f []byte) { f[46] = 4 << 4 }, checksum},
		{"long TCP header", func(_ *VirtioHeader, f []byte) { f[46] = 7 << 4 }, checksum},
	}
	for _, c := range cases {
		h, f := good, append([]byte(nil), frame...)
		c.spoil(&h, f)
		if got := h.Offload(f); got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
}

// Whatever header and frame, the offload is one that a worker can act on.
func FuzzVirtioHeader(f *testing.F) {
	f.Add(uint8(1), uint8(0), uint16(0), uint16(34), uint16(16), make([]byte, 60))
	f.Add(uint8(1), uint8(1), uint16(1448), uint16(34), uint16(16), append(make([]byte, 46), 0x80, 0, 0, 0, 0, 0, 0, 0))
	f.Add(uint8(1), uint8(0x84), uint16(1428), uint16(54), uint16(16), append(make([]byte, 66), 0x50, 0, 0, 0, 0, 0, 0, 0))
	f.Add(uint8(1), uint8(5), uint16(1200), uint16(34), uint16(6), make([]byte, 2000))
	f.Fuzz(func(t *testing.T, flags, gsoType uint8, gsoSize, start, offset uint16, frame []byte) {
		h := VirtioHeader{flags: flags, gsoType: gsoType, gsoSize: gsoSize, csumStart: start, csumOffset: offset}
		o := h.Offload(frame)
		if o.GSO == GSONone && (o.ECN || o.SegmentSize != 0 || o.HeaderLen != 0) || o.GSO != GSONone && !o.NeedsCSUM {
			t.Fatalf("half a superframe: %+v", o)
		}
		if o.NeedsCSUM && int(o.CSUMStart)+int(o.CSUMOffset)+2 > len(frame) {
			t.Fatalf("checksum outside %d bytes: %+v", len(frame), o)
		}
		if o.GSO != GSONone && (int(o.HeaderLen) > len(frame) || o.HeaderLen <= o.CSUMStart || o.SegmentSize == 0) {
			t.Fatalf("headers outside %d bytes: %+v", len(frame), o)
		}
	})
}

// A tag put before the IP header moves all that the header says, in either direction.
func TestVirtioHeaderShift(t *testing.T) {
	o := Offload{NeedsCSUM: true, CSUMStart: 34, CSUMOffset: 16, GSO: GSOTCP4, HeaderLen: 66, SegmentSize: 1448}
	want := o
	want.CSUMStart, want.HeaderLen = 38, 70
	tagged := make([]byte, 3000)
	tagged[38+12] = 8 << 4
	h := MakeVirtioHeader(&o, VLANTagSize)
	if got := h.Offload(tagged); got != want || h.hdrLen != 70 {
		t.Errorf("written: %+v, hdrLen %d", got, h.hdrLen)
	}
	h = MakeVirtioHeader(&o, 0)
	h.Shift(VLANTagSize)
	if got := h.Offload(tagged); got != want {
		t.Errorf("read: %+v", got)
	}
	h = VirtioHeader{}
	if h.Shift(VLANTagSize); h != (VirtioHeader{}) {
		t.Errorf("nothing to do became %+v", h)
	}
}

// What a network card has merged, and verified, says a size and no checksum.
func TestVirtioHeaderMerged(t *testing.T) {
	for _, c := range []struct {
		h      VirtioHeader
		merged bool
	}{
		{VirtioHeader{gsoType: virtioGSOTCP4, gsoSize: 1448}, true},
		{VirtioHeader{flags: virtioNeedsCSUM, gsoType: virtioGSOTCP4, gsoSize: 1448}, false},
		{VirtioHeader{gsoSize: 1448}, false},
		{VirtioHeader{}, false},
	} {
		if size, merged := c.h.Merged(); merged != c.merged || merged && size != 1448 {
			t.Errorf("%+v: %d, %v", c.h, size, merged)
		}
	}
}
