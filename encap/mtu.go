package encap

// What each layer of a tunnelled frame adds to the inner IP packet, in bytes, besides
// [EthernetSize], [VLANTagSize], [VXLANSize], [UDPSize], [IPv4MinSize] and [IPv6Size].
const (
	// SealedHeaderSize is the header before the ciphertext of a sealed datagram.
	SealedHeaderSize = 16
	// SealedTagSize is the AES-GCM tag behind it.
	SealedTagSize = 16
	// SealedOverhead is what sealing costs in total.
	SealedOverhead = SealedHeaderSize + SealedTagSize

	// PlainOverhead4 and PlainOverhead6 are what an untagged frame of a plain network
	// costs over an IPv4 and an IPv6 underlay: 50 and 70.
	PlainOverhead4 = EthernetSize + VXLANSize + UDPSize + IPv4MinSize
	PlainOverhead6 = EthernetSize + VXLANSize + UDPSize + IPv6Size
)

// MinMTU and MaxMTU bound the MTU of an Ethernet interface in bytes of IP packet: what IPv4
// needs (RFC 791), and what fits the kernels' 16-bit lengths with an Ethernet header.
const (
	MinMTU = 68
	// MinMTU6 is the least that IPv6 needs (RFC 8200 section 5).
	MinMTU6 = 1280
	MaxMTU  = 65535 - EthernetSize
)

// Overhead returns how many bytes an inner IP packet grows by until it is an IP packet
// of the underlay. ipv6 is about the underlay; the family of the inner packet makes no
// difference. tags is the number of VLAN tags of the inner frame.
func Overhead(ipv6, sealed bool, tags int) int {
	n := PlainOverhead4
	if ipv6 {
		n = PlainOverhead6
	}
	if sealed {
		n += SealedOverhead
	}
	return n + tags*VLANTagSize
}

// OverlayMTU returns the largest inner IP packet that fits into one underlay packet of
// the MTU given: 1450 for a plain, untagged network over IPv4 and 1500 bytes. Where
// not even the headers fit, it is zero or less.
func OverlayMTU(underlay int, ipv6, sealed bool, tags int) int {
	return underlay - Overhead(ipv6, sealed, tags)
}

// UnderlayMTU is the inverse of [OverlayMTU]: the MTU that the underlay must have for
// inner packets of the size given to cross in one piece.
func UnderlayMTU(overlay int, ipv6, sealed bool, tags int) int {
	return overlay + Overhead(ipv6, sealed, tags)
}
