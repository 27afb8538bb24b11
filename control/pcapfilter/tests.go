package pcapfilter

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/net/bpf"
)

// What is asked about a packet. Offsets are those of Ethernet II, RFC 791, 8200, 826, 9293
// and 768.

const (
	typeIPv4, typeIPv6, typeARP, typeRARP = 0x0800, 0x86dd, 0x0806, 0x8035

	protoICMP, protoTCP, protoUDP, protoFragment, protoICMP6, protoSCTP = 1, 6, 17, 44, 58, 132

	sizeIPv6 = 40
)

// place is where the layers of a packet begin, by what was said of it so far: each vlan
// moves them.
type place struct {
	link Link
	vlan uint32 // tags before
}

func (p place) etherType() uint32 { return 12 + 4*p.vlan }

// network is the offset of the network layer.
func (p place) network() uint32 {
	if p.link == RawIP {
		return 0
	}
	return p.etherType() + 2
}

func equal(size int, offset, value uint32) *node {
	return compare(bpf.JumpEqual, value, bpf.LoadAbsolute{Off: offset, Size: size})
}

// masked compares some bits of what is at an offset.
func masked(size int, offset, mask, value uint32) *node {
	if mask == 1<<(8*size)-1 {
		return equal(size, offset, value)
	}
	return compare(bpf.JumpEqual, value, bpf.LoadAbsolute{Off: offset, Size: size}, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: mask})
}

// isType asks for a network layer by its EtherType.
func (p place) isType(t uint32) *node {
	if p.link == Ethernet {
		return equal(2, p.etherType(), t)
	}
	switch t {
	case typeIPv4:
		return masked(1, 0, 0xf0, 0x40)
	case typeIPv6:
		return masked(1, 0, 0xf0, 0x60)
	}
	return &node{kind: never}
}

// isVLAN asks for a tag, with an ID unless that is negative.
func (p place) isVLAN(id int) *node {
	if p.link != Ethernet {
		return &node{kind: never}
	}
	t := p.etherType()
	n := anyOf(equal(2, t, 0x8100), equal(2, t, 0x88a8), equal(2, t, 0x9100))
	if id >= 0 {
		n = allOf(n, masked(2, t+2, 0xfff, uint32(id)))
	}
	return n
}

func (p place) isProto4(proto uint32) *node {
	return allOf(p.isType(typeIPv4), equal(1, p.network()+9, proto))
}

// isProto6 looks behind a fragment header, as libpcap does, and no other.
func (p place) isProto6(proto uint32) *node {
	next := p.network() + 6
	return allOf(p.isType(typeIPv6), anyOf(
		equal(1, next, proto),
		allOf(equal(1, next, protoFragment), equal(1, p.network()+sizeIPv6, proto)),
	))
}

func (p place) isProto(proto uint32) *node { return anyOf(p.isProto4(proto), p.isProto6(proto)) }

// direction says which of two fields is asked about.
type direction uint8

const (
	srcOrDst direction = iota
	srcAndDst
	src
	dst
)

func (d direction) of(s, t *node) *node {
	switch d {
	case src:
		return s
	case dst:
		return t
	case srcAndDst:
		return allOf(s, t)
	}
	return anyOf(s, t)
}

// hasPrefix compares an address at an offset.
func hasPrefix(offset uint32, net netip.Prefix) *node {
	n := &node{kind: always}
	b, bits := net.Addr().AsSlice(), net.Bits()
	for i := 0; i < len(b) && bits > 0; i += 4 {
		mask := uint32(0xffffffff)
		if bits < 32 {
			mask <<= 32 - bits
		}
		word := masked(4, offset+uint32(i), mask, binary.BigEndian.Uint32(b[i:]))
		if n.kind == always {
			n = word
		} else {
			n = allOf(n, word)
		}
		bits -= 32
	}
	return n
}

// isIn asks for an address of the network layer with an EtherType.
func (p place) isIn(t uint32, d direction, net netip.Prefix) *node {
	var s, e uint32
	switch t {
	case typeIPv4:
		s, e = 12, 16
	case typeIPv6:
		s, e = 8, 24
	default: // of ARP, for IPv4 over Ethernet
		s, e = 14, 24
	}
	at := p.network()
	return allOf(p.isType(t), d.of(hasPrefix(at+s, net), hasPrefix(at+e, net)))
}

// isPort asks for a port in a range, of one of some protocols. Of an IPv4 packet in
// fragments only the first has ports.
func (p place) isPort(protos []uint32, d direction, from, to uint16) *node {
	at := p.network()
	protocol := func(offset uint32) *node {
		var list []*node
		for _, proto := range protos {
			list = append(list, equal(1, offset, proto))
		}
		return anyOf(list...)
	}
	between := func(load ...bpf.Instruction) *node {
		if from == to {
			return compare(bpf.JumpEqual, uint32(from), load...)
		}
		return allOf(compare(bpf.JumpGreaterOrEqual, uint32(from), load...), compare(bpf.JumpLessOrEqual, uint32(to), load...))
	}
	port4 := func(offset uint32) *node {
		return between(bpf.LoadMemShift{Off: at}, bpf.LoadIndirect{Off: at + offset, Size: 2})
	}
	port6 := func(offset uint32) *node {
		return between(bpf.LoadAbsolute{Off: at + sizeIPv6 + offset, Size: 2})
	}
	return anyOf(
		allOf(p.isType(typeIPv4), protocol(at+9), masked(2, at+6, 0x1fff, 0), d.of(port4(0), port4(2))),
		allOf(p.isType(typeIPv6), protocol(at+6), d.of(port6(0), port6(2))),
	)
}

// isMAC asks for an Ethernet address.
func (p place) isMAC(d direction, mac [6]byte) *node {
	if p.link != Ethernet {
		return &node{kind: never}
	}
	at := func(offset uint32) *node {
		return allOf(
			equal(4, offset+2, binary.BigEndian.Uint32(mac[2:])),
			equal(2, offset, uint32(binary.BigEndian.Uint16(mac[:]))),
		)
	}
	return d.of(at(6), at(0))
}

// isGroup asks for a group address of Ethernet.
func (p place) isGroup() *node {
	if p.link != Ethernet {
		return &node{kind: never}
	}
	return compare(bpf.JumpBitsSet, 1, bpf.LoadAbsolute{Off: 0, Size: 1})
}

// isGroup4 and isGroup6 ask for one of IP.
func (p place) isGroup4() *node {
	return allOf(p.isType(typeIPv4), compare(bpf.JumpGreaterOrEqual, 224, bpf.LoadAbsolute{Off: p.network() + 16, Size: 1}))
}

func (p place) isGroup6() *node {
	return allOf(p.isType(typeIPv6), equal(1, p.network()+24, 0xff))
}

// isLong asks for the length of the packet.
func isLong(cond bpf.JumpTest, n uint32) *node {
	return compare(cond, n, bpf.LoadExtension{Num: bpf.ExtLen})
}
