package pcapfilter

import (
	"fmt"
	"slices"
	"strconv"

	"golang.org/x/net/bpf"
)

// parser reads an expression: terms joined by and and or, which bind alike and from left to
// right.
type parser struct {
	text  string
	link  Link
	words []word
	at    int // in words
	depth int
	vlans uint32 // asked about so far
	last  qualifiers
	known bool // there are such
}

// maxDepth bounds how deep parentheses can be.
const maxDepth = 100

// qualifiers are what stands before an identifier, and holds for those that follow with
// none of their own: "port 80 or 443".
type qualifiers struct {
	proto string // "" if none was given
	dir   direction
	what  string // host, net, port, portrange or proto; "" if none was given
}

var (
	protocols  = []string{"ether", "ip", "ip6", "arp", "rarp", "tcp", "udp", "sctp", "icmp", "icmp6"}
	kinds      = []string{"host", "net", "port", "portrange", "proto"}
	directions = map[string]direction{"src": src, "dst": dst}
	others     = []string{"vlan", "less", "greater", "broadcast", "multicast", "and", "or", "not", "(", ")", "mask", "len"}
)

func (p *parser) parse() (*node, error) {
	p.words = split(p.text)
	if len(p.words) == 0 {
		return &node{kind: always}, nil
	}
	n, err := p.expression()
	if err == nil && p.at < len(p.words) {
		err = p.unexpected("and, or, or the end")
	}
	return n, err
}

// unexpected says that the next word is none that could stand there.
func (p *parser) unexpected(want string) error {
	if p.at == len(p.words) {
		return fmt.Errorf("it ends where %s is missing", want)
	}
	w := p.words[p.at]
	return fmt.Errorf("unexpected %q at column %d: want %s", w.text, w.at+1, want)
}

// is reports whether the next word is this one.
func (p *parser) is(text string) bool {
	return p.at < len(p.words) && !p.words[p.at].quoted && p.words[p.at].text == text
}

// take skips the next word if it is this one.
func (p *parser) take(text string) bool {
	if p.is(text) {
		p.at++
		return true
	}
	return false
}

// takeOf skips the next word if it is one of a list.
func (p *parser) takeOf(list []string) string {
	for _, text := range list {
		if p.take(text) {
			return text
		}
	}
	return ""
}

// expression reads terms up to the end or a closing parenthesis.
func (p *parser) expression() (*node, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, fmt.Errorf("parentheses deeper than %d", maxDepth)
	}
	defer func() { p.depth-- }()
	n, err := p.term()
	for err == nil {
		var next *node
		switch {
		case p.take("and"):
			next, err = p.term()
			n = &node{kind: and, a: n, b: next}
		case p.take("or"):
			next, err = p.term()
			n = &node{kind: or, a: n, b: next}
		default:
			return n, nil
		}
	}
	return nil, err
}

// term reads one term, perhaps inverted.
func (p *parser) term() (*node, error) {
	inverted := false
	for p.take("not") {
		inverted = !inverted
	}
	n, err := p.primitive()
	if inverted && err == nil {
		n = invert(n)
	}
	return n, err
}

func (p *parser) primitive() (*node, error) {
	if n, err := p.relation(); n != nil || err != nil {
		return n, err
	}
	switch {
	case p.take("("):
		n, err := p.expression()
		if err == nil && !p.take(")") {
			err = p.unexpected("a closing parenthesis")
		}
		return n, err
	case p.take("vlan"):
		return p.vlan()
	case p.take("less"):
		return p.length(bpf.JumpLessOrEqual)
	case p.take("greater"):
		return p.length(bpf.JumpGreaterOrEqual)
	}
	q, given := p.qualifiers()
	switch {
	case p.take("broadcast"):
		return p.group(q, true)
	case p.take("multicast"):
		return p.group(q, false)
	case given && q.what == "" && q.dir == srcOrDst && !p.isIdentifier():
		p.last, p.known = q, true
		return p.protocol(q.proto), nil
	case !given && !p.known:
		return nil, p.unexpected("something like host, net, port or a protocol")
	case !given:
		q = p.last
	}
	p.last, p.known = q, true
	if given && p.take("(") {
		n, err := p.expression()
		if err == nil && !p.take(")") {
			err = p.unexpected("a closing parenthesis")
		}
		return n, err
	}
	return p.identifier(q)
}

// isIdentifier reports whether the next word is no keyword.
func (p *parser) isIdentifier() bool {
	if p.at == len(p.words) {
		return false
	}
	w := p.words[p.at]
	_, dir := directions[w.text]
	return w.quoted || !w.isSign() && !dir && !slices.Contains(protocols, w.text) && !slices.Contains(kinds, w.text) && !slices.Contains(others, w.text)
}

// qualifiers reads those that there are.
func (p *parser) qualifiers() (q qualifiers, given bool) {
	begin := p.at
	q.proto = p.takeOf(protocols)
	for text, d := range directions {
		if !p.take(text) {
			continue
		}
		q.dir = d
		if rest := p.at; p.opposite(text) {
			q.dir = srcOrDst
			if p.words[rest].text == "and" {
				q.dir = srcAndDst
			}
		}
		break
	}
	q.what = p.takeOf(kinds)
	return q, p.at > begin
}

// opposite takes the rest of "src or dst" and its like.
func (p *parser) opposite(first string) bool {
	other := "dst"
	if first == "dst" {
		other = "src"
	}
	begin := p.at
	if (p.take("or") || p.take("and")) && p.take(other) {
		return true
	}
	p.at = begin
	return false
}

func (p *parser) place() place { return place{p.link, p.vlans} }

// vlan asks for a tag. What follows is about what is behind it, even after or.
func (p *parser) vlan() (*node, error) {
	id := -1
	if p.isIdentifier() {
		n, err := p.number(0xfff)
		if err != nil {
			return nil, err
		}
		id = int(n)
	}
	n := p.place().isVLAN(id)
	p.vlans++
	return n, nil
}

func (p *parser) length(cond bpf.JumpTest) (*node, error) {
	n, err := p.number(1 << 31)
	return isLong(cond, n), err
}

// number reads one from 0 to limit.
func (p *parser) number(limit uint64) (uint32, error) {
	if p.at == len(p.words) {
		return 0, p.unexpected("a number")
	}
	n, err := strconv.ParseUint(p.words[p.at].text, 0, 32)
	if err != nil || n > limit {
		return 0, p.unexpected(fmt.Sprintf("a number from 0 to %d", limit))
	}
	p.at++
	return uint32(n), nil
}

// group asks for broadcast or multicast.
func (p *parser) group(q qualifiers, broadcast bool) (*node, error) {
	at := p.place()
	switch {
	case q.dir != srcOrDst || q.what != "":
	case broadcast && (q.proto == "" || q.proto == "ether"):
		return at.isMAC(dst, [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}), nil
	case broadcast:
	case q.proto == "" || q.proto == "ether":
		return at.isGroup(), nil
	case q.proto == "ip":
		return at.isGroup4(), nil
	case q.proto == "ip6":
		return at.isGroup6(), nil
	}
	p.at--
	return nil, p.unexpected("ether broadcast, ether multicast, ip multicast or ip6 multicast")
}

// protocol asks for one.
func (p *parser) protocol(name string) *node {
	at := p.place()
	switch name {
	case "ip":
		return at.isType(typeIPv4)
	case "ip6":
		return at.isType(typeIPv6)
	case "arp":
		return at.isType(typeARP)
	case "rarp":
		return at.isType(typeRARP)
	case "tcp":
		return at.isProto(protoTCP)
	case "udp":
		return at.isProto(protoUDP)
	case "sctp":
		return at.isProto(protoSCTP)
	case "icmp":
		return at.isProto4(protoICMP)
	case "icmp6":
		return at.isProto6(protoICMP6)
	}
	if at.link == Ethernet {
		return &node{kind: always}
	}
	return &node{kind: never}
}
