package encap

import "encoding/binary"

// VirtioHeaderSize is the size of a [VirtioHeader] in bytes.
const VirtioHeaderSize = 10

// VirtioHeader is struct virtio_net_hdr (virtio 1.2 section 5.1.6), which Linux puts
// before each frame on a TAP with IFF_VNET_HDR and on a packet socket with
// PACKET_VNET_HDR, both ways. The kernel keeps it in the byte order of the host unless
// told otherwise, so that it can be read and written in place.
type VirtioHeader struct {
	flags      uint8
	gsoType    uint8
	hdrLen     uint16 // a hint of the kernel's, at times wrong; never read here
	gsoSize    uint16
	csumStart  uint16
	csumOffset uint16
}

// What flags and gsoType hold.
const (
	virtioNeedsCSUM = 1
	virtioGSONone   = 0
	virtioGSOTCP4   = 1
	virtioGSOTCP6   = 4
	virtioGSOUDP    = 5    // USO, not the fragmentation of old
	virtioGSOECN    = 0x80 // beside one of TCP
)

// VirtioHeaderAt reads the header that b begins with; b has at least [VirtioHeaderSize] bytes.
func VirtioHeaderAt(b []byte) VirtioHeader {
	b = b[:VirtioHeaderSize]
	word := binary.NativeEndian.Uint16
	return VirtioHeader{b[0], b[1], word(b[2:]), word(b[4:]), word(b[6:]), word(b[8:])}
}

// MakeVirtioHeader says to the kernel what o says to us of a frame. With shift, all lies
// so many bytes further back in what the kernel is given.
func MakeVirtioHeader(o *Offload, shift uint16) VirtioHeader {
	if !o.NeedsCSUM {
		return VirtioHeader{}
	}
	h := VirtioHeader{flags: virtioNeedsCSUM, csumStart: o.CSUMStart + shift, csumOffset: o.CSUMOffset}
	if o.GSO == GSONone {
		return h
	}
	h.gsoType, h.gsoSize, h.hdrLen = virtioGSO(o), o.SegmentSize, o.HeaderLen+shift
	return h
}

func virtioGSO(o *Offload) uint8 {
	var t uint8
	switch o.GSO {
	case GSOTCP4:
		t = virtioGSOTCP4
	case GSOTCP6:
		t = virtioGSOTCP6
	case GSOUDP:
		return virtioGSOUDP
	}
	if o.ECN {
		t |= virtioGSOECN
	}
	return t
}

// Shift moves what the header says by a number of bytes, for a frame to which as many
// were added before its IP header.
func (h *VirtioHeader) Shift(bytes uint16) {
	if h.flags&virtioNeedsCSUM != 0 {
		h.csumStart += bytes
	}
}

// Merged reports whether the frame is a superframe of which nothing says that its
// checksum is to be finished, and the size of its segments: network cards that merge
// leave it like this, having verified what they merged.
func (h *VirtioHeader) Merged() (segment uint16, merged bool) {
	return h.gsoSize, h.flags&virtioNeedsCSUM == 0 && h.gsoType != virtioGSONone && h.gsoSize != 0
}

// Offload says to us what the kernel said about a frame that it sent. Offsets that do not
// lie in the frame are not believed, and the frame is taken as it is: its receiver judges
// it by its checksum.
func (h *VirtioHeader) Offload(frame []byte) Offload {
	var o Offload
	field := int(h.csumStart) + int(h.csumOffset)
	if h.flags&virtioNeedsCSUM == 0 || h.csumStart < EthernetSize || field+2 > len(frame) {
		return o
	}
	o.NeedsCSUM, o.CSUMStart, o.CSUMOffset = true, h.csumStart, h.csumOffset
	if h.gsoType != virtioGSONone && h.gsoSize != 0 {
		h.superframe(&o, frame)
	}
	return o
}

// superframe adds what concerns segmentation. Where the headers end is read from the
// transport header, as hdrLen cannot be relied on.
func (h *VirtioHeader) superframe(o *Offload, frame []byte) {
	var gso GSO
	l4 := int(h.csumStart)
	end := l4 + UDPSize
	switch h.gsoType &^ virtioGSOECN {
	case virtioGSOTCP4:
		gso, end = GSOTCP4, tcpEnd(frame, l4)
	case virtioGSOTCP6:
		gso, end = GSOTCP6, tcpEnd(frame, l4)
	case virtioGSOUDP:
		gso = GSOUDP
	}
	if gso == GSONone || end == 0 || end > len(frame) {
		return
	}
	o.GSO = gso
	o.ECN = h.gsoType&virtioGSOECN != 0
	o.SegmentSize = h.gsoSize
	o.HeaderLen = uint16(end)
}

// tcpEnd returns the offset of the end of the TCP header at l4, by its data offset, or 0
// if there cannot be one.
func tcpEnd(frame []byte, l4 int) int {
	if l4+TCPMinSize > len(frame) {
		return 0
	}
	size := TCP(frame[l4:]).HeaderLength()
	if size < TCPMinSize {
		return 0
	}
	return l4 + size
}
