package tap

import (
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/encap"
)

// The header is the kernel's struct, to the byte.
func TestVNETHeaderLayout(t *testing.T) {
	var h vnetHeader
	if unsafe.Sizeof(h) != vnetHeaderSize || unsafe.Offsetof(h.csumOffset) != 8 {
		t.Errorf("size %d, last field at %d", unsafe.Sizeof(h), unsafe.Offsetof(h.csumOffset))
	}
}

// Every offload that a worker may have survives the way to the kernel and back, even if
// hdrLen is wrong.
func TestVNETHeaderRoundTrip(t *testing.T) {
	frame := make([]byte, 3000)
	frame[34+12] = 8 << 4 // a TCP header of 32 bytes
	cases := []encap.Offload{
		{},
		{NeedsCSUM: true, CSUMStart: 34, CSUMOffset: 16},
		{NeedsCSUM: true, CSUMStart: 34, CSUMOffset: 16, GSO: encap.GSOTCP4, HeaderLen: 66, SegmentSize: 1448},
		{NeedsCSUM: true, CSUMStart: 34, CSUMOffset: 16, GSO: encap.GSOTCP4, HeaderLen: 66, SegmentSize: 1448, ECN: true},
		{NeedsCSUM: true, CSUMStart: 34, CSUMOffset: 16, GSO: encap.GSOTCP6, HeaderLen: 66, SegmentSize: 1},
		{NeedsCSUM: true, CSUMStart: 34, CSUMOffset: 6, GSO: encap.GSOUDP, HeaderLen: 42, SegmentSize: 1200},
	}
	for _, want := range cases {
		h := headerOf(&want)
		for _, hdrLen := range []uint16{h.hdrLen, 0, 65535} {
			h.hdrLen = hdrLen
			if got := h.offload(frame); got != want {
				t.Errorf("hdrLen %d: got %+v, want %+v", hdrLen, got, want)
			}
		}
	}
}

// What a header says is believed only as far as the frame bears it out.
func TestVNETHeaderImplausible(t *testing.T) {
	good := vnetHeader{flags: 1, gsoType: unix.VIRTIO_NET_HDR_GSO_TCPV4, gsoSize: 1000, csumStart: 34, csumOffset: 16}
	frame := make([]byte, 60)
	frame[34+12] = 5 << 4
	checksum := encap.Offload{NeedsCSUM: true, CSUMStart: 34, CSUMOffset: 16}
	cases := []struct {
		name  string
		spoil func(h *vnetHeader, f []byte)
		want  encap.Offload
	}{
		{"no flag", func(h *vnetHeader, _ []byte) { h.flags = 2 }, encap.Offload{}},
		{"starts in Ethernet", func(h *vnetHeader, _ []byte) { h.csumStart = 13 }, encap.Offload{}},
		{"field ends behind", func(h *vnetHeader, _ []byte) { h.csumOffset = 25 }, encap.Offload{}},
		{"sum overflows", func(h *vnetHeader, _ []byte) { h.csumStart, h.csumOffset = 65535, 65535 }, encap.Offload{}},
		{"no size", func(h *vnetHeader, _ []byte) { h.gsoSize = 0 }, checksum},
		{"unknown kind", func(h *vnetHeader, _ []byte) { h.gsoType = 2 }, checksum},
		{"short TCP header", func(_ *vnetHeader, f []byte) { f[46] = 4 << 4 }, checksum},
		{"long TCP header", func(_ *vnetHeader, f []byte) { f[46] = 7 << 4 }, checksum},
	}
	for _, c := range cases {
		h, f := good, append([]byte(nil), frame...)
		c.spoil(&h, f)
		if got := h.offload(f); got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
}

// Whatever header and frame, the offload is one that a worker can act on.
func FuzzVNETHeader(f *testing.F) {
	f.Add(uint8(1), uint8(0), uint16(0), uint16(34), uint16(16), make([]byte, 60))
	f.Add(uint8(1), uint8(1), uint16(1448), uint16(34), uint16(16), append(make([]byte, 46), 0x80, 0, 0, 0, 0, 0, 0, 0))
	f.Add(uint8(1), uint8(0x84), uint16(1428), uint16(54), uint16(16), append(make([]byte, 66), 0x50, 0, 0, 0, 0, 0, 0, 0))
	f.Add(uint8(1), uint8(5), uint16(1200), uint16(34), uint16(6), make([]byte, 2000))
	f.Fuzz(func(t *testing.T, flags, gsoType uint8, gsoSize, start, offset uint16, frame []byte) {
		h := vnetHeader{flags: flags, gsoType: gsoType, gsoSize: gsoSize, csumStart: start, csumOffset: offset}
		o := h.offload(frame)
		if o.GSO == encap.GSONone && (o.ECN || o.SegmentSize != 0 || o.HeaderLen != 0) || o.GSO != encap.GSONone && !o.NeedsCSUM {
			t.Fatalf("half a superframe: %+v", o)
		}
		if o.NeedsCSUM && int(o.CSUMStart)+int(o.CSUMOffset)+2 > len(frame) {
			t.Fatalf("checksum outside %d bytes: %+v", len(frame), o)
		}
		if o.GSO != encap.GSONone && (int(o.HeaderLen) > len(frame) || o.HeaderLen <= o.CSUMStart || o.SegmentSize == 0) {
			t.Fatalf("headers outside %d bytes: %+v", len(frame), o)
		}
	})
}
