package encap

// How long answers to packets that are too big may be, in bytes of IP packet, so that
// nobody need reassemble them: what every IPv4 host takes (RFC 1122 section 3.3.2, RFC
// 1812 section 4.3.2.3), and what every IPv6 link carries (RFC 4443 section 2.4(c)).
const (
	maxAnswer4 = 576
	maxAnswer6 = MinMTU6
)

// MinTold is the least MTU that IPv4 hosts should be told of, in bytes: what all of them take
// (RFC 791 section 3.1). They need not believe in less. Linux does not below 552
// (net.ipv4.route.min_pmtu), and sends packets of 552 without DF from then on.
const MinTold = 576

// MaxTooBig is the most that [PutTooBig] writes, in bytes.
const MaxTooBig = EthernetSize + maxTags*VLANTagSize + maxAnswer6

// answerTTL is the TTL and hop limit of answers. That of the packet, which Linux copies,
// may have been all but used up by routers that the answer has to pass again.
const answerTTL = 64

// PutTooBig writes to b, which has [MaxTooBig] bytes, the frame that tells the sender of
// frame that its IP packet does not fit mtu bytes: an ICMPv4 fragmentation-needed (RFC
// 792, RFC 1191) or an ICMPv6 packet-too-big (RFC 4443), as if the station that it was
// sent to had answered, with the VLAN tags that it has. Of a superframe, what is quoted
// is the first segment. It returns the length of the answer.
//
// It returns 0 where the frame is not [Answerable], and for MTUs that the protocol does not
// have. Linux answers for its tunnels in the same way (iptunnel_pmtud).
func PutTooBig(b, frame []byte, l *Layers, o Offload, mtu int) int {
	if !Answerable(frame, l) {
		return 0
	}
	eth := Ethernet(frame)
	packet := frame[l.L3:l.End]
	if o.GSO != GSONone && l.Payload != 0 {
		packet = frame[l.L3:min(l.Payload+int(o.SegmentSize), l.End)]
	}
	var n int
	switch {
	case l.EtherType == EtherTypeIPv4 && mtu >= MinMTU:
		n = putAnswer4(b[l.L3:], packet, icmp4Unreachable, icmp4FragNeeded, mtu)
	case l.EtherType == EtherTypeIPv6 && mtu >= MinMTU6:
		n = putAnswer6(b[l.L3:], packet, icmp6PacketTooBig, 0, mtu)
	default:
		return 0
	}
	copy(b, frame[:l.L3]) // its type and tags
	answer := Ethernet(b)
	answer.SetDst(eth.Src())
	answer.SetSrc(eth.Dst())
	return l.L3 + n
}

// Answerable reports whether the sender of a frame may be told that it is too big. It may
// not where there is no IP packet, or an IPv4 packet that may be fragmented; of groups,
// broadcasts, or what is no host's address; and of ICMP errors, or fragments but the first
// (RFC 1122 section 3.2.2, RFC 4443 section 2.4(e)).
func Answerable(frame []byte, l *Layers) bool {
	eth := Ethernet(frame)
	if l.End == 0 || !eth.Src().IsUnicast() || !eth.Dst().IsUnicast() {
		return false
	}
	switch l.EtherType {
	case EtherTypeIPv4:
		return IPv4(frame[l.L3:]).DontFragment() && answerable4(frame, l)
	case EtherTypeIPv6:
		return answerable6(frame, l)
	}
	return false
}

// answerable4 reports whether an IPv4 packet may be answered with an ICMP error.
func answerable4(frame []byte, l *Layers) bool {
	ip := IPv4(frame[l.L3:])
	switch {
	case ip.FragmentOffset() != 0:
		return false
	case !isHost4(ip.Src()) || !isHost4(ip.Dst()):
		return false
	}
	return ip.Proto() != ProtoICMP || l.L4 != 0 && !isError4(frame[l.L4])
}

// isHost4 reports whether an address can be that of one host beyond this one: not zero,
// loopback, multicast, class E or the broadcast address.
func isHost4(a [4]byte) bool {
	const loopback, groups = 127, 224
	return a[0] != 0 && a[0] != loopback && a[0] < groups
}

// answerable6 reports whether an IPv6 packet may be answered with an ICMPv6 error. A
// packet-too-big may answer one that was sent to a group, but who is to send it?
func answerable6(frame []byte, l *Layers) bool {
	ip := IPv6(frame[l.L3:])
	switch {
	case !isHost6(ip.Src()) || !isHost6(ip.Dst()):
		return false
	case l.Fragment && l.L4 == 0:
		return false
	}
	return l.Proto != ProtoICMPv6 || l.L4 != 0 && !isError6(frame[l.L4])
}

// isHost6 is isHost4 for IPv6.
func isHost6(a [16]byte) bool {
	const group = 0xff
	return a != [16]byte{} && a != [16]byte{15: 1} && a[0] != group
}

// putAnswer4 writes the ICMP error that quotes packet, with an MTU or 0, as if who it was
// sent to had answered, and returns the length of the IPv4 packet.
func putAnswer4(b, packet []byte, kind, code uint8, mtu int) int {
	const header = IPv4MinSize + ICMPSize
	n := header + copy(b[header:maxAnswer4], packet)
	quote := IPv4(b[header:n])
	if whole := quote.TotalLength(); whole != len(packet) { // the first segment's
		quote.SetTotalLength(len(packet))
		quote.SetChecksum(UpdateChecksum16(quote.Checksum(), uint16(whole), uint16(len(packet))))
	}
	icmp := putICMPError4(b[IPv4MinSize:n], kind, code, mtu)
	icmp.SetChecksum(^Sum(icmp, 0))

	ip := PutIPv4(b)
	ip.SetTotalLength(n)
	ip.SetDontFragment()
	ip.SetTTL(answerTTL)
	ip.SetProto(ProtoICMP)
	ip.SetSrc(quote.Dst())
	ip.SetDst(quote.Src())
	ip.SetChecksum(^sumIPv4(ip))
	return n
}

// putAnswer6 is putAnswer4 for IPv6.
func putAnswer6(b, packet []byte, kind, code uint8, mtu int) int {
	const header = IPv6Size + ICMPSize
	n := header + copy(b[header:maxAnswer6], packet)
	quote := IPv6(b[header:n])
	quote.SetPayloadLength(len(packet) - IPv6Size)

	ip := PutIPv6(b)
	ip.SetPayloadLength(n - IPv6Size)
	ip.SetNextHeader(ProtoICMPv6)
	ip.SetHopLimit(answerTTL)
	ip.SetSrc(quote.Dst())
	ip.SetDst(quote.Src())

	icmp := putICMPError6(b[IPv6Size:n], kind, code, mtu)
	icmp.SetChecksum(^Sum(icmp, pseudoICMPv6(b, n-IPv6Size)))
	return n
}
