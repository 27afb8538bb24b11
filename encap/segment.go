package encap

// MaxHeader is the most that the headers before a segment's payload can take, in bytes:
// as many IPv6 extension headers as are followed, each as long as its length field allows,
// and TCP with all its options. Nearly all have 142 or less, which is IPv4 with options.
const MaxHeader = EthernetSize + maxTags*VLANTagSize + IPv6Size + maxExtensions*256*8 + 15*4

// Segmenter cuts a superframe into the frames that its sender would have sent over a
// link without offloads. It makes headers and leaves the payload where it is. The zero
// Segmenter has no segments; it can be used again and again.
type Segmenter struct {
	payload []byte // what is left of the superframe's
	size    int    // payload of each segment but the last
	l       Layers
	first   bool
	partial bool // leave the checksums to whoever is behind the other end
	ecn     bool // CWR is for the first segment

	// header is the superframe's, kept here so that the caller may write a segment's
	// header over bytes of the frame that it is done with.
	header [MaxHeader]byte

	// Sums of what is the same in every segment: the IPv4 header but for length and ID,
	// and pseudo-header and transport header but for length, sequence number and flags.
	network, transport uint16
	pseudo             uint16 // sum of the pseudo-header but for the length
	id                 uint16 // IPv4 ID of the next segment
	seq                uint32 // TCP sequence number of the next segment
}

// Reset prepares to cut up frame, whose layers are l, as o says. It borrows the frame's
// payload until the last segment is done with, and reports false, leaving no segments,
// if this is no superframe of the kind that o says, or o contradicts the headers.
// The checksum field holds the sum of the pseudo-header, as o says. HeaderLen is not looked
// at: what a sender writes there is not always true.
func (s *Segmenter) Reset(frame []byte, l *Layers, o Offload) bool {
	s.payload, s.size, s.first, s.partial = nil, 0, false, false
	if !segmentable(frame, l, o) {
		return false
	}
	s.payload, s.size, s.first = frame[l.Payload:l.End], int(o.SegmentSize), true
	s.l, s.ecn = *l, o.ECN
	copy(s.header[:l.Payload], frame)
	if l.EtherType == EtherTypeIPv4 {
		ip := IPv4(s.header[l.L3:l.L4])
		s.id = ip.ID()
		ip.SetTotalLength(0)
		ip.SetID(0)
		ip.SetChecksum(0)
		s.network = Sum(ip, 0)
	}
	transport := s.header[l.L4:l.Payload]
	if l.Proto == ProtoTCP {
		tcp := TCP(transport)
		s.seq = tcp.Seq()
		tcp.SetSeq(0)
		tcp.SetChecksum(0)
	} else {
		udp := UDP(transport)
		udp.SetLength(0)
		udp.SetChecksum(0)
	}
	// From the field itself and not from addresses: behind a routing header or whatever
	// else, the sender knows whom the checksum is for.
	s.pseudo = AddSums(transportChecksum(frame[l.L4:], l.Proto), ^uint16(l.End-l.L4))
	s.transport = Sum(transport, s.pseudo)
	return true
}

// LeavePartial is called after Reset, and has Next leave the transport checksums partial: the
// field holds the sum of the pseudo-header, and the payload is not looked at.
func (s *Segmenter) LeavePartial() { s.partial = true }

// segmentable reports whether o and the headers agree on a superframe.
func segmentable(frame []byte, l *Layers, o Offload) bool {
	switch {
	case o.GSO == GSONone || o.SegmentSize == 0 || !o.NeedsCSUM:
		return false
	case l.Payload == 0 || l.Payload > MaxHeader || l.Fragment || l.End > len(frame):
		return false
	}
	return o.GSO == l.gso() && int(o.CSUMStart) == l.L4
}

// Segments returns how many segments are left.
func (s *Segmenter) Segments() int {
	n := 0
	if s.size > 0 {
		n = (len(s.payload) + s.size - 1) / s.size
	}
	if n == 0 && s.first {
		n = 1 // headers alone
	}
	return n
}

// Next writes the headers of the next segment, from Ethernet to the end of TCP or UDP
// with a complete checksum unless it is to be left partial, into header, which has room for [MaxHeader] bytes. It
// returns how many it wrote, and the segment's payload, a slice of the superframe; or
// false when there are no more.
//
// As the payload is only read, header may be part of the frame, in front of it.
func (s *Segmenter) Next(header []byte) (headerLen int, payload []byte, ok bool) {
	headerLen = s.l.Payload
	if len(s.payload) == 0 && !s.first || len(header) < headerLen {
		return 0, nil, false
	}
	n := min(s.size, len(s.payload))
	payload, s.payload = s.payload[:n:n], s.payload[n:]
	header = header[:headerLen]
	copy(header, s.header[:headerLen])

	if s.l.EtherType == EtherTypeIPv4 {
		s.putIPv4(header, n)
	} else {
		IPv6(header[s.l.L3:]).SetPayloadLength(headerLen - s.l.L3 - IPv6Size + n)
	}
	s.putTransport(header[s.l.L4:], payload)
	s.first = false
	return headerLen, payload, true
}

// putTransport makes the TCP or UDP header of a segment.
func (s *Segmenter) putTransport(header, payload []byte) {
	n := len(payload)
	length := uint16(len(header) + n)
	var sum uint16
	if !s.partial {
		sum = Sum(payload, AddSums(s.transport, length))
	}
	if s.l.Proto == ProtoTCP {
		s.putTCP(header, n, sum)
		if s.partial {
			TCP(header).SetChecksum(AddSums(s.pseudo, length))
		}
		return
	}
	putUDP(header, n, sum)
	if s.partial {
		UDP(header).SetChecksum(AddSums(s.pseudo, length))
	}
}

// putIPv4 makes the IPv4 header of a segment with n bytes of payload. Each has an ID of
// its own, as the kernel does it, so that a segment can be fragmented after all.
func (s *Segmenter) putIPv4(header []byte, n int) {
	ip := IPv4(header[s.l.L3:s.l.L4])
	length := len(header) - s.l.L3 + n
	ip.SetTotalLength(length)
	ip.SetID(s.id)
	ip.SetChecksum(^AddSums(AddSums(s.network, uint16(length)), s.id))
	s.id++
}

// putTCP makes the TCP header of a segment with n bytes of payload. FIN and PSH are
// about the end of the superframe, CWR may be about its beginning. The sum is that of
// everything, with the superframe's flags and no sequence number.
func (s *Segmenter) putTCP(header []byte, n int, sum uint16) {
	tcp := TCP(header)
	tcp.SetSeq(s.seq)
	sum = AddSums(AddSums(sum, uint16(s.seq>>16)), uint16(s.seq))
	s.seq += uint32(n)
	all := tcp.Flags()
	flags := all
	if len(s.payload) > 0 {
		flags &^= TCPFin | TCPPsh
	}
	if !s.first && s.ecn {
		flags &^= TCPCwr
	}
	tcp.SetFlags(flags)
	tcp.SetChecksum(^AddSums(sum, ^uint16(all^flags))) // less the flags that were cleared
}

// putUDP makes the UDP header of a segment with n bytes of payload. The sum is that of
// everything but the length in the header.
func putUDP(header []byte, n int, sum uint16) {
	udp := UDP(header)
	udp.SetLength(UDPSize + n)
	udp.SetChecksum(nonZero(^AddSums(sum, uint16(UDPSize+n))))
}
