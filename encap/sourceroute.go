package encap

// IPv4 options by which a sender chooses the way (RFC 791 section 3.1). The last address of
// the route is where the packet is to arrive.
const (
	optionLSRR = 131 // loose
	optionSSRR = 137 // strict
)

// Routing headers (IANA, IPv6 routing types).
const (
	routingSource  = 0 // RFC 5095, deprecated
	routingMobile  = 2 // RFC 6275 section 6.4
	routingSegment = 4 // RFC 8754

	routingFixed = 8 // bytes before the addresses
	ipv6AddrSize = ipv6Dst - ipv6Src
	ipv4AddrSize = ipv4Dst - ipv4Src
)

// followRouting sets FinalDst for a packet with a routing header of size bytes at off, if
// it has segments left: it is on its way to one of them. Of several headers the last
// says where the way ends. Other types than these (RFC 6554 has addresses without their
// beginning) are not understood.
func (l *Layers) followRouting(frame []byte, off, size int) {
	h := frame[off:]
	addresses, segmentsLeft := (size-routingFixed)/ipv6AddrSize, h[3]
	if segmentsLeft == 0 || addresses == 0 || off+size > l.End {
		return
	}
	switch h[2] {
	case routingSource, routingMobile:
		l.FinalDst = off + routingFixed + (addresses-1)*ipv6AddrSize
	case routingSegment: // the list begins with the last segment
		l.FinalDst = off + routingFixed
	}
}

// followSourceRoute sets FinalDst for a packet with IPv4 options, from off to end, if there
// is a source route among them that has not been used up.
func (l *Layers) followSourceRoute(frame []byte, off, end int) {
	for off < end && frame[off] != optionEnd {
		if frame[off] == optionNothing {
			off++
			continue
		}
		if end-off < 2 {
			return
		}
		kind, size := frame[off], int(frame[off+1])
		if size < 2 || size > end-off {
			return
		}
		// The pointer counts from 1; behind the option, the route has been used up.
		if kind == optionLSRR || kind == optionSSRR {
			if size >= 3+ipv4AddrSize && int(frame[off+2]) < size {
				l.FinalDst = off + size - ipv4AddrSize
			}
			return
		}
		off += size
	}
}
