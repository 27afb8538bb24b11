package pcapfilter

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// identifier reads what comes after qualifiers: an address, a port, a protocol.
func (p *parser) identifier(q qualifiers) (*node, error) {
	if !p.isIdentifier() && q.what != "proto" || p.at == len(p.words) {
		return nil, p.unexpected("an address, a port or a number")
	}
	w := p.words[p.at]
	p.at++
	if p.take("/") { // the length of a prefix
		if p.at == len(p.words) {
			return nil, p.unexpected("the length of a prefix")
		}
		w.text += "/" + p.words[p.at].text
		p.at++
	}
	n, err := p.meaning(q, w.text)
	if err != nil {
		err = fmt.Errorf("%w (at column %d)", err, w.at+1)
	}
	return n, err
}

func (p *parser) meaning(q qualifiers, id string) (*node, error) {
	switch {
	case q.what == "port" || q.what == "portrange":
		return p.ports(q, id)
	case q.what == "proto":
		return p.proto(q, id)
	case q.proto == "ether":
		return p.mac(q, id)
	}
	return p.address(q, id)
}

// mac asks for an Ethernet address.
func (p *parser) mac(q qualifiers, id string) (*node, error) {
	mac, err := net.ParseMAC(id)
	if err != nil || len(mac) != 6 || q.what == "net" {
		return nil, fmt.Errorf("%q: want ether host with a MAC, like 02:42:0a:09:00:01", id)
	}
	return p.place().isMAC(q.dir, [6]byte(mac)), nil
}

// ports asks for a port, or a range of them.
func (p *parser) ports(q qualifiers, id string) (*node, error) {
	var protos []uint32
	switch q.proto {
	case "":
		protos = []uint32{protoTCP, protoUDP, protoSCTP}
	case "tcp":
		protos = []uint32{protoTCP}
	case "udp":
		protos = []uint32{protoUDP}
	case "sctp":
		protos = []uint32{protoSCTP}
	default:
		return nil, fmt.Errorf("%s has no ports: want tcp, udp, sctp or none of them before %s", q.proto, q.what)
	}
	first, last := id, id
	if q.what == "portrange" {
		if a, b, ok := strings.Cut(id, "-"); ok {
			first, last = a, b
		}
	}
	from, err := port(q.proto, first)
	if err != nil {
		return nil, err
	}
	to, err := port(q.proto, last)
	if err != nil {
		return nil, err
	}
	return p.place().isPort(protos, q.dir, min(from, to), max(from, to)), nil
}

// port reads a number, or the name of a service.
func port(proto, s string) (uint16, error) {
	if n, err := strconv.ParseUint(s, 0, 16); err == nil {
		return uint16(n), nil
	}
	for _, network := range []string{"tcp", "udp"} {
		if proto != "" && proto != network {
			continue
		}
		if n, err := net.LookupPort(network, s); err == nil && n > 0 {
			return uint16(n), nil
		}
	}
	return 0, fmt.Errorf("bad port %q: want a number up to 65535, or the name of a service", s)
}

// protoNames are those that may be written for numbers; EtherTypes among them for ether.
var (
	protoNames = map[string]uint32{
		"icmp": protoICMP, "igmp": 2, "tcp": protoTCP, "udp": protoUDP, "gre": 47, "esp": 50, "ah": 51,
		"icmp6": protoICMP6, "ospf": 89, "pim": 103, "vrrp": 112, "sctp": protoSCTP,
	}
	typeNames = map[string]uint32{"ip": typeIPv4, "ip6": typeIPv6, "arp": typeARP, "rarp": typeRARP}
)

// minEtherType is the smallest number that is a type and not a length (IEEE 802.3).
const minEtherType = 0x600

// proto asks for a protocol by its number.
func (p *parser) proto(q qualifiers, id string) (*node, error) {
	names, least, most := protoNames, uint64(0), uint64(0xff)
	if q.proto == "ether" {
		names, least, most = typeNames, minEtherType, 0xffff
	}
	n, known := names[id]
	if !known {
		v, err := strconv.ParseUint(id, 0, 32)
		if err != nil || v < least || v > most {
			return nil, fmt.Errorf("bad protocol %q: want its name, or a number from %d to %d", id, least, most)
		}
		n = uint32(v)
	}
	at := p.place()
	switch q.proto {
	case "ether":
		return at.isType(n), nil
	case "ip":
		return at.isProto4(n), nil
	case "ip6":
		return at.isProto6(n), nil
	case "":
		return at.isProto(n), nil
	}
	return nil, fmt.Errorf("%s proto has no meaning: want ether, ip, ip6 or none of them before proto", q.proto)
}

// address asks for an address of the network layer, or one in a network.
func (p *parser) address(q qualifiers, id string) (*node, error) {
	prefix, err := p.prefix(q.what, id)
	if err != nil {
		return nil, err
	}
	at := p.place()
	is6 := prefix.Addr().Is6()
	switch {
	case q.proto == "" && is6, q.proto == "ip6" && is6:
		return at.isIn(typeIPv6, q.dir, prefix), nil
	case q.proto == "":
		return anyOf(at.isIn(typeIPv4, q.dir, prefix), at.isIn(typeARP, q.dir, prefix), at.isIn(typeRARP, q.dir, prefix)), nil
	case q.proto == "ip" && !is6:
		return at.isIn(typeIPv4, q.dir, prefix), nil
	case q.proto == "arp" && !is6:
		return at.isIn(typeARP, q.dir, prefix), nil
	case q.proto == "rarp" && !is6:
		return at.isIn(typeRARP, q.dir, prefix), nil
	}
	return nil, fmt.Errorf("%s has no address %s: want ip, ip6, arp or none of them before it", q.proto, id)
}

// prefix reads an address or a network: 10.9.0.0/16, or 10.9.0.0 mask 255.255.0.0, or 10.9.
func (p *parser) prefix(what, id string) (netip.Prefix, error) {
	if strings.Contains(id, "/") && what != "host" {
		return wholeNet(netip.ParsePrefix(id))
	}
	if what != "net" {
		a, err := netip.ParseAddr(id)
		if err != nil || a.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("%q is no address of a host; names are not looked up", id)
		}
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	whole, bits := id, 32
	if !strings.Contains(id, ":") {
		for n := strings.Count(id, "."); n < 3; n++ {
			whole += ".0"
			bits -= 8
		}
	} else {
		bits = 128
	}
	if p.take("mask") {
		if p.at == len(p.words) {
			return netip.Prefix{}, p.unexpected("a mask")
		}
		var err error
		if bits, err = maskBits(p.words[p.at].text); err != nil {
			return netip.Prefix{}, err
		}
		p.at++
	}
	return wholeNet(netip.ParsePrefix(fmt.Sprintf("%s/%d", whole, bits)))
}

// wholeNet refuses a network with bits set behind its prefix, which is more likely a
// mistake than not.
func wholeNet(n netip.Prefix, err error) (netip.Prefix, error) {
	switch {
	case err != nil:
		return n, fmt.Errorf("bad network: want one like 10.9.0.0/16 or fd09::/64: %w", err)
	case n != n.Masked():
		return n, fmt.Errorf("bad network %v: bits are set behind its prefix: want %v", n, n.Masked())
	}
	return n, nil
}

// maskBits reads a mask like 255.255.0.0.
func maskBits(s string) (int, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Is4() {
		if ones, size := net.IPMask(a.AsSlice()).Size(); size > 0 {
			return ones, nil
		}
	}
	return 0, fmt.Errorf("bad mask %q: want one like 255.255.0.0", s)
}
