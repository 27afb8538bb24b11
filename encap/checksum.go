package encap

import (
	"encoding/binary"
	"math/bits"
)

// Sum returns the ones' complement sum of b as 16-bit words in network byte order
// (RFC 1071), added to initial. An odd last byte counts as the upper half of a word, so
// only the last of several pieces may have an odd length. The checksum of all of them
// is the complement, ^sum.
//
// A sum that is zero modulo 0xffff comes out as 0xffff, and as 0 only if every byte and
// initial are.
func Sum(b []byte, initial uint16) uint16 {
	// Any byte order gives the same sum, with its own bytes in that order (RFC 1071
	// section 2B). Little-endian is what our machines load without turning bytes.
	sum := uint64(bits.ReverseBytes16(initial))
	if n := len(b) &^ (sumBlock - 1); n > 0 {
		sum += sumBlocks(b[:n]) // far below 2^64
		b = b[n:]
	}
	var carries uint64 // out of 64 bits; each is worth 1
	for len(b) >= 8 {
		var c uint64
		sum, c = bits.Add64(sum, binary.LittleEndian.Uint64(b), 0)
		carries += c
		b = b[8:]
	}
	sum, c := bits.Add64(sum, lastWord(b), 0)
	return bits.ReverseBytes16(fold(sum, carries+c))
}

// sumBlock is what sumBlocks takes multiples of, in bytes.
const sumBlock = 64

// sumBlocksPortable adds up the 32-bit words of b, in little-endian order, up to some
// number that is the same modulo 0xffff, 0 only if every byte is, and less than 2^48 for
// what fits a frame.
func sumBlocksPortable(b []byte) uint64 {
	var sum, carries uint64
	for len(b) >= sumBlock {
		p := (*[sumBlock]byte)(b)
		var c uint64 // stays in the processor's carry flag
		sum, c = bits.Add64(sum, binary.LittleEndian.Uint64(p[0:]), 0)
		sum, c = bits.Add64(sum, binary.LittleEndian.Uint64(p[8:]), c)
		sum, c = bits.Add64(sum, binary.LittleEndian.Uint64(p[16:]), c)
		sum, c = bits.Add64(sum, binary.LittleEndian.Uint64(p[24:]), c)
		sum, c = bits.Add64(sum, binary.LittleEndian.Uint64(p[32:]), c)
		sum, c = bits.Add64(sum, binary.LittleEndian.Uint64(p[40:]), c)
		sum, c = bits.Add64(sum, binary.LittleEndian.Uint64(p[48:]), c)
		sum, c = bits.Add64(sum, binary.LittleEndian.Uint64(p[56:]), c)
		carries += c
		b = b[sumBlock:]
	}
	return sum>>32 + sum&0xffffffff + carries
}

// sumIPv4 is Sum of an IPv4 header without options.
func sumIPv4(ip []byte) uint16 {
	h := (*[IPv4MinSize]byte)(ip)
	sum, c := bits.Add64(binary.LittleEndian.Uint64(h[0:]), binary.LittleEndian.Uint64(h[8:]), 0)
	sum, c2 := bits.Add64(sum, uint64(binary.LittleEndian.Uint32(h[16:])), c)
	return bits.ReverseBytes16(fold(sum, c2))
}

// lastWord returns up to seven bytes as a little-endian word, filled up with zeros.
func lastWord(b []byte) (w uint64) {
	if len(b) >= 4 {
		w = uint64(binary.LittleEndian.Uint32(b))
		return w | lastHalf(b[4:])<<32
	}
	return lastHalf(b)
}

// lastHalf is lastWord for up to three bytes.
func lastHalf(b []byte) uint64 {
	switch len(b) {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(b[0]) | uint64(b[1])<<8
	case 3:
		return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16
	}
	return 0
}

// fold adds up the four words of a sum, and what was carried out of it. Adding the two
// halves of a number to each other keeps it modulo 0xffff.
func fold(sum, carries uint64) uint16 {
	sum = sum>>32 + sum&0xffffffff + carries // at most 2^33 and the carries
	sum = sum>>32 + sum&0xffffffff
	sum = sum>>16 + sum&0xffff // at most 0x1fffe
	return uint16(sum>>16 + sum&0xffff)
}

// AddSums adds two ones' complement sums.
func AddSums(a, b uint16) uint16 {
	sum, carry := bits.Add32(uint32(a)<<16, uint32(b)<<16, 0)
	return uint16(sum>>16) + uint16(carry)
}

// UpdateChecksum16 returns a checksum after one word under it has changed (RFC 1624
// equation 3).
func UpdateChecksum16(checksum, old, new uint16) uint16 {
	return ^AddSums(AddSums(^checksum, ^old), new)
}

// UpdateChecksum32 is [UpdateChecksum16] for two words next to each other.
func UpdateChecksum32(checksum uint16, old, new uint32) uint16 {
	checksum = UpdateChecksum16(checksum, uint16(old>>16), uint16(new>>16))
	return UpdateChecksum16(checksum, uint16(old), uint16(new))
}
