package encap

import "encoding/binary"

// IPv4MinSize is the length in bytes of an IPv4 header without options.
const IPv4MinSize = 20

// Offsets in the IPv4 header (RFC 791 section 3.1).
const (
	ipv4VersionIHL  = 0
	ipv4TOS         = 1
	ipv4TotalLength = 2
	ipv4ID          = 4
	ipv4Fragment    = 6
	ipv4TTL         = 8
	ipv4Proto       = 9
	ipv4Checksum    = 10
	ipv4Src         = 12
	ipv4Dst         = 16
)

// Parts of the 16-bit word at ipv4Fragment; the offset counts 8 bytes.
const (
	ipv4DontFragment  = 0x4000
	ipv4MoreFragments = 0x2000
	ipv4OffsetMask    = 0x1fff
)

// IPv4 is an IPv4 packet, at least [IPv4MinSize] bytes.
type IPv4 []byte

// PutIPv4 writes the version and the length of a header without options to b, which
// has at least [IPv4MinSize] bytes, and clears the rest of the header.
func PutIPv4(b []byte) IPv4 {
	clear(b[:IPv4MinSize])
	b[ipv4VersionIHL] = 4<<4 | IPv4MinSize/4
	return IPv4(b)
}

// Version returns the version field, 4 in a valid packet.
func (p IPv4) Version() uint8 { return p[ipv4VersionIHL] >> 4 }

// HeaderLength returns the length of the header with its options in bytes, 0 to 60;
// less than [IPv4MinSize] is malformed.
func (p IPv4) HeaderLength() int { return int(p[ipv4VersionIHL]&0x0f) * 4 }

// TOS returns the type of service, DSCP and ECN.
func (p IPv4) TOS() uint8 { return p[ipv4TOS] }

// TotalLength returns the length of header and payload in bytes.
func (p IPv4) TotalLength() int { return int(binary.BigEndian.Uint16(p[ipv4TotalLength:])) }

// ID returns the identification.
func (p IPv4) ID() uint16 { return binary.BigEndian.Uint16(p[ipv4ID:]) }

// DontFragment reports whether the DF bit is set.
func (p IPv4) DontFragment() bool { return p.fragment()&ipv4DontFragment != 0 }

// MoreFragments reports whether the MF bit is set.
func (p IPv4) MoreFragments() bool { return p.fragment()&ipv4MoreFragments != 0 }

// FragmentOffset returns where in the payload of the whole packet this one begins, in
// bytes.
func (p IPv4) FragmentOffset() int { return int(p.fragment()&ipv4OffsetMask) * 8 }

// IsFragment reports whether the packet is part of another, its first part included.
func (p IPv4) IsFragment() bool { return p.fragment()&(ipv4MoreFragments|ipv4OffsetMask) != 0 }

func (p IPv4) fragment() uint16 { return binary.BigEndian.Uint16(p[ipv4Fragment:]) }

// TTL returns the time to live.
func (p IPv4) TTL() uint8 { return p[ipv4TTL] }

// Proto returns the transport protocol.
func (p IPv4) Proto() uint8 { return p[ipv4Proto] }

// Checksum returns the header checksum.
func (p IPv4) Checksum() uint16 { return binary.BigEndian.Uint16(p[ipv4Checksum:]) }

// Src returns the source address.
func (p IPv4) Src() [4]byte { return [4]byte(p[ipv4Src:ipv4Dst]) }

// Dst returns the destination address.
func (p IPv4) Dst() [4]byte { return [4]byte(p[ipv4Dst:IPv4MinSize]) }

// The setters leave the header checksum as it is.

// SetTOS sets the type of service.
func (p IPv4) SetTOS(v uint8) { p[ipv4TOS] = v }

// SetTotalLength sets the length of header and payload in bytes; n is below 65536.
func (p IPv4) SetTotalLength(n int) { binary.BigEndian.PutUint16(p[ipv4TotalLength:], uint16(n)) }

// SetID sets the identification.
func (p IPv4) SetID(v uint16) { binary.BigEndian.PutUint16(p[ipv4ID:], v) }

// SetDontFragment sets the DF bit and makes the packet no fragment.
func (p IPv4) SetDontFragment() { binary.BigEndian.PutUint16(p[ipv4Fragment:], ipv4DontFragment) }

// SetTTL sets the time to live.
func (p IPv4) SetTTL(v uint8) { p[ipv4TTL] = v }

// SetProto sets the transport protocol.
func (p IPv4) SetProto(v uint8) { p[ipv4Proto] = v }

// SetChecksum sets the header checksum.
func (p IPv4) SetChecksum(v uint16) { binary.BigEndian.PutUint16(p[ipv4Checksum:], v) }

// SetSrc sets the source address.
func (p IPv4) SetSrc(a [4]byte) { copy(p[ipv4Src:], a[:]) }

// SetDst sets the destination address.
func (p IPv4) SetDst(a [4]byte) { copy(p[ipv4Dst:], a[:]) }
