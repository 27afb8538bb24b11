package encap

import (
	"encoding/binary"
	"math/bits"
)

// ChecksumState is what the transport checksum of a frame is worth.
type ChecksumState uint8

const (
	// ChecksumUnknown: there is no telling. The frame is no TCP or UDP, or malformed,
	// or a fragment.
	ChecksumUnknown ChecksumState = iota
	// ChecksumAbsent: UDP without a checksum. Over IPv4 the sender may leave it out
	// (RFC 768), over IPv6 for tunnels (RFC 6935 section 5).
	ChecksumAbsent
	// ChecksumPartial: the field holds the sum of the pseudo-header; the sender has
	// left the rest to its network card.
	ChecksumPartial
	// ChecksumBad: something has changed on the way.
	ChecksumBad
	// ChecksumValid: it fits header, payload and pseudo-header.
	ChecksumValid
)

// VerifyChecksum checks the TCP or UDP checksum of a frame. It does not touch the
// payload of a frame whose checksum is partial.
//
// A packet on its way by a routing header whose type is unknown here has a checksum made for
// an address that cannot be told: it comes out as bad.
func VerifyChecksum(frame []byte, l *Layers) ChecksumState {
	length := l.transportLength(frame)
	if length == 0 {
		return ChecksumUnknown
	}
	transport := frame[l.L4 : l.L4+length]
	checksum := transportChecksum(transport, l.Proto)
	pseudo := pseudoHeader(frame, l, length)
	switch {
	case checksum == 0 && l.Proto == ProtoUDP:
		return ChecksumAbsent
	case checksum == pseudo:
		return ChecksumPartial
	case Sum(transport, pseudo) != 0xffff:
		return ChecksumBad
	}
	return ChecksumValid
}

// PseudoHeader returns the sum of the pseudo-header of a TCP or UDP packet (RFC 9293
// section 3.1, RFC 8200 section 8.1), or 0 if the frame holds none, or a fragment. It
// is never 0 otherwise, as the protocol is part of it.
func PseudoHeader(frame []byte, l *Layers) uint16 {
	length := l.transportLength(frame)
	if length == 0 {
		return 0
	}
	return pseudoHeader(frame, l, length)
}

// pseudoHeader is PseudoHeader for a transport header and payload of length bytes, in a
// frame that transportLength has accepted.
func pseudoHeader(frame []byte, l *Layers, length int) uint16 {
	// As in Sum, the words are added up with their bytes in the other order. A few of
	// 32 bits cannot overflow 64.
	sum := uint64(l.Proto)<<8 + uint64(bits.ReverseBytes16(uint16(length)))
	if l.FinalDst != 0 {
		sum += l.detour(frame)
	}
	if l.EtherType == EtherTypeIPv4 {
		a := frame[l.L3+ipv4Src : l.L3+IPv4MinSize]
		sum += uint64(binary.LittleEndian.Uint32(a)) + uint64(binary.LittleEndian.Uint32(a[4:]))
		return bits.ReverseBytes16(fold(sum, 0))
	}
	a := frame[l.L3+ipv6Src : l.L3+IPv6Size]
	for range 4 {
		word := binary.LittleEndian.Uint64(a)
		sum += word>>32 + word&0xffffffff
		a = a[8:]
	}
	return bits.ReverseBytes16(fold(sum, 0))
}

// detour is what the sum of a pseudo-header has of the final destination, less what it has
// of the one in the IP header.
func (l *Layers) detour(frame []byte) (sum uint64) {
	dst, size := l.L3+ipv6Dst, ipv6AddrSize
	if l.EtherType == EtherTypeIPv4 {
		dst, size = l.L3+ipv4Dst, ipv4AddrSize
	}
	for i := 0; i < size; i += 4 {
		sum += uint64(binary.LittleEndian.Uint32(frame[l.FinalDst+i:]))
		sum += uint64(^binary.LittleEndian.Uint32(frame[dst+i:])) // minus, modulo 0xffff
	}
	return sum
}

// transportLength returns how many bytes from L4 on the transport checksum covers, or 0
// if it has none that could be judged. For UDP that is the header's own length, which
// may end before the packet does.
func (l *Layers) transportLength(frame []byte) int {
	if l.Payload == 0 || l.Fragment || l.End > len(frame) {
		return 0
	}
	length := l.End - l.L4
	if l.Proto != ProtoUDP {
		return length
	}
	if n := UDP(frame[l.L4:]).Length(); n >= UDPSize && n <= length {
		return n
	}
	return 0
}

// transportChecksum returns the checksum field of a TCP or UDP header.
func transportChecksum(transport []byte, proto uint8) uint16 {
	if proto == ProtoUDP {
		return UDP(transport).Checksum()
	}
	return TCP(transport).Checksum()
}
