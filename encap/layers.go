package encap

// EtherTypes (IEEE 802 numbers).
const (
	EtherTypeIPv4 = 0x0800
	EtherTypeARP  = 0x0806
	EtherTypeVLAN = 0x8100 // IEEE 802.1Q
	EtherTypeIPv6 = 0x86dd
	EtherTypeQinQ = 0x88a8 // IEEE 802.1ad
)

// IP protocol numbers that the dataplane tells apart.
const (
	ProtoICMP   = 1
	ProtoTCP    = 6
	ProtoUDP    = 17
	ProtoICMPv6 = 58
)

// Layers says where the headers of one frame lie, as offsets from its first byte. It
// is found once per frame and read by everything that looks inside: the flow hash,
// ECN, checksums, segmentation.
//
// A frame of any bytes has Layers: what could not be followed is left zero. Offsets
// are only set when the fixed part of the header they point to lies wholly inside the
// frame.
type Layers struct {
	// EtherType is the type after any VLAN tags; 0 when the frame is too short.
	EtherType uint16
	// Tags is the number of VLAN tags, 0 to 2. A third tag ends the walk.
	Tags uint8
	// Proto is the transport protocol, after IPv6 extension headers; valid if L3 != 0.
	Proto uint8
	// Fragment: the packet is a fragment, the first one included. Only the first has
	// L4 set, and its checksum cannot be judged from this frame.
	Fragment bool
	// L3 is the offset of the IPv4, IPv6 or ARP header; 0 if there is none or it is
	// malformed (version, header length, total length beyond the frame).
	L3 int
	// L4 is the offset of the TCP, UDP or other transport header; 0 if there is none
	// (ARP, a later fragment, no next header, an unknown extension header).
	L4 int
	// Payload is the offset of what follows the TCP or UDP header; 0 for other
	// transports or if that header is malformed.
	Payload int
	// End is the offset of the end of the IP packet by its own length field, without
	// Ethernet padding; 0 if L3 is 0 or the packet is ARP.
	End int
}
