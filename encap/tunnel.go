package encap

import "encoding/binary"

// Protocols that carry others.
const (
	protoIPv4 = 4  // RFC 2003
	protoIPv6 = 41 // RFC 2473, 4213
	protoGRE  = 47 // RFC 2784
)

// TunnelSegmenter cuts up a superframe that lies inside a tunnel of the sender's: VXLAN,
// Geneve, GRE or IP in IP. The kernel describes such a one by what is inside alone, and a
// [Segmenter] would not know it. Each segment is copied, with both its headers. The zero
// TunnelSegmenter has none.
type TunnelSegmenter struct {
	inner Segmenter
	outer Layers // of the superframe
	id    uint16 // IPv4 ID of the next segment, outside
}

// Inside reports whether what is left to do on a frame is inside a tunnel. Layers are those
// of the frame.
func (l *Layers) Inside(o Offload) bool {
	return o.GSO != GSONone && l.L3 != 0 && int(o.CSUMStart) > l.L4
}

// Reset prepares to cut up frame, whose layers are l, as o says. It borrows the frame until
// the last segment was made, and reports false if this is no such superframe.
func (t *TunnelSegmenter) Reset(frame []byte, l *Layers, o Offload) bool {
	inner, ok := innerLayers(frame, l, o)
	if !ok || !t.inner.Reset(frame, &inner, o) {
		return false
	}
	if t.outer = *l; l.EtherType == EtherTypeIPv4 {
		t.id = IPv4(frame[l.L3:]).ID()
	}
	return true
}

// innerLayers finds the inner headers back from where the checksum begins: they end there.
// What lies between them and the outer ones is the tunnel's, and is the same for all segments.
func innerLayers(frame []byte, outer *Layers, o Offload) (inner Layers, ok bool) {
	l4 := int(o.CSUMStart)
	if !outer.Inside(o) || outer.Fragment || outer.L4 == 0 || !carriesAlike(frame, outer) || l4 >= outer.End {
		return inner, false
	}
	inner = Layers{L4: l4, Payload: tcpEnd(frame, l4), End: outer.End, Proto: ProtoTCP}
	if o.GSO == GSOUDP {
		inner.Proto, inner.Payload = ProtoUDP, l4+UDPSize
	}
	if inner.Payload == 0 || inner.Payload > inner.End {
		return inner, false
	}
	for size := IPv4MinSize; size <= 60 && l4-size >= outer.L4; size += 4 {
		ip := frame[l4-size:]
		if ip[0] == byte(0x40|size/4) && ip[9] == inner.Proto && l4-size+int(binary.BigEndian.Uint16(ip[2:])) == outer.End {
			inner.EtherType, inner.L3 = EtherTypeIPv4, l4-size
			return inner, true
		}
	}
	if l4-IPv6Size >= outer.L4 {
		ip := frame[l4-IPv6Size:]
		if ip[0]>>4 == 6 && ip[6] == inner.Proto && l4+int(binary.BigEndian.Uint16(ip[4:])) == outer.End {
			inner.EtherType, inner.L3 = EtherTypeIPv6, l4-IPv6Size
			return inner, true
		}
	}
	return inner, false
}

// carriesAlike reports whether the outer packet is of a protocol that has nothing of its own
// for each segment but what UDP has: GRE may have a checksum or a number.
func carriesAlike(frame []byte, outer *Layers) bool {
	switch outer.Proto {
	case ProtoUDP, protoIPv4, protoIPv6:
		return true
	case protoGRE:
		const checksum, sequence = 0x80, 0x10
		return outer.L4 < len(frame) && frame[outer.L4]&(checksum|sequence) == 0
	}
	return false
}

// Next writes the next segment to b, complete with all its checksums, and returns its length;
// or false when there are no more, or it does not fit.
func (t *TunnelSegmenter) Next(b []byte) (int, bool) {
	size, payload, ok := t.inner.Next(b)
	if !ok || size+len(payload) > len(b) {
		return 0, false
	}
	n := size + copy(b[size:], payload)
	frame, l := b[:n], t.outer
	l.End = n
	if l.EtherType == EtherTypeIPv4 {
		ip := IPv4(frame[l.L3:l.L4])
		ip.SetTotalLength(n - l.L3)
		ip.SetID(t.id)
		ip.SetChecksum(0)
		ip.SetChecksum(^Sum(ip, 0))
		t.id++
	} else {
		IPv6(frame[l.L3:]).SetPayloadLength(n - l.L3 - IPv6Size)
	}
	if l.Proto != ProtoUDP {
		return n, true
	}
	udp := UDP(frame[l.L4:])
	udp.SetLength(n - l.L4)
	if udp.Checksum() != 0 { // or there is none
		udp.SetChecksum(pseudoHeader(frame, &l, n-l.L4))
		CompleteChecksum(frame, Offload{NeedsCSUM: true, CSUMStart: uint16(l.L4), CSUMOffset: UDPChecksumOffset})
	}
	return n, true
}
