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
	state   ChecksumState // its
	pseudo  uint16        // the sum of its pseudo-header but for the length; 0 until it is needed
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
	c.frame, c.l, c.state, c.pseudo = frame, *l, state, 0
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
	case !c.hasRoom(n):
		return false
	case !c.sameFlow(frame, l) || !joinable(frame, l, state) || !c.follows(frame):
		return false
	}
	c.join(frame, n)
	return true
}

// Continue is [Layers.Parse], [VerifyChecksum] and Join in one, for the frame that follows
// most often: one whose headers are the first segment's but for what counts on, and whose
// checksum is in the same state. Any other is to be offered to Join.
func (c *Coalescer) Continue(frame []byte) bool {
	n := len(frame) - c.l.Payload
	switch {
	case n <= 0 || !c.hasRoom(n):
		return false
	case !c.sameHeaders(frame) || !c.follows(frame) || !c.sound(frame):
		return false
	}
	c.join(frame, n)
	return true
}

// sound reports whether the lengths in the headers of a frame, laid out as the first segment,
// lead to its end, and its checksums are as right as those of the first. It is what joinable
// and [VerifyChecksum] ask beyond what sameHeaders has compared.
func (c *Coalescer) sound(frame []byte) bool {
	l, transport := &c.l, frame[c.l.L4:]
	if l.EtherType == EtherTypeIPv4 {
		ip := IPv4(frame[l.L3:l.L4])
		if ip.TotalLength() != len(frame)-l.L3 || !soundIPv4(ip) {
			return false
		}
	} else if IPv6(frame[l.L3:]).PayloadLength() != len(transport) {
		return false
	}
	if l.Proto == ProtoUDP && UDP(transport).Length() != len(transport) {
		return false
	}
	if c.pseudo == 0 {
		c.pseudo = pseudoHeader(c.frame, l, 0)
	}
	pseudo := AddSums(c.pseudo, uint16(len(transport)))
	switch checksum := transportChecksum(transport, l.Proto); {
	case l.Proto == ProtoUDP && checksum == 0 || l.Proto == ProtoTCP && checksum == otherZero:
		return false
	case checksum == pseudo:
		return c.state == ChecksumPartial
	}
	return c.state == ChecksumValid && Sum(transport, pseudo) == 0xffff
}

// soundIPv4 checks an IPv4 header without options.
func soundIPv4(ip IPv4) bool { return sumIPv4(ip) == 0xffff && ip.Checksum() != otherZero }

// hasRoom reports whether a segment with n bytes of payload can be the next.
func (c *Coalescer) hasRoom(n int) bool {
	return c.n != 0 && !c.last && c.n != MaxCoalesced && n <= c.size && c.l.End-c.l.L3+c.total-c.size+n <= 0xffff
}

// join appends a segment with n bytes of payload.
func (c *Coalescer) join(frame []byte, n int) {
	l := &c.l
	if l.EtherType == EtherTypeIPv4 {
		id := IPv4(frame[l.L3:]).ID()
		c.id, c.step = id, id-c.id
	}
	c.payload[c.n-1] = frame[l.Payload : l.Payload+n]
	c.n++
	c.total += n
	c.last = n < c.size
	if l.Proto == ProtoTCP {
		c.advance(TCP(frame[l.L4:]), n)
	}
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
		if len(ip) != IPv4MinSize || !soundIPv4(ip) {
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
	return c.sameHeaders(frame)
}

// sameHeaders is sameFlow for a frame that has at least as many bytes as the first segment
// has headers. If so, these are of the same kind, and lie at the same places.
func (c *Coalescer) sameHeaders(frame []byte) bool {
	l := &c.l
	// MACs, tags, EtherType: up to 22 bytes.
	if differ64(frame, c.frame, 0)|differ64(frame, c.frame, ethSrc)|differ64(frame, c.frame, l.L3-8) != 0 {
		return false
	}
	a, b := frame[l.L3:l.Payload], c.frame[l.L3:l.Payload]
	if l.EtherType == EtherTypeIPv4 {
		return sameIPv4((*[IPv4MinSize]byte)(a), (*[IPv4MinSize]byte)(b)) && c.sameTransport(a[IPv4MinSize:], b[IPv4MinSize:])
	}
	return sameIPv6((*[IPv6Size]byte)(a), (*[IPv6Size]byte)(b)) && c.sameTransport(a[IPv6Size:], b[IPv6Size:])
}

// sameIPv4 compares all but total length, ID and checksum.
func sameIPv4(a, b *[IPv4MinSize]byte) bool {
	const lengthAndID = 0xffffffff << (8 * ipv4TotalLength) // of the first eight bytes
	d := differ64(a[:], b[:], 0) &^ lengthAndID
	d |= differ16(a[:], b[:], ipv4TTL) // and protocol
	d |= differ64(a[:], b[:], ipv4Src) // and destination
	return d == 0
}

// sameIPv6 compares all but the payload length.
func sameIPv6(a, b *[IPv6Size]byte) bool {
	d := differ32(a[:], b[:], ipv6VersionClass) | differ16(a[:], b[:], ipv6NextHeader)
	d |= differ64(a[:], b[:], ipv6Src) | differ64(a[:], b[:], ipv6Src+8)
	d |= differ64(a[:], b[:], ipv6Dst) | differ64(a[:], b[:], ipv6Dst+8)
	return d == 0
}

func (c *Coalescer) sameTransport(a, b []byte) bool {
	if c.l.Proto != ProtoTCP {
		return differ32(a, b, 0) == 0 // ports
	}
	return sameTCP((*[TCPMinSize]byte)(a), (*[TCPMinSize]byte)(b)) && bytes.Equal(a[TCPMinSize:], b[TCPMinSize:])
}

// sameTCP compares all but sequence number, PSH, FIN and checksum.
func sameTCP(a, b *[TCPMinSize]byte) bool {
	const lastOnly = uint64(TCPPsh|TCPFin) << (8 * (tcpFlags - tcpAck))
	d := differ64(a[:], b[:], tcpAck) &^ lastOnly // and data offset, flags, window
	d |= differ32(a[:], b[:], 0)                  // ports
	d |= differ16(a[:], b[:], tcpUrgent)
	return d == 0
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
	if c.n == 0 || c.n == 1 && c.state != ChecksumPartial {
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

// differ16, 32 and 64 return the bits in which a and b differ from a byte on. Bytes lie in the
// result from the lowest on, and several fields are compared at the price of one.

func differ16(a, b []byte, at int) uint64 {
	return uint64(binary.LittleEndian.Uint16(a[at:]) ^ binary.LittleEndian.Uint16(b[at:]))
}

func differ32(a, b []byte, at int) uint64 {
	return uint64(binary.LittleEndian.Uint32(a[at:]) ^ binary.LittleEndian.Uint32(b[at:]))
}

func differ64(a, b []byte, at int) uint64 {
	return binary.LittleEndian.Uint64(a[at:]) ^ binary.LittleEndian.Uint64(b[at:])
}
