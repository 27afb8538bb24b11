package encap

import "encoding/binary"

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
	// Where the walk over those ended early, it is the header that ended it.
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
	// FinalDst is the offset of the address for which the transport checksum was made
	// (RFC 8200 section 8.1, RFC 1122 section 3.2.1.8): that at the end of a source route
	// or routing header. 0: the destination in the IP header, as nearly always.
	FinalDst int
}

// maxTags is how many VLAN tags are followed: a customer's inside a provider's
// (IEEE 802.1ad).
const maxTags = 2

// maxExtensions is how many IPv6 extension headers are followed. RFC 8200 section 4.1
// knows of six before the transport, one of them twice; a longer chain is there to
// keep somebody busy.
const maxExtensions = 8

// Parse finds the headers of frame. It accepts any bytes, keeps none of them, and
// overwrites all of l. The frame must be whole: a length field that points behind it
// makes the packet malformed.
func (l *Layers) Parse(frame []byte) {
	*l = Layers{}
	off := l.parseEthernet(frame)
	switch l.EtherType {
	case EtherTypeIPv4:
		l.parseIPv4(frame, off)
	case EtherTypeIPv6:
		l.parseIPv6(frame, off)
	case EtherTypeARP:
		if len(frame)-off >= ARPSize {
			l.L3 = off
		}
	}
}

// parseEthernet sets EtherType and Tags and returns where the payload begins.
func (l *Layers) parseEthernet(frame []byte) int {
	if len(frame) < EthernetSize {
		return 0
	}
	off := EthernetSize
	typ := binary.BigEndian.Uint16(frame[off-2:])
	for isVLAN(typ) && l.Tags < maxTags {
		if len(frame)-off < VLANTagSize {
			return 0
		}
		off += VLANTagSize
		typ = binary.BigEndian.Uint16(frame[off-2:])
		l.Tags++
	}
	l.EtherType = typ
	return off
}

func isVLAN(typ uint16) bool { return typ == EtherTypeVLAN || typ == EtherTypeQinQ }

func (l *Layers) parseIPv4(frame []byte, off int) {
	if len(frame)-off < IPv4MinSize {
		return
	}
	ip := IPv4(frame[off:])
	header, total := ip.HeaderLength(), ip.TotalLength()
	if ip.Version() != 4 || header < IPv4MinSize || total < header || total > len(ip) {
		return
	}
	l.L3, l.End = off, off+total
	l.Proto = ip.Proto()
	l.Fragment = ip.IsFragment()
	if header > IPv4MinSize {
		l.followSourceRoute(frame, off+IPv4MinSize, off+header)
	}
	if ip.FragmentOffset() == 0 {
		l.parseTransport(frame, off+header)
	}
}

func (l *Layers) parseIPv6(frame []byte, off int) {
	if len(frame)-off < IPv6Size {
		return
	}
	ip := IPv6(frame[off:])
	length, next := ip.PayloadLength(), ip.NextHeader()
	if ip.Version() != 6 || length > len(ip)-IPv6Size {
		return
	}
	// Zero with something behind it is a jumbogram (RFC 2675), whose end is not where
	// this field says.
	if length == 0 && next != ProtoNoNext {
		return
	}
	l.L3, l.End = off, off+IPv6Size+length
	if at, ok := l.skipExtensions(frame, off+IPv6Size, next); ok {
		l.parseTransport(frame, at)
	}
}

// skipExtensions follows the chain of extension headers (RFC 8200 section 4) that
// begins with one of type next at off. It sets Proto and Fragment, and reports where
// the transport header begins, if there is one to be found.
func (l *Layers) skipExtensions(frame []byte, off int, next uint8) (int, bool) {
	for range maxExtensions + 1 { // one more for the transport
		l.Proto = next
		unit := 8 // the length byte counts these, less the first 8 bytes
		switch next {
		case protoHopByHop, protoRouting, protoDestOpts:
		case protoAH: // RFC 4302 section 2.2
			unit = 4
		case protoFragment: // no length byte, it is reserved
			unit = 0
		case ProtoNoNext, protoMobility, protoHIP, protoShim6:
			return 0, false
		default:
			return off, true
		}
		if l.End-off < 8 {
			return 0, false
		}
		if next == protoFragment && !l.firstFragment(frame[off:]) {
			l.Proto = frame[off]
			return 0, false
		}
		size := 8 + unit*int(frame[off+1])
		if next == protoRouting {
			l.followRouting(frame, off, size)
		}
		next = frame[off]
		off += size
	}
	return 0, false
}

// firstFragment sets Fragment from a fragment header (RFC 8200 section 4.5) and
// reports whether what follows it is the beginning of the packet. A header that
// splits nothing, offset 0 and no more to come, makes no fragment (RFC 6946).
func (l *Layers) firstFragment(h []byte) bool {
	const offset, more = 0xfff8, 0x0001
	v := binary.BigEndian.Uint16(h[2:])
	l.Fragment = l.Fragment || v&(offset|more) != 0
	return v&offset == 0
}

// parseTransport sets L4 and Payload for a transport header at off, which may lie
// behind End.
func (l *Layers) parseTransport(frame []byte, off int) {
	size := 1 // of other transports nothing is known
	switch l.Proto {
	case ProtoTCP:
		size = TCPMinSize
	case ProtoUDP:
		size = UDPSize
	}
	if l.End-off < size {
		return
	}
	l.L4 = off
	switch l.Proto {
	case ProtoTCP:
		if n := TCP(frame[off:]).HeaderLength(); n >= TCPMinSize && n <= l.End-off {
			l.Payload = off + n
		}
	case ProtoUDP:
		l.Payload = off + UDPSize
	}
}
