package encap

// MaxUnreachable is the most that [PutUnreachable] writes, in bytes.
const MaxUnreachable = MaxTooBig

// PutUnreachable writes to b, which has [MaxUnreachable] bytes, the frame that tells the
// sender of frame that nobody has been found to take its IP packet on: an ICMPv4 host
// unreachable (RFC 792, RFC 1122 section 2.3.2.2) or an ICMPv6 address unreachable (RFC 4443
// section 3.1). It is as if the address that it was sent to had answered; one of the
// sender's own its system would not believe. The frame has no addresses. PutUnreachable
// returns its length, or 0 where there is to be no answer, as in [PutTooBig].
func PutUnreachable(b, frame []byte, l *Layers) int {
	if l.End == 0 || l.Tags != 0 {
		return 0
	}
	packet := frame[l.L3:l.End]
	n := 0
	switch {
	case l.EtherType == EtherTypeIPv4 && answerable4(frame, l):
		n = putAnswer4(b[l.L3:], packet, icmp4Unreachable, icmp4NoHost, 0)
	case l.EtherType == EtherTypeIPv6 && answerable6(frame, l):
		n = putAnswer6(b[l.L3:], packet, icmp6Unreachable, icmp6NoAddress, 0)
	default:
		return 0
	}
	clear(b[:l.L3])
	Ethernet(b).SetType(l.EtherType)
	return l.L3 + n
}
