package pcapfilter

import (
	"slices"

	"golang.org/x/net/bpf"
)

// A node is an expression. One of a, b and load is how it is made.
type node struct {
	kind kind
	a, b *node // of and, or, not
	test test
}

type kind uint8

const (
	always kind = iota
	never
	isTest
	and
	or
	not
)

// test loads a number from the packet and compares it.
type test struct {
	load  []bpf.Instruction
	cond  bpf.JumpTest
	with  uint32
	withX bool // rather with register X, which load has left there
}

func allOf(list ...*node) *node { return join(and, list) }
func anyOf(list ...*node) *node { return join(or, list) }
func invert(n *node) *node      { return &node{kind: not, a: n} }

func join(k kind, list []*node) *node {
	n := list[0]
	for _, next := range list[1:] {
		n = &node{kind: k, a: n, b: next}
	}
	return n
}

func compare(cond bpf.JumpTest, with uint32, load ...bpf.Instruction) *node {
	return &node{kind: isTest, test: test{load: load, cond: cond, with: with}}
}

// program is instructions in reverse, as all jumps lead forwards: when one is written its
// target is there already. A place is the number of instructions from it to the end.
type program []bpf.Instruction

// maxSkip is how far a conditional jump reaches.
const maxSkip = 255

// assemble returns the instructions for an expression.
func assemble(n *node) []bpf.Instruction {
	var p program
	reject := p.put(bpf.RetConstant{Val: 0})
	accept := p.put(bpf.RetConstant{Val: 1})
	begin := p.write(n, accept, reject)
	if begin != len(p) {
		p.put(bpf.Jump{Skip: uint32(len(p) - begin)})
	}
	slices.Reverse(p)
	return p
}

// put writes an instruction in front, and returns its place.
func (p *program) put(i bpf.Instruction) (place int) {
	*p = append(*p, i)
	return len(*p)
}

// write writes an expression that leads to one of two places, and returns where it begins.
func (p *program) write(n *node, yes, no int) (begin int) {
	switch n.kind {
	case always:
		return yes
	case never:
		return no
	case and:
		return p.write(n.a, p.write(n.b, yes, no), no)
	case or:
		return p.write(n.a, yes, p.write(n.b, yes, no))
	case not:
		return p.write(n.a, no, yes)
	}
	yes, no = p.reach(yes), p.reach(no)
	yes = p.reach(yes) // the way to no may have come between
	begin = p.put(n.test.jump(uint8(len(*p)-yes), uint8(len(*p)-no)))
	for _, load := range slices.Backward(n.test.load) {
		begin = p.put(load)
	}
	return begin
}

// reach returns a place from which another is reached, and that the next conditional jump
// can lead to, with room for one more instruction between.
func (p *program) reach(place int) int {
	if here := len(*p); here-place >= maxSkip {
		return p.put(bpf.Jump{Skip: uint32(here - place)})
	}
	return place
}

// jump is the comparison, that goes on so many instructions further.
func (t *test) jump(yes, no uint8) bpf.Instruction {
	if t.withX {
		return bpf.JumpIfX{Cond: t.cond, SkipTrue: yes, SkipFalse: no}
	}
	return bpf.JumpIf{Cond: t.cond, Val: t.with, SkipTrue: yes, SkipFalse: no}
}
