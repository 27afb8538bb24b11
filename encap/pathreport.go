package encap

import "net/netip"

// PathReport is what a router says of a UDP datagram that was too big for the next link
// of its way. Anybody can forge one: whether the datagram was ours is the receiver's to
// judge.
type PathReport struct {
	Local  netip.AddrPort // who sent the datagram
	Remote netip.AddrPort // whom it was for
	Size   int            // of its IP packet, in bytes
	MTU    int            // of the link; 0 if the router does not say (before RFC 1191)

	// Head is how the payload of the datagram began; zero if the router quotes less of
	// it. RFC 792 asks for none, RFC 1812 section 4.3.2.3 and RFC 4443 for hundreds of
	// bytes.
	Head [PathReportHead]byte
}

// PathReportHead is how many bytes of a datagram a report is read for: as many as a VXLAN
// header has.
const PathReportHead = VXLANSize

// ParsePathReport4 reads an ICMPv4 fragmentation-needed that quotes a UDP datagram, from
// the ICMP header on. It reports false for anything else, for a wrong checksum, and where
// the packet would have fitted.
func ParsePathReport4(message []byte) (r PathReport, ok bool) {
	if len(message) < ICMPSize+IPv4MinSize || Sum(message, 0) != 0xffff {
		return r, false
	}
	m, ip := ICMP(message), IPv4(message[ICMPSize:])
	header := ip.HeaderLength()
	switch {
	case m.Type() != icmp4Unreachable || m.Code() != icmp4FragNeeded:
		return r, false
	case ip.Version() != 4 || header < IPv4MinSize || len(ip) < header+UDPSize:
		return r, false
	case ip.Proto() != ProtoUDP || ip.FragmentOffset() != 0:
		return r, false
	}
	udp := UDP(ip[header:])
	r = PathReport{
		Local:  netip.AddrPortFrom(netip.AddrFrom4(ip.Src()), udp.SrcPort()),
		Remote: netip.AddrPortFrom(netip.AddrFrom4(ip.Dst()), udp.DstPort()),
		Size:   ip.TotalLength(),
		MTU:    m.MTU4(),
		Head:   headOf(udp),
	}
	return r, r.Size > r.MTU
}

// ParsePathReport6 reads an ICMPv6 packet-too-big as [ParsePathReport4] does, but for the
// checksum, which covers addresses that are not in the message; systems have verified it.
// MTUs below that of any IPv6 link are no reason to send less (RFC 8201 section 4): they
// are refused, too.
func ParsePathReport6(message []byte) (r PathReport, ok bool) {
	if len(message) < ICMPSize+IPv6Size+UDPSize {
		return r, false
	}
	m, ip := ICMP(message), IPv6(message[ICMPSize:])
	switch {
	case m.Type() != icmp6PacketTooBig || m.MTU6() < MinMTU6 || m.MTU6() > 0xffff:
		return r, false
	case ip.Version() != 6 || ip.NextHeader() != ProtoUDP: // we send no extension headers
		return r, false
	}
	udp := UDP(ip[IPv6Size:])
	r = PathReport{
		Local:  netip.AddrPortFrom(netip.AddrFrom16(ip.Src()), udp.SrcPort()),
		Remote: netip.AddrPortFrom(netip.AddrFrom16(ip.Dst()), udp.DstPort()),
		Size:   IPv6Size + ip.PayloadLength(),
		MTU:    int(m.MTU6()),
		Head:   headOf(udp),
	}
	return r, r.Size > r.MTU
}

// headOf returns how the payload of a datagram begins, zero unless that much is there.
func headOf(udp UDP) (head [PathReportHead]byte) {
	if payload := udp[UDPSize:]; len(payload) >= len(head) {
		copy(head[:], payload)
	}
	return head
}
