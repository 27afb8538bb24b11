package encap

import (
	"bytes"
	"encoding/binary"
)

// MaxCoalesced is how many segments one superframe is made of at most. More would not
// help: at 1400 bytes it is full after 46.
const MaxCoalesced = 64

// Coalescer makes one superframe of consecutive segments of a TCP or UDP flow, as the
// kernel's GRO does, so that a port takes them in one piece. It changes the headers of
// the first segment and leaves every payload where it is.
//
// Segments are only joined if cutting the superframe up again gives the same segments,
// byte for byte: everything in their headers is equal but what must differ from one to
// the next, and what may differ in the last (its length, PSH, FIN). The exception is the
// ID of IPv4 packets that cannot be fragmented, if it stands still: it means nothing
// (RFC 6864 section 4.1), and comes out counting.
//
// The zero Coalescer is ready for Begin, and can be used again and again.
type Coalescer struct {
	frame   []byte // the first segment
	l       Layers
	partial bool // its checksum was not finished
	payload [MaxCoalesced - 1][]byte
	n       int // segments
	size    int // transport payload of each but the last, in bytes
	total   int // transport payload of all
	last    bool

	seq   uint32   // TCP sequence number of the next segment
	flags TCPFlags // of the latest segment
	id    uint16   // IPv4 ID of the latest segment
	step  uint16   // by which it grows, 0 or 1; known from the second segment on
}

// Begin makes frame the first segment and reports whether it can be one: TCP with
// payload and nothing out of the ordinary, or UDP, in an unfragmented IP packet without
// options. state is what its checksum was found to be. The Coalescer borrows the frame
// until Finish, and the payload of every segment until what Finish returned is done
// with.
func (c *Coalescer) Begin(frame []byte, l *Layers, state ChecksumState) bool {
	if !joinable(frame, l, state) {
		return false
	}
	size := l.End - l.Payload
	c.frame, c.l, c.partial = frame, *l, state == ChecksumPartial
	c.n, c.size, c.total, c.last = 1, size, size, false
	if l.EtherType == EtherTypeIPv4 {
		c.id = IPv4(frame[l.L3:]).ID()
	}
	if l.Proto == ProtoTCP {
		c.advance(TCP(frame[l.L4:]), size)
	}
	return true
}

// Join offers the frame that follows and reports whether it has become part of the
// superframe. If not, it may be another flow's, or this flow goes on in a way that a
// superframe cannot express.
func (c *Coalescer) Join(frame []byte, l *Layers, state ChecksumState) bool {
	n := l.End - l.Payload
	switch {
	case c.n == 0 || c.last || c.n == MaxCoalesced || n > c.size || c.l.End-c.l.L3+c.total-c.size+n > 0xffff:
		return false
	case !c.sameFlow(frame, l) || !joinable(frame, l, state) || !c.follows(frame):
		return false
	}
	if l.EtherType == EtherTypeIPv4 {
		id := IPv4(frame[l.L3:]).ID()
		c.id, c.step = id, id-c.id
	}
	c.payload[c.n-1] = frame[l.Payload:l.End]
	c.n++
	c.total += n
	c.last = n < c.size
	if l.Proto == ProtoTCP {
		c.advance(TCP(frame[l.L4:]), n)
	}
	return true
}

// Last reports whether nothing can follow what has been joined.
func (c *Coalescer) Last() bool { return c.last || c.n == MaxCoalesced }

// advance takes note of a TCP segment with n bytes of payload.
func (c *Coalescer) advance(tcp TCP, n int) {
	c.seq = tcp.Seq() + uint32(n)
	c.flags = tcp.Flags()
	c.last = c.last || c.flags&(TCPPsh|TCPFin) != 0
}

// joinable reports whether a frame can be part of a superframe at all. A checksum that
// is not known to be right must not be replaced by one that is.
func joinable(frame []byte, l *Layers, state ChecksumState) bool {
	if state != ChecksumValid && state != ChecksumPartial {
		return false
	}
	if l.End != len(frame) || l.Payload == 0 || l.Payload >= l.End {
		return false
	}
	if l.EtherType == EtherTypeIPv4 {
		ip := frame[l.L3:l.L4]
		if len(ip) != IPv4MinSize || sumIPv4(ip) != 0xffff || IPv4(ip).Checksum() == otherZero {
			return false
		}
	} else if l.L4-l.L3 != IPv6Size {
		return false
	}
	if l.Proto == ProtoTCP {
		tcp := TCP(frame[l.L4:])
		return tcp.Flags()&^(TCPPsh|TCPFin|TCPEce) == TCPAck && tcp.Checksum() != otherZero
	}
	return UDP(frame[l.L4:]).Length() == l.End-l.L4
}

// otherZero is the form of a zero checksum in IPv4 and TCP that a [Segmenter] does not
// write, though it is as right as 0. Nor is it that of a partial one, but by chance.
const otherZero = 0xffff

// sameFlow compares what all segments have in common: everything but lengths, IPv4 ID,
// checksums, TCP sequence number, PSH and FIN.
func (c *Coalescer) sameFlow(frame []byte, l *Layers) bool {
	if l.EtherType != c.l.EtherType || l.Proto != c.l.Proto || l.L3 != c.l.L3 || l.Payload != c.l.Payload {
		return false
	}
	// MACs, tags, EtherType: up to 22 bytes.
	if !equal64(frame, c.frame, 0) || !equal64(frame, c.frame, ethSrc) || !equal64(frame, c.frame, l.L3-8) {
		return false
	}
	a, b := frame[l.L3:l.Payload], c.frame[l.L3:l.Payload]
	if l.EtherType == EtherTypeIPv4 {
		return equal64(a, b, ipv4Src) && // and destination
			equal16(a, b, ipv4VersionIHL) && equal16(a, b, ipv4Fragment) && equal16(a, b, ipv4TTL) &&
			c.sameTransport(a[IPv4MinSize:], b[IPv4MinSize:])
	}
	return equal32(a, b, ipv6VersionClass) && equal16(a, b, ipv6NextHeader) &&
		equal64(a, b, ipv6Src) && equal64(a, b, ipv6Src+8) &&
		equal64(a, b, ipv6Dst) && equal64(a, b, ipv6Dst+8) &&
		c.sameTransport(a[IPv6Size:], b[IPv6Size:])
}

func (c *Coalescer) sameTransport(a, b []byte) bool {
	if !equal32(a, b, 0) { // ports
		return false
	}
	if c.l.Proto != ProtoTCP {
		return true
	}
	const lastOnly = TCPPsh | TCPFin
	return equal32(a, b, tcpAck) && a[tcpDataOffset] == b[tcpDataOffset] &&
		equal16(a, b, tcpWindow) && equal16(a, b, tcpUrgent) &&
		(TCP(a).Flags()^TCP(b).Flags())&^lastOnly == 0 &&
		bytes.Equal(a[TCPMinSize:], b[TCPMinSize:])
}

// follows reports whether a frame of the same flow is the next one: in sequence, and
// with an IPv4 ID that counts on as it did so far. One that stands still says nothing
// if the packet cannot be fragmented (RFC 6864), and only then.
func (c *Coalescer) follows(frame []byte) bool {
	if c.l.Proto == ProtoTCP && TCP(frame[c.l.L4:]).Seq() != c.seq {
		return false
	}
	if c.l.EtherType != EtherTypeIPv4 {
		return true
	}
	ip := IPv4(frame[c.l.L3:])
	step := ip.ID() - c.id
	return (step == 1 || step == 0 && ip.DontFragment()) && (c.n == 1 || step == c.step)
}

// Finish returns the superframe, or the frame as it came if nothing was joined to it.
// Its More is the Coalescer's, until the next Begin.
func (c *Coalescer) Finish() Frame {
	l := &c.l
	f := Frame{Data: c.frame}
	if c.n == 0 || c.n == 1 && !c.partial {
		return f
	}
	f.Offload = Offload{NeedsCSUM: true, CSUMStart: uint16(l.L4), CSUMOffset: UDPChecksumOffset}
	if l.Proto == ProtoTCP {
		f.Offload.CSUMOffset = TCPChecksumOffset
	}
	if c.n == 1 {
		return f
	}
	f.More = c.payload[:c.n-1]
	f.Offload.GSO, f.Offload.HeaderLen, f.Offload.SegmentSize = l.gso(), uint16(l.Payload), uint16(c.size)
	c.putHeaders(l.Payload - l.L4 + c.total)
	return f
}

// putHeaders makes the first segment's headers those of a packet with length bytes of
// transport header and payload.
func (c *Coalescer) putHeaders(length int) {
	l := &c.l
	if l.EtherType == EtherTypeIPv4 {
		ip := IPv4(c.frame[l.L3:l.L4])
		ip.SetTotalLength(IPv4MinSize + length)
		ip.SetChecksum(0)
		ip.SetChecksum(^Sum(ip, 0))
	} else {
		IPv6(c.frame[l.L3:]).SetPayloadLength(length)
	}
	pseudo := pseudoHeader(c.frame, l, length)
	if l.Proto == ProtoTCP {
		tcp := TCP(c.frame[l.L4:])
		tcp.SetFlags(c.flags)
		tcp.SetChecksum(pseudo)
		return
	}
	udp := UDP(c.frame[l.L4:])
	udp.SetLength(length)
	udp.SetChecksum(pseudo)
}

func equal16(a, b []byte, at int) bool {
	return binary.NativeEndian.Uint16(a[at:]) == binary.NativeEndian.Uint16(b[at:])
}

func equal32(a, b []byte, at int) bool {
	return binary.NativeEndian.Uint32(a[at:]) == binary.NativeEndian.Uint32(b[at:])
}

func equal64(a, b []byte, at int) bool {
	return binary.NativeEndian.Uint64(a[at:]) == binary.NativeEndian.Uint64(b[at:])
}
