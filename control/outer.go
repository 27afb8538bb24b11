package control

import (
	"net/netip"

	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/encap"
)

// putOuter appends a datagram to b with the IP and UDP headers that it had on the wire, as
// far as a socket tells: identification and flow label are left out, checksums are those
// that are right.
func (e *endpoint) putOuter(b []byte, f *dataplane.Captured) []byte {
	src, dst := f.Remote, e.node.withPort(netip.AddrPortFrom(e.node.Local, 0))
	if f.Out {
		src, dst = netip.AddrPortFrom(dst.Addr(), e.sourcePort(f)), f.Remote
	}
	size := encap.IPv6Size
	if dst.Addr().Is4() {
		size = encap.IPv4MinSize
	}
	header := make([]byte, size+encap.UDPSize)
	udp := encap.UDP(header[size:])
	udp.SetSrcPort(src.Port())
	udp.SetDstPort(dst.Port())
	udp.SetLength(encap.UDPSize + f.Length)
	if size == encap.IPv4MinSize {
		putOuter4(header, src.Addr(), dst.Addr(), f)
	} else {
		putOuter6(header, src.Addr(), dst.Addr(), f)
	}
	b = append(append(b, header...), f.Data...)
	if len(f.Data) == f.Length { // or it cannot be known
		udp = encap.UDP(b[len(b)-len(f.Data)-encap.UDPSize:])
		udp.SetChecksum(udpChecksum(src.Addr(), dst.Addr(), udp))
	}
	return b
}

func putOuter4(b []byte, src, dst netip.Addr, f *dataplane.Captured) {
	ip := encap.PutIPv4(b)
	ip.SetTOS(f.TOS)
	ip.SetTotalLength(len(b) + f.Length)
	ip.SetDontFragment()
	ip.SetTTL(f.TTL)
	ip.SetProto(encap.ProtoUDP)
	ip.SetSrc(src.As4())
	ip.SetDst(dst.As4())
	ip.SetChecksum(^encap.Sum(b[:encap.IPv4MinSize], 0))
}

func putOuter6(b []byte, src, dst netip.Addr, f *dataplane.Captured) {
	ip := encap.PutIPv6(b)
	ip.SetTrafficClass(f.TOS)
	ip.SetPayloadLength(len(b) - encap.IPv6Size + f.Length)
	ip.SetNextHeader(encap.ProtoUDP)
	ip.SetHopLimit(f.TTL)
	ip.SetSrc(src.As16())
	ip.SetDst(dst.As16())
}

// udpChecksum is the one of RFC 768, over the pseudo-header too (RFC 8200 section 8.1).
func udpChecksum(src, dst netip.Addr, udp []byte) uint16 {
	sum := encap.Sum(src.AsSlice(), 0)
	sum = encap.Sum(dst.AsSlice(), sum)
	n := len(udp)
	sum = encap.Sum([]byte{0, encap.ProtoUDP, byte(n >> 8), byte(n)}, sum)
	if sum = ^encap.Sum(udp, sum); sum == 0 {
		return 0xffff // zero stands for none
	}
	return sum
}

// sourcePort is the port that a datagram left from.
func (e *endpoint) sourcePort(f *dataplane.Captured) uint16 {
	if ports := e.underlay.SourcePorts; f.Source != encap.SourceListen && f.Queue < len(ports) && int(f.Source) < len(ports[f.Queue]) {
		return ports[f.Queue][f.Source]
	}
	return e.node.Port
}
