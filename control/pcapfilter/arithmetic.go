package pcapfilter

import (
	"fmt"
	"slices"
	"strconv"

	"golang.org/x/net/bpf"
)

// operator is an arithmetic one. It takes what is to its left before operators that bind
// less, and leaves to those that bind more what is to its right. libpcap gives % and ^ no
// place among the others: what is to their left they take before any, and all to their
// right is left to others.
type operator struct {
	op          bpf.ALUOp
	left, right int
}

const (
	bindsLeast = 0
	bindsMost  = 10
)

var (
	operators = map[string]operator{
		"|":  {bpf.ALUOpOr, 1, 2},
		"&":  {bpf.ALUOpAnd, 3, 4},
		"<<": {bpf.ALUOpShiftLeft, 5, 6},
		">>": {bpf.ALUOpShiftRight, 5, 6},
		"+":  {bpf.ALUOpAdd, 7, 8},
		"-":  {bpf.ALUOpSub, 7, 8},
		"*":  {bpf.ALUOpMul, 9, bindsMost},
		"/":  {bpf.ALUOpDiv, 9, bindsMost},
		"%":  {bpf.ALUOpMod, bindsMost, bindsLeast},
		"^":  {bpf.ALUOpXor, bindsMost, bindsLeast},
	}
	relations = map[string]bpf.JumpTest{
		"=": bpf.JumpEqual, "!=": bpf.JumpNotEqual,
		"<": bpf.JumpLessThan, "<=": bpf.JumpLessOrEqual, ">": bpf.JumpGreaterThan, ">=": bpf.JumpGreaterOrEqual,
	}
)

// relation reads two numbers and how they relate. It returns nil, and has read nothing, if
// what comes may be something else: a number can be an identifier, and parentheses can hold
// other questions.
func (p *parser) relation() (*node, error) {
	begin := p.at
	sure := p.is("-") || p.is("len") || p.reads()
	if _, number := p.literal(); !sure && !number && !p.is("(") {
		return nil, nil
	}
	a, err := p.arithmetic(bindsLeast)
	if err == nil && (p.at == len(p.words) || !p.isRelation()) {
		err = p.unexpected("=, !=, <, <=, > or >=")
	}
	if err != nil {
		if !sure && !isNoNumber(err) {
			p.at, err = begin, nil
		}
		return nil, err
	}
	cond := relations[p.words[p.at].text]
	p.at++
	b, err := p.arithmetic(bindsLeast)
	if err != nil {
		return nil, err
	}
	p.known = false
	return relate(cond, a, b)
}

func (p *parser) isRelation() bool {
	_, is := relations[p.words[p.at].text]
	return is
}

// reads reports whether what comes reads from a protocol, as tcp[13] does.
func (p *parser) reads() bool {
	return p.at+1 < len(p.words) && slices.Contains(protocols, p.words[p.at].text) && p.words[p.at+1].text == "["
}

// arithmetic reads a number, as far as operators bind at least so much.
func (p *parser) arithmetic(binding int) (*number, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, fmt.Errorf("parentheses deeper than %d", maxDepth)
	}
	defer func() { p.depth-- }()
	n, err := p.operand()
	for err == nil && p.at < len(p.words) {
		o, is := operators[p.words[p.at].text]
		if !is || o.left < binding {
			break
		}
		at := p.words[p.at].at
		p.at++
		var b *number
		if b, err = p.arithmetic(o.right); err != nil {
			return nil, err
		}
		if n, err = compute(o.op, n, b); err != nil {
			err = fmt.Errorf("%w at column %d", err, at+1)
		}
	}
	return n, err
}

// operand reads a number without operators, or with a sign.
func (p *parser) operand() (*number, error) {
	switch {
	case p.reads():
		return p.access()
	case p.take("len"):
		return &number{kind: length}, nil
	case p.take("-"):
		n, err := p.arithmetic(bindsMost)
		if err != nil {
			return nil, err
		}
		return compute(bpf.ALUOpSub, &number{}, n)
	case p.take("("):
		n, err := p.arithmetic(bindsLeast)
		if err == nil && !p.take(")") {
			err = p.unexpected("a closing parenthesis")
		}
		return n, err
	}
	if v, ok := p.literal(); ok {
		p.at++
		return &number{value: v}, nil
	}
	return nil, p.unexpected("a number, len, or bytes like tcp[13]")
}

// literal returns the number that comes, in digits or by its name.
func (p *parser) literal() (uint32, bool) {
	if p.at == len(p.words) || p.words[p.at].quoted {
		return 0, false
	}
	text := p.words[p.at].text
	if v, known := constants[text]; known {
		return v, true
	}
	v, err := strconv.ParseUint(text, 0, 32)
	return uint32(v), err == nil
}

// access reads bytes of a protocol: proto[index] or proto[index:size].
func (p *parser) access() (*number, error) {
	from := p.place().layer(p.words[p.at].text)
	p.at += 2
	index, err := p.arithmetic(bindsLeast)
	if err != nil {
		return nil, err
	}
	n := &number{kind: read, a: index, from: from, size: 1}
	if p.take(":") {
		size, ok := p.literal()
		if !ok || size != 1 && size != 2 && size != 4 {
			return nil, p.unexpected("1, 2 or 4 bytes")
		}
		n.size = int(size)
		p.at++
	}
	if !p.take("]") {
		return nil, p.unexpected("a closing bracket")
	}
	return n, nil
}

// constants are the names of numbers: where something is, and what it can be.
var constants = map[string]uint32{
	"tcpflags": 13,
	"tcp-fin":  0x01, "tcp-syn": 0x02, "tcp-rst": 0x04, "tcp-push": 0x08, "tcp-ack": 0x10, "tcp-urg": 0x20, "tcp-ece": 0x40, "tcp-cwr": 0x80,

	"icmptype": 0, "icmpcode": 1,
	"icmp-echoreply": 0, "icmp-unreach": 3, "icmp-sourcequench": 4, "icmp-redirect": 5, "icmp-echo": 8,
	"icmp-routeradvert": 9, "icmp-routersolicit": 10, "icmp-timxceed": 11, "icmp-paramprob": 12, "icmp-tstamp": 13,
	"icmp-tstampreply": 14, "icmp-ireq": 15, "icmp-ireqreply": 16, "icmp-maskreq": 17, "icmp-maskreply": 18,

	"icmp6type": 0, "icmp6code": 1,
	"icmp6-destinationunreach": 1, "icmp6-packettoobig": 2, "icmp6-timeexceeded": 3, "icmp6-parameterproblem": 4,
	"icmp6-echo": 128, "icmp6-echoreply": 129, "icmp6-multicastlistenerquery": 130, "icmp6-multicastlistenerreportv1": 131,
	"icmp6-multicastlistenerdone": 132, "icmp6-routersolicit": 133, "icmp6-routeradvert": 134, "icmp6-neighborsolicit": 135,
	"icmp6-neighboradvert": 136, "icmp6-redirect": 137, "icmp6-routerrenum": 138, "icmp6-nodeinformationquery": 139,
	"icmp6-nodeinformationresponse": 140, "icmp6-ineighbordiscoverysolicit": 141, "icmp6-ineighbordiscoveryadvert": 142,
	"icmp6-multicastlistenerreportv2": 143, "icmp6-homeagentdiscoveryrequest": 144, "icmp6-homeagentdiscoveryreply": 145,
	"icmp6-mobileprefixsolicit": 146, "icmp6-mobileprefixadvert": 147, "icmp6-certpathsolicit": 148, "icmp6-certpathadvert": 149,
	"icmp6-multicastrouteradvert": 151, "icmp6-multicastroutersolicit": 152, "icmp6-multicastrouterterm": 153,
}
