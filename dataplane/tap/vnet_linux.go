package tap

import (
	"github.com/vxtap/vxtap/encap"
	"golang.org/x/sys/unix"
)

// vnetHeaderSize is the size of a vnetHeader in bytes.
const vnetHeaderSize = 10

// vnetHeader is struct virtio_net_hdr (virtio 1.2 section 5.1.6), which precedes each
// frame on a TAP with IFF_VNET_HDR, both ways. The kernel keeps it in the byte order of
// the host unless told otherwise, and so do we.
type vnetHeader struct {
	flags      uint8
	gsoType    uint8
	hdrLen     uint16 // a hint of the kernel's, at times wrong; never read here
	gsoSize    uint16
	csumStart  uint16
	csumOffset uint16
}

// headerOf says to the kernel what o says to us.
func headerOf(o *encap.Offload) vnetHeader {
	if !o.NeedsCSUM {
		return vnetHeader{}
	}
	h := vnetHeader{
		flags:      unix.VIRTIO_NET_HDR_F_NEEDS_CSUM,
		csumStart:  o.CSUMStart,
		csumOffset: o.CSUMOffset,
	}
	if o.GSO == encap.GSONone {
		return h
	}
	h.gsoType = gsoType(o)
	h.gsoSize = o.SegmentSize
	h.hdrLen = o.HeaderLen
	return h
}

func gsoType(o *encap.Offload) uint8 {
	var t uint8
	switch o.GSO {
	case encap.GSOTCP4:
		t = unix.VIRTIO_NET_HDR_GSO_TCPV4
	case encap.GSOTCP6:
		t = unix.VIRTIO_NET_HDR_GSO_TCPV6
	case encap.GSOUDP:
		return unix.VIRTIO_NET_HDR_GSO_UDP_L4
	}
	if o.ECN {
		t |= unix.VIRTIO_NET_HDR_GSO_ECN
	}
	return t
}

// offload says to us what the kernel said about a frame that it sent. Offsets that do
// not lie in the frame are not believed, and the frame is taken as it is: its receiver
// judges it by its checksum.
func (h *vnetHeader) offload(frame []byte) encap.Offload {
	var o encap.Offload
	field := int(h.csumStart) + int(h.csumOffset)
	if h.flags&unix.VIRTIO_NET_HDR_F_NEEDS_CSUM == 0 ||
		h.csumStart < encap.EthernetSize || field+2 > len(frame) {
		return o
	}
	o.NeedsCSUM = true
	o.CSUMStart = h.csumStart
	o.CSUMOffset = h.csumOffset
	if h.gsoType != unix.VIRTIO_NET_HDR_GSO_NONE && h.gsoSize != 0 {
		h.superframe(&o, frame)
	}
	return o
}

// superframe adds what concerns segmentation. Where the headers end is read from the
// transport header, as hdrLen cannot be relied on.
func (h *vnetHeader) superframe(o *encap.Offload, frame []byte) {
	var gso encap.GSO
	l4 := int(h.csumStart)
	end := l4 + 8 // a UDP header
	switch h.gsoType &^ unix.VIRTIO_NET_HDR_GSO_ECN {
	case unix.VIRTIO_NET_HDR_GSO_TCPV4:
		gso, end = encap.GSOTCP4, tcpEnd(frame, l4)
	case unix.VIRTIO_NET_HDR_GSO_TCPV6:
		gso, end = encap.GSOTCP6, tcpEnd(frame, l4)
	case unix.VIRTIO_NET_HDR_GSO_UDP_L4:
		gso = encap.GSOUDP
	}
	if gso == encap.GSONone || end == 0 || end > len(frame) {
		return
	}
	o.GSO = gso
	o.ECN = h.gsoType&unix.VIRTIO_NET_HDR_GSO_ECN != 0
	o.SegmentSize = h.gsoSize
	o.HeaderLen = uint16(end)
}

// tcpEnd returns the offset of the end of the TCP header at l4, by its data offset
// (RFC 9293 section 3.1), or 0 if there cannot be one.
func tcpEnd(frame []byte, l4 int) int {
	if l4+20 > len(frame) {
		return 0
	}
	size := int(frame[l4+12]>>4) * 4
	if size < 20 {
		return 0
	}
	return l4 + size
}
