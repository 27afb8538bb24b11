package encap

import (
	"encoding/binary"
	"math/bits"
)

// FlowHash hashes what identifies the flow that frame belongs to, found by l, under a
// seed. ECMP and RSS of the underlay spread tunnelled traffic by source port, and the
// source port is chosen by this hash (RFC 7348 section 5).
//
//   - TCP and UDP: addresses, protocol and ports;
//   - other IP: addresses and protocol;
//   - fragments: addresses only. Later ones have no ports, and in IPv6 they need not
//     agree on the protocol (RFC 8200 section 4.5), but all must take the same path;
//   - anything else: MAC addresses and EtherType.
//
// VLAN tags do not count. The two directions of a flow hash differently. All 32 bits
// are good: take as many as needed from either end. A seed gives the same hashes on
// all machines.
func FlowHash(frame []byte, l *Layers, seed uint64) uint32 {
	switch {
	case l.L3 != 0 && l.EtherType == EtherTypeIPv4:
		addrs := binary.LittleEndian.Uint64(frame[l.L3+ipv4Src:])
		return mixFlow(seed, addrs, l.flowKey(frame))
	case l.L3 != 0 && l.EtherType == EtherTypeIPv6:
		a := frame[l.L3+ipv6Src : l.L3+IPv6Size]
		src := mix(binary.LittleEndian.Uint64(a)^hashA, binary.LittleEndian.Uint64(a[8:])^seed)
		dst := mix(binary.LittleEndian.Uint64(a[16:])^hashB, binary.LittleEndian.Uint64(a[24:])^seed)
		return mixFlow(seed, src^dst, l.flowKey(frame))
	case len(frame) >= EthernetSize:
		head := binary.LittleEndian.Uint64(frame)
		tail := uint64(binary.LittleEndian.Uint32(frame[8:]))
		return mixFlow(seed, head, tail|uint64(l.EtherType)<<32)
	}
	return mixFlow(seed, 0, 0)
}

// flowKey returns what tells the flows between two IP addresses apart: ports in the
// low 32 bits, the protocol above them, and above that a one, so that no flow has the
// key of fragments.
func (l *Layers) flowKey(frame []byte) uint64 {
	if l.Fragment {
		return 0
	}
	key := 1<<40 | uint64(l.Proto)<<32
	if l.L4 != 0 && (l.Proto == ProtoTCP || l.Proto == ProtoUDP) {
		key |= uint64(binary.LittleEndian.Uint32(frame[l.L4:]))
	}
	return key
}

// Odd constants without a pattern, those of wyhash.
const (
	hashA = 0xa0761d6478bd642f
	hashB = 0xe7037ed1a0b428db
	hashC = 0x8ebc6af09c88c6e3
)

// mix folds the 128-bit product of two words, the whole of which depends on every bit
// of both.
func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// mixFlow takes two rounds, since the seed must reach every bit of the hash and one
// round of a product leaves neighbouring inputs neighbours.
func mixFlow(seed, a, b uint64) uint32 {
	h := mix(a^seed^hashA, b^hashB)
	h = mix(h^hashC, seed^hashB)
	return uint32(h ^ h>>32)
}
