// Package pcapfilter understands the language in which people tell tcpdump which packets
// they want (pcap-filter(7)), and compiles it for a virtual machine in Go, so that no
// libpcap is needed.
//
// These can be said, and joined by and, or, not and parentheses, with the meanings and the
// precedence that libpcap gives them:
//
//	[ip|ip6|arp|rarp] [src|dst] host ADDR          [src|dst] net NET[/LEN]
//	[tcp|udp|sctp] [src|dst] port N                [tcp|udp|sctp] [src|dst] portrange A-B
//	ether [src|dst] [host] MAC                     [ether|ip|ip6] proto P
//	[ether|ip|ip6] broadcast or multicast          vlan [ID]
//	ip, ip6, arp, rarp, tcp, udp, sctp, icmp, icmp6, less LEN, greater LEN
//	NUMBER = NUMBER, and !=, <, <=, >, >=
//
// where a number is written in digits, is one of libpcap's names (tcpflags, tcp-syn, icmptype,
// icmp-echo, icmp6type, ...), is the packet's len, or bytes of it, one unless the size is given:
// PROTO[NUMBER] or PROTO[NUMBER:SIZE] with ether, ip, ip6, arp, rarp, tcp, udp, sctp, icmp or
// icmp6. Numbers can be joined by + - * / % & | ^ << >> and parentheses. A packet without a
// layer that is read is not matched, whatever the relation; libpcap asks that only of what is
// to the left of operators, and reads what is to the right from any packet.
//
// Names of hosts are not looked up.
package pcapfilter

import (
	"fmt"

	"golang.org/x/net/bpf"
)

// Link says how packets begin.
type Link uint8

const (
	// Ethernet packets begin with an Ethernet header.
	Ethernet Link = iota
	// RawIP packets begin with an IPv4 or IPv6 header. What asks about Ethernet applies
	// to none of them.
	RawIP
)

// Filter is a compiled expression. One goroutine at a time may use it.
type Filter struct{ vm *bpf.VM }

// maxText is the longest expression in bytes: some thousand terms. Each takes a hundred times its
// length of memory and a part of each packet's time, on which others wait.
const maxText = 32 << 10

// Compile compiles an expression for packets of a link. The empty one matches all of them.
// Errors are one line that says what was wrong, and where.
func Compile(expression string, link Link) (*Filter, error) {
	if len(expression) > maxText {
		return nil, fmt.Errorf("filter of %d bytes: want at most %d", len(expression), maxText)
	}
	p := parser{text: expression, link: link}
	n, err := p.parse()
	if err != nil {
		return nil, fmt.Errorf("filter %q: %w", expression, err)
	}
	vm, err := bpf.NewVM(assemble(n))
	if err != nil {
		return nil, fmt.Errorf("filter %q is too long: %w", expression, err)
	}
	return &Filter{vm}, nil
}

// Match reports whether a packet is wanted. One that ends before what the expression asks
// about is not.
func (f *Filter) Match(packet []byte) bool {
	n, err := f.vm.Run(packet)
	return err == nil && n > 0
}
