package encap

import "encoding/binary"

// ECN is the congestion codepoint in the low two bits of an IPv4 TOS or an IPv6
// traffic class (RFC 3168 section 5).
type ECN uint8

// ECN codepoints.
const (
	NotECT ECN = 0 // not ECN-capable: congestion is told by drops
	ECT1   ECN = 1
	ECT0   ECN = 2
	CE     ECN = 3 // congestion experienced
)

const ecnMask = 0x03

// ecnDrop stands in the table for a packet that must not be delivered.
const ecnDrop ECN = 0xff

// ecnDecap gives the codepoint to deliver, by inner and outer one: RFC 6040 section
// 4.2, figure 4. Its columns there stand in another order.
var ecnDecap = [4][4]ECN{
	//  outer: NotECT  ECT1    ECT0    CE
	NotECT: {NotECT, NotECT, NotECT, ecnDrop},
	ECT1:   {ECT1, ECT1, ECT1, CE},
	ECT0:   {ECT0, ECT1, ECT0, CE},
	CE:     {CE, CE, CE, CE},
}

// ECNOf returns the codepoint in a TOS or traffic class.
func ECNOf(tos uint8) ECN { return ECN(tos & ecnMask) }

// In returns tos with e in place of its codepoint.
func (e ECN) In(tos uint8) uint8 { return tos&^ecnMask | uint8(e)&ecnMask }

// EncapECN returns the outer codepoint for an inner one: normal mode, which copies
// it, CE included (RFC 6040 section 4.1). Linux still sends CE under an outer [ECT0],
// as RFC 3168 had it; what is delivered is the same.
//
//nolint:revive // It stutters, but its counterpart is DecapECN.
func EncapECN(inner ECN) ECN { return inner & ecnMask }

// DecapECN returns the codepoint that a packet is delivered with once the outer
// header is gone. It is not ok to deliver one whose sender knows no ECN but which met
// congestion: the drop that it is owed was put off by marking the outer header.
func DecapECN(inner, outer ECN) (ecn ECN, ok bool) {
	ecn = ecnDecap[inner&ecnMask][outer&ecnMask]
	return ecn, ecn != ecnDrop
}

// InnerTOS returns the TOS or traffic class of the frame's IP packet, if it has one.
func InnerTOS(frame []byte, l *Layers) (tos uint8, ok bool) {
	switch {
	case l.L3 == 0:
		return 0, false
	case l.EtherType == EtherTypeIPv4:
		return IPv4(frame[l.L3:]).TOS(), true
	case l.EtherType == EtherTypeIPv6:
		return IPv6(frame[l.L3:]).TrafficClass(), true
	}
	return 0, false
}

// SetInnerECN sets the codepoint of the frame's IP packet in place, if it has one, and
// keeps its DSCP. An IPv4 header checksum stays as right or wrong as it was.
func SetInnerECN(frame []byte, l *Layers, ecn ECN) {
	tos, ok := InnerTOS(frame, l)
	if !ok || ECNOf(tos) == ecn {
		return
	}
	if l.EtherType == EtherTypeIPv6 {
		IPv6(frame[l.L3:]).SetTrafficClass(ecn.In(tos))
		return
	}
	p := IPv4(frame[l.L3:])
	old := binary.BigEndian.Uint16(p) // the checksum's word: version, length, TOS
	p.SetTOS(ecn.In(tos))
	p.SetChecksum(UpdateChecksum16(p.Checksum(), old, binary.BigEndian.Uint16(p)))
}
