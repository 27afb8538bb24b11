package encap

import "encoding/binary"

// Sizes in bytes of neighbour discovery messages: without options, and with the one
// option that is written here, IPv6 header included.
const (
	ndSize       = 24
	ndOptionSize = 8
	// MaxNDSize is the most that [PutND] writes.
	MaxNDSize = IPv6Size + ndSize + ndOptionSize
)

// Types of neighbour discovery messages (RFC 4861 sections 4.3 and 4.4).
const (
	NDSolicitation  = 135
	NDAdvertisement = 136
)

// Offsets in a message, from the ICMPv6 header on, and what is in it.
const (
	ndFlags  = 4
	ndTarget = 8

	ndRouter    = 0x80
	ndSolicited = 0x40
	ndOverride  = 0x20

	ndSourceOption = 1 // link-layer address of the sender
	ndTargetOption = 2 // link-layer address of the target

	ndHopLimit = 255 // that no router has been on the way
)

// ND is a neighbour solicitation or advertisement (RFC 4861 sections 4.3 and 4.4).
type ND struct {
	Type     uint8 // NDSolicitation or NDAdvertisement
	Src, Dst [16]byte
	Target   [16]byte // the address that is asked or told about
	// Link is the link-layer address of the sender of a solicitation, or of an
	// advertisement's target; zero if it is not said.
	Link MAC
	// Of advertisements: the sender is a router, was asked, and may replace what was
	// known.
	Router, Solicited, Override bool
}

// IsND reports whether an IPv6 packet is a neighbour solicitation or advertisement, valid
// or not.
func IsND(packet []byte) bool {
	return len(packet) > IPv6Size && IPv6(packet).NextHeader() == ProtoICMPv6 &&
		(packet[IPv6Size] == NDSolicitation || packet[IPv6Size] == NDAdvertisement)
}

// ParseND reads an IPv6 packet that is a neighbour solicitation or advertisement. It
// reports false for all that RFC 4861 sections 7.1.1 and 7.1.2 have a node discard. What
// lies behind the packet is ignored.
func ParseND(packet []byte) (m ND, ok bool) {
	if !IsND(packet) {
		return m, false
	}
	ip := IPv6(packet)
	end := IPv6Size + ip.PayloadLength()
	if ip.Version() != 6 || end > len(packet) || end < IPv6Size+ndSize || ip.HopLimit() != ndHopLimit {
		return m, false
	}
	icmp := packet[IPv6Size:end]
	if icmp[icmpCode] != 0 || Sum(icmp, pseudoICMPv6(packet, len(icmp))) != 0xffff {
		return m, false
	}
	flags := icmp[ndFlags]
	m = ND{Type: icmp[icmpType], Src: ip.Src(), Dst: ip.Dst(), Target: [16]byte(icmp[ndTarget:ndSize])}
	option := uint8(ndSourceOption)
	if m.Type == NDAdvertisement {
		option = ndTargetOption
		m.Router, m.Solicited, m.Override = flags&ndRouter != 0, flags&ndSolicited != 0, flags&ndOverride != 0
	}
	if m.Link, ok = linkOption(icmp[ndSize:], option); !ok {
		return ND{}, false
	}
	return m, m.plausible()
}

// pseudoICMPv6 is the sum of the pseudo-header of an ICMPv6 message (RFC 4443 section
// 2.3).
func pseudoICMPv6(packet []byte, length int) uint16 {
	return Sum(packet[ipv6Src:IPv6Size], AddSums(uint16(length), ProtoICMPv6))
}

// linkOption returns the Ethernet address in an option of that type, zero if there is
// none; false if an option has no length, or ends behind the message.
func linkOption(options []byte, kind uint8) (link MAC, ok bool) {
	for len(options) > 0 {
		if len(options) < ndOptionSize {
			return link, false
		}
		size := int(options[1]) * 8
		if size == 0 || size > len(options) {
			return link, false
		}
		if options[0] == kind && size == ndOptionSize {
			link = MAC(options[2:ndOptionSize])
		}
		options = options[size:]
	}
	return link, true
}

// plausible reports whether the addresses may be together in one message.
func (m *ND) plausible() bool {
	const group = 0xff
	unspecified := m.Src == [16]byte{}
	switch {
	case m.Target[0] == group || m.Src[0] == group:
		return false
	case m.Type == NDAdvertisement:
		return !unspecified && !(m.Dst[0] == group && m.Solicited)
	case unspecified: // somebody probes whether an address is free (RFC 4862 section 5.4.2)
		return m.Link.IsZero() && m.Dst == SolicitedNode(m.Target)
	}
	return true
}

// PutND writes a message as an IPv6 packet to b, which has [MaxNDSize] bytes, and returns
// its length.
func PutND(b []byte, m *ND) int {
	n := IPv6Size + ndSize
	if !m.Link.IsZero() {
		n += ndOptionSize
	}
	ip := PutIPv6(b)
	ip.SetPayloadLength(n - IPv6Size)
	ip.SetNextHeader(ProtoICMPv6)
	ip.SetHopLimit(ndHopLimit)
	ip.SetSrc(m.Src)
	ip.SetDst(m.Dst)

	icmp := b[IPv6Size:n]
	clear(icmp)
	icmp[icmpType] = m.Type
	copy(icmp[ndTarget:], m.Target[:])
	option := uint8(ndSourceOption)
	if m.Type == NDAdvertisement {
		icmp[ndFlags], option = m.flags(), ndTargetOption
	}
	if !m.Link.IsZero() {
		icmp[ndSize], icmp[ndSize+1] = option, 1
		copy(icmp[ndSize+2:], m.Link[:])
	}
	binary.BigEndian.PutUint16(icmp[icmpChecksum:], ^Sum(icmp, pseudoICMPv6(b, len(icmp))))
	return n
}

func (m *ND) flags() (f uint8) {
	if m.Router {
		f |= ndRouter
	}
	if m.Solicited {
		f |= ndSolicited
	}
	if m.Override {
		f |= ndOverride
	}
	return f
}
