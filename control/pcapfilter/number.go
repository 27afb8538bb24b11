package pcapfilter

import (
	"errors"
	"fmt"

	"golang.org/x/net/bpf"
)

// number is an arithmetic expression, of 32 bits without a sign.
type number struct {
	kind  numberKind
	value uint32    // of a constant
	a, b  *number   // what is computed with; a is the index of what is read
	op    bpf.ALUOp // that computes
	from  layer     // what is read, and how many bytes of it
	size  int
}

type numberKind uint8

const (
	constant numberKind = iota
	length              // of the packet
	read                // from the packet
	computed
)

// layer is where an index begins to count.
type layer struct {
	offset uint32
	behind bool  // the IPv4 header there
	asks   *node // what the packet has to be; nil if anything
}

// scratches is how many numbers the virtual machine can put aside.
const scratches = 16

var (
	errDeep  = fmt.Errorf("a number that takes more than %d others to be put aside: use fewer parentheses", scratches)
	errZero  = errors.New("a division by zero")
	errShift = errors.New("a shift by more than 31 bits")
)

// isNoNumber reports whether an error is about a number, and not about how it was written.
func isNoNumber(err error) bool {
	return errors.Is(err, errDeep) || errors.Is(err, errZero) || errors.Is(err, errShift)
}

// layer returns that of a protocol. Of IPv4 packets in fragments the first has a transport
// layer; IPv6 packets have none here but of ICMP, since that is how libpcap has it.
func (p place) layer(proto string) layer {
	at := p.network()
	transport := func(number uint32) layer {
		return layer{offset: at, behind: true, asks: allOf(p.isProto4(number), masked(2, at+6, 0x1fff, 0))}
	}
	switch proto {
	case "ip":
		return layer{offset: at, asks: p.isType(typeIPv4)}
	case "ip6":
		return layer{offset: at, asks: p.isType(typeIPv6)}
	case "arp":
		return layer{offset: at, asks: p.isType(typeARP)}
	case "rarp":
		return layer{offset: at, asks: p.isType(typeRARP)}
	case "tcp":
		return transport(protoTCP)
	case "udp":
		return transport(protoUDP)
	case "sctp":
		return transport(protoSCTP)
	case "icmp":
		return transport(protoICMP)
	case "icmp6":
		return layer{offset: at + sizeIPv6, asks: allOf(p.isType(typeIPv6), equal(1, at+6, protoICMP6))}
	}
	if p.link != Ethernet {
		return layer{asks: &node{kind: never}}
	}
	return layer{}
}

// compute returns a op b, or why there is no such number.
func compute(op bpf.ALUOp, a, b *number) (*number, error) {
	if b.kind == constant {
		switch {
		case b.value == 0 && (op == bpf.ALUOpDiv || op == bpf.ALUOpMod):
			return nil, errZero
		case b.value > 31 && (op == bpf.ALUOpShiftLeft || op == bpf.ALUOpShiftRight):
			return nil, errShift
		case a.kind == constant:
			return &number{value: fold(op, a.value, b.value)}, nil
		}
	}
	return &number{kind: computed, op: op, a: a, b: b}, nil
}

func fold(op bpf.ALUOp, a, b uint32) uint32 {
	switch op {
	case bpf.ALUOpAdd:
		return a + b
	case bpf.ALUOpSub:
		return a - b
	case bpf.ALUOpMul:
		return a * b
	case bpf.ALUOpDiv:
		return a / b
	case bpf.ALUOpMod:
		return a % b
	case bpf.ALUOpAnd:
		return a & b
	case bpf.ALUOpOr:
		return a | b
	case bpf.ALUOpXor:
		return a ^ b
	case bpf.ALUOpShiftLeft:
		return a << b
	}
	return a >> b
}

// relate compares two numbers. Packets that do not have them are not what is asked for,
// whichever way.
func relate(cond bpf.JumpTest, a, b *number) (*node, error) {
	var n *node
	if b.kind == constant {
		load, err := a.load(nil, 0)
		if err != nil {
			return nil, err
		}
		n = compare(cond, b.value, load...)
	} else {
		load, err := b.load(nil, 0)
		if err != nil {
			return nil, err
		}
		load = append(load, bpf.StoreScratch{Src: bpf.RegA, N: 0})
		if load, err = a.load(load, 1); err != nil {
			return nil, err
		}
		load = append(load, bpf.LoadScratch{Dst: bpf.RegX, N: 0})
		n = &node{kind: isTest, test: test{load: load, cond: cond, withX: true}}
	}
	return b.asked(a.asked(n)), nil
}

// asked adds to a question what has to be asked before.
func (n *number) asked(q *node) *node {
	if n.a != nil {
		q = n.a.asked(q)
	}
	if n.b != nil {
		q = n.b.asked(q)
	}
	if n.kind == read && n.from.asks != nil {
		q = allOf(n.from.asks, q)
	}
	return q
}

// load appends what leaves the number in register A. It puts others aside from a slot on, and
// uses X.
func (n *number) load(to []bpf.Instruction, slot int) (_ []bpf.Instruction, err error) {
	switch n.kind {
	case constant:
		return append(to, bpf.LoadConstant{Dst: bpf.RegA, Val: n.value}), nil
	case length:
		return append(to, bpf.LoadExtension{Num: bpf.ExtLen}), nil
	case read:
		return n.loadRead(to, slot)
	}
	if to, err = n.a.load(to, slot); err != nil {
		return nil, err
	}
	if n.b.kind == constant {
		return append(to, bpf.ALUOpConstant{Op: n.op, Val: n.b.value}), nil
	}
	if slot == scratches {
		return nil, errDeep
	}
	to = append(to, bpf.StoreScratch{Src: bpf.RegA, N: slot})
	if to, err = n.b.load(to, slot+1); err != nil {
		return nil, err
	}
	return append(to, bpf.TAX{}, bpf.LoadScratch{Dst: bpf.RegA, N: slot}, bpf.ALUOpX{Op: n.op}), nil
}

// loadRead is load for what is read. A negative index reads what is before.
func (n *number) loadRead(to []bpf.Instruction, slot int) (_ []bpf.Instruction, err error) {
	if n.a.kind == constant && !n.from.behind {
		return append(to, bpf.LoadAbsolute{Off: n.from.offset + n.a.value, Size: n.size}), nil
	}
	if to, err = n.a.load(to, slot); err != nil {
		return nil, err
	}
	if n.from.behind {
		to = append(to, bpf.LoadMemShift{Off: n.from.offset}, bpf.ALUOpX{Op: bpf.ALUOpAdd})
	}
	return append(to, bpf.TAX{}, bpf.LoadIndirect{Off: n.from.offset, Size: n.size}), nil
}
