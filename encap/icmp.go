package encap

import "encoding/binary"

// ICMPSize is the length in bytes of the ICMP headers in use here, of both versions:
// what follows quotes a packet.
const ICMPSize = 8

// Offsets in an ICMP error (RFC 792, RFC 1191 section 4, RFC 4443 section 3.2).
const (
	icmpType     = 0
	icmpCode     = 1
	icmpChecksum = 2
	icmpMTU6     = 4 // four bytes
	icmpMTU4     = 6 // two bytes
)

// Types and codes that are told apart.
const (
	icmp4Unreachable  = 3
	icmp4NoHost       = 1 // codes of it
	icmp4FragNeeded   = 4
	icmp4SourceQuench = 4
	icmp4Redirect     = 5
	icmp4TimeExceeded = 11
	icmp4Parameter    = 12

	icmp6Unreachable  = 1
	icmp6NoAddress    = 3 // a code of it
	icmp6PacketTooBig = 2
	icmp6FirstInfo    = 128 // types below are errors (RFC 4443 section 2.1)
	icmp6Redirect     = 137
)

// ICMP is an ICMP or ICMPv6 message, at least [ICMPSize] bytes.
type ICMP []byte

// Type returns the message type.
func (m ICMP) Type() uint8 { return m[icmpType] }

// Code returns the code, which divides the type.
func (m ICMP) Code() uint8 { return m[icmpCode] }

// Checksum returns the checksum.
func (m ICMP) Checksum() uint16 { return binary.BigEndian.Uint16(m[icmpChecksum:]) }

// MTU4 returns the next-hop MTU of an ICMPv4 fragmentation-needed, 0 if the router did
// not say.
func (m ICMP) MTU4() int { return int(binary.BigEndian.Uint16(m[icmpMTU4:])) }

// MTU6 returns the MTU of an ICMPv6 packet-too-big.
func (m ICMP) MTU6() uint32 { return binary.BigEndian.Uint32(m[icmpMTU6:]) }

// SetChecksum sets the checksum.
func (m ICMP) SetChecksum(v uint16) { binary.BigEndian.PutUint16(m[icmpChecksum:], v) }

// putICMPError4 writes the header of an ICMPv4 error with an MTU, which only a
// fragmentation-needed has, or 0. The checksum is 0.
func putICMPError4(b []byte, kind, code uint8, mtu int) ICMP {
	clear(b[:ICMPSize])
	b[icmpType], b[icmpCode] = kind, code
	binary.BigEndian.PutUint16(b[icmpMTU4:], uint16(min(mtu, 0xffff)))
	return ICMP(b)
}

// putICMPError6 writes the header of an ICMPv6 error with an MTU, which only a
// packet-too-big has, or 0. The checksum is 0.
func putICMPError6(b []byte, kind, code uint8, mtu int) ICMP {
	clear(b[:ICMPSize])
	b[icmpType], b[icmpCode] = kind, code
	binary.BigEndian.PutUint32(b[icmpMTU6:], uint32(mtu))
	return ICMP(b)
}

// isError4 reports whether an ICMPv4 type is an error's, which no other error answers
// (RFC 1122 section 3.2.2).
func isError4(kind uint8) bool {
	switch kind {
	case icmp4Unreachable, icmp4SourceQuench, icmp4Redirect, icmp4TimeExceeded, icmp4Parameter:
		return true
	}
	return false
}

// isError6 is isError4 for ICMPv6, where redirects count with the errors (RFC 4443
// section 2.4(e)).
func isError6(kind uint8) bool { return kind < icmp6FirstInfo || kind == icmp6Redirect }
