package encap

import "encoding/binary"

// IPv6Size is the length in bytes of an IPv6 header without extension headers.
const IPv6Size = 40

// Offsets in the IPv6 header (RFC 8200 section 3). The traffic class lies across the
// first two bytes.
const (
	ipv6VersionClass  = 0
	ipv6PayloadLength = 4
	ipv6NextHeader    = 6
	ipv6HopLimit      = 7
	ipv6Src           = 8
	ipv6Dst           = 24
)

// Next headers that are not transports (RFC 8200 section 4, RFC 7045 section 4).
const (
	// ProtoNoNext says that nothing follows.
	ProtoNoNext = 59

	protoHopByHop = 0
	protoRouting  = 43
	protoFragment = 44
	protoAH       = 51
	protoDestOpts = 60
	protoMobility = 135
	protoHIP      = 139
	protoShim6    = 140
)

// IPv6 is an IPv6 packet, at least [IPv6Size] bytes.
type IPv6 []byte

// PutIPv6 writes the version to b, which has at least [IPv6Size] bytes, and clears
// the rest of the header.
func PutIPv6(b []byte) IPv6 {
	clear(b[:IPv6Size])
	b[ipv6VersionClass] = 6 << 4
	return IPv6(b)
}

// Version returns the version field, 6 in a valid packet.
func (p IPv6) Version() uint8 { return p[ipv6VersionClass] >> 4 }

// TrafficClass returns the traffic class, DSCP and ECN.
func (p IPv6) TrafficClass() uint8 { return p[0]<<4 | p[1]>>4 }

// FlowLabel returns the flow label, 20 bits.
func (p IPv6) FlowLabel() uint32 { return binary.BigEndian.Uint32(p) & 0xfffff }

// PayloadLength returns the length in bytes of what follows the fixed header,
// extension headers included.
func (p IPv6) PayloadLength() int { return int(binary.BigEndian.Uint16(p[ipv6PayloadLength:])) }

// NextHeader returns the type of what follows the fixed header; behind extension
// headers the transport protocol is [Layers.Proto].
func (p IPv6) NextHeader() uint8 { return p[ipv6NextHeader] }

// HopLimit returns the hop limit.
func (p IPv6) HopLimit() uint8 { return p[ipv6HopLimit] }

// Src returns the source address.
func (p IPv6) Src() [16]byte { return [16]byte(p[ipv6Src:ipv6Dst]) }

// Dst returns the destination address.
func (p IPv6) Dst() [16]byte { return [16]byte(p[ipv6Dst:IPv6Size]) }

// SetTrafficClass sets the traffic class and keeps version and flow label.
func (p IPv6) SetTrafficClass(v uint8) {
	p[0] = p[0]&0xf0 | v>>4
	p[1] = p[1]&0x0f | v<<4
}

// SetPayloadLength sets the length of what follows the fixed header in bytes; n is
// below 65536.
func (p IPv6) SetPayloadLength(n int) {
	binary.BigEndian.PutUint16(p[ipv6PayloadLength:], uint16(n))
}

// SetNextHeader sets the type of what follows the fixed header.
func (p IPv6) SetNextHeader(v uint8) { p[ipv6NextHeader] = v }

// SetHopLimit sets the hop limit.
func (p IPv6) SetHopLimit(v uint8) { p[ipv6HopLimit] = v }

// SetSrc sets the source address.
func (p IPv6) SetSrc(a [16]byte) { copy(p[ipv6Src:], a[:]) }

// SetDst sets the destination address.
func (p IPv6) SetDst(a [16]byte) { copy(p[ipv6Dst:], a[:]) }
