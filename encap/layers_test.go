package encap_test

import (
	"slices"
	"testing"

	"github.com/vxtap/vxtap/encap"
)

// cat joins the parts of a frame.
func cat(parts ...[]byte) []byte { return slices.Concat(parts...) }

// ethOf returns addresses and the type given, with a tag for each of tpids between.
func ethOf(typ uint16, tpids ...uint16) []byte {
	b := make([]byte, encap.EthernetSize, encap.EthernetSize+8)
	e := encap.Ethernet(b)
	e.SetDst(encap.MAC{2, 0, 0, 0, 0, 2})
	e.SetSrc(encap.MAC{2, 0, 0, 0, 0, 1})
	b = b[:12]
	for _, tpid := range tpids {
		tag := make([]byte, encap.VLANTagSize)
		encap.PutVLANTag(tag, tpid, 7)
		b = append(b, tag...)
	}
	return append(b, byte(typ>>8), byte(typ))
}

// ip4Of returns an IPv4 header with options, for a payload of the length given. Word
// is flags and fragment offset.
func ip4Of(proto uint8, word uint16, options, payload int) []byte {
	b := make([]byte, encap.IPv4MinSize+options)
	p := encap.PutIPv4(b)
	b[0] += byte(options / 4)
	b[6], b[7] = byte(word>>8), byte(word)
	p.SetTotalLength(len(b) + payload)
	p.SetProto(proto)
	p.SetTTL(64)
	p.SetSrc([4]byte{10, 0, 0, 1})
	p.SetDst([4]byte{10, 0, 0, 2})
	return b
}

// ip6Of returns an IPv6 header for a payload of the length given.
func ip6Of(next uint8, payload int) []byte {
	b := make([]byte, encap.IPv6Size)
	p := encap.PutIPv6(b)
	p.SetPayloadLength(payload)
	p.SetNextHeader(next)
	p.SetHopLimit(64)
	p.SetSrc([16]byte{0xfd, 15: 1})
	p.SetDst([16]byte{0xfd, 15: 2})
	return b
}

// tcpOf returns a TCP header of the length given.
func tcpOf(size int) []byte {
	b := make([]byte, size)
	t := encap.TCP(b)
	t.SetHeaderLength(size)
	t.SetSrcPort(40000)
	t.SetDstPort(443)
	return b
}

// udpOf returns a UDP header with the length field given.
func udpOf(length int) []byte {
	b := make([]byte, encap.UDPSize)
	u := encap.UDP(b)
	u.SetSrcPort(40000)
	u.SetDstPort(53)
	u.SetLength(length)
	return b
}

// extOf returns an extension header of 8 bytes or more.
func extOf(next uint8, size int) []byte {
	b := make([]byte, size)
	b[0], b[1] = next, byte(size/8-1)
	return b
}

// fragOf returns an IPv6 fragment header; offset counts bytes.
func fragOf(next uint8, offset uint16, more bool) []byte {
	b := make([]byte, 8)
	if more {
		offset |= 1
	}
	b[0], b[2], b[3], b[7] = next, byte(offset>>8), byte(offset), 9
	return b
}

func TestLayersParse(t *testing.T) {
	const (
		v4, v6, arp                            = encap.EtherTypeIPv4, encap.EtherTypeIPv6, encap.EtherTypeARP
		dot1q, dot1ad                          = encap.EtherTypeVLAN, encap.EtherTypeQinQ
		tcp, udp, icmp                         = encap.ProtoTCP, encap.ProtoUDP, encap.ProtoICMP
		hbh, routing, fragment, ah, dest, none = 0, 43, 44, 51, 60, encap.ProtoNoNext
	)
	pad := make([]byte, 6)
	data := make([]byte, 10)
	authentic := make([]byte, 24) // AH with a 12-byte ICV
	authentic[0], authentic[1] = tcp, 24/4-2
	var chain []byte
	for range 7 {
		chain = append(chain, extOf(dest, 8)...)
	}

	for name, c := range map[string]struct {
		frame []byte
		want  encap.Layers
	}{
		"nothing":      {nil, encap.Layers{}},
		"13 bytes":     {ethOf(v4)[:13], encap.Layers{}},
		"bare type":    {ethOf(v4), encap.Layers{EtherType: v4}},
		"other type":   {cat(ethOf(0x88cc), data), encap.Layers{EtherType: 0x88cc}},
		"802.3 length": {cat(ethOf(10), data), encap.Layers{EtherType: 10}},

		"half a tag":        {ethOf(v4, dot1q)[:17], encap.Layers{}},
		"tag":               {ethOf(0x88cc, dot1q), encap.Layers{EtherType: 0x88cc, Tags: 1}},
		"half a second tag": {ethOf(v4, dot1ad, dot1q)[:20], encap.Layers{Tags: 1}},
		"three tags":        {cat(ethOf(v4, dot1ad, dot1q, dot1q), ip4Of(tcp, 0, 0, 0)), encap.Layers{EtherType: dot1q, Tags: 2}},

		"ARP":        {cat(ethOf(arp), make([]byte, encap.ARPSize)), encap.Layers{EtherType: arp, L3: 14}},
		"ARP tagged": {cat(ethOf(arp, dot1q), make([]byte, encap.ARPSize)), encap.Layers{EtherType: arp, Tags: 1, L3: 18}},
		"ARP short":  {cat(ethOf(arp), make([]byte, encap.ARPSize-1)), encap.Layers{EtherType: arp}},

		"TCP": {cat(ethOf(v4), ip4Of(tcp, 0x4000, 0, 30), tcpOf(20), data),
			encap.Layers{EtherType: v4, Proto: tcp, L3: 14, L4: 34, Payload: 54, End: 64}},
		"TCP padded": {cat(ethOf(v4), ip4Of(tcp, 0, 0, 20), tcpOf(20), pad),
			encap.Layers{EtherType: v4, Proto: tcp, L3: 14, L4: 34, Payload: 54, End: 54}},
		"TCP options": {cat(ethOf(v4, dot1ad, dot1q), ip4Of(tcp, 0, 40, 70), tcpOf(60), data),
			encap.Layers{EtherType: v4, Tags: 2, Proto: tcp, L3: 22, L4: 82, Payload: 142, End: 152}},
		"TCP of 19 bytes": {cat(ethOf(v4), ip4Of(tcp, 0, 0, 19), tcpOf(20)),
			encap.Layers{EtherType: v4, Proto: tcp, L3: 14, End: 53}},
		"TCP header longer than packet": {cat(ethOf(v4), ip4Of(tcp, 0, 0, 20), tcpOf(24)),
			encap.Layers{EtherType: v4, Proto: tcp, L3: 14, L4: 34, End: 54}},
		"TCP header too short": {cat(ethOf(v4), ip4Of(tcp, 0, 0, 20), func() []byte { b := tcpOf(20); b[12] = 4 << 4; return b }()),
			encap.Layers{EtherType: v4, Proto: tcp, L3: 14, L4: 34, End: 54}},

		"UDP": {cat(ethOf(v4), ip4Of(udp, 0, 0, 18), udpOf(18), data),
			encap.Layers{EtherType: v4, Proto: udp, L3: 14, L4: 34, Payload: 42, End: 52}},
		"UDP length is not trusted": {cat(ethOf(v4), ip4Of(udp, 0, 0, 18), udpOf(9000), data),
			encap.Layers{EtherType: v4, Proto: udp, L3: 14, L4: 34, Payload: 42, End: 52}},
		"UDP of 7 bytes": {cat(ethOf(v4), ip4Of(udp, 0, 0, 7), udpOf(8)),
			encap.Layers{EtherType: v4, Proto: udp, L3: 14, End: 41}},
		"ICMP": {cat(ethOf(v4), ip4Of(icmp, 0, 0, 10), data),
			encap.Layers{EtherType: v4, Proto: icmp, L3: 14, L4: 34, End: 44}},
		"IPv4 empty": {cat(ethOf(v4), ip4Of(icmp, 0, 0, 0), pad),
			encap.Layers{EtherType: v4, Proto: icmp, L3: 14, End: 34}},

		"first fragment": {cat(ethOf(v4), ip4Of(udp, 0x2000, 0, 18), udpOf(500), data),
			encap.Layers{EtherType: v4, Proto: udp, Fragment: true, L3: 14, L4: 34, Payload: 42, End: 52}},
		"middle fragment": {cat(ethOf(v4), ip4Of(udp, 0x2001, 0, 10), data),
			encap.Layers{EtherType: v4, Proto: udp, Fragment: true, L3: 14, End: 44}},
		"last fragment": {cat(ethOf(v4), ip4Of(udp, 0x1fff, 0, 10), data),
			encap.Layers{EtherType: v4, Proto: udp, Fragment: true, L3: 14, End: 44}},

		"IPv4 of 19 bytes":     {cat(ethOf(v4), ip4Of(tcp, 0, 0, 0)[:19]), encap.Layers{EtherType: v4}},
		"IPv4 version 5":       {cat(ethOf(v4), []byte{0x55}, ip4Of(tcp, 0, 0, 0)[1:]), encap.Layers{EtherType: v4}},
		"IPv4 header of 16":    {cat(ethOf(v4), []byte{0x44}, ip4Of(tcp, 0, 0, 0)[1:]), encap.Layers{EtherType: v4}},
		"IPv4 header cut":      {cat(ethOf(v4), ip4Of(tcp, 0, 8, 0)[:24]), encap.Layers{EtherType: v4}},
		"IPv4 total too long":  {cat(ethOf(v4), ip4Of(tcp, 0, 0, 11), data), encap.Layers{EtherType: v4}},
		"IPv4 total too short": {cat(ethOf(v4), ip4Of(tcp, 0, 4, -1), data), encap.Layers{EtherType: v4}},
		"IPv4 total zero":      {cat(ethOf(v4), ip4Of(tcp, 0, 0, -20), data), encap.Layers{EtherType: v4}},

		"IPv6 TCP": {cat(ethOf(v6), ip6Of(tcp, 30), tcpOf(20), data),
			encap.Layers{EtherType: v6, Proto: tcp, L3: 14, L4: 54, Payload: 74, End: 84}},
		"IPv6 UDP padded": {cat(ethOf(v6, dot1q), ip6Of(udp, 8), udpOf(8), pad),
			encap.Layers{EtherType: v6, Tags: 1, Proto: udp, L3: 18, L4: 58, Payload: 66, End: 66}},
		"IPv6 no next header": {cat(ethOf(v6), ip6Of(none, 0)),
			encap.Layers{EtherType: v6, Proto: none, L3: 14, End: 54}},
		"IPv6 jumbogram":   {cat(ethOf(v6), ip6Of(tcp, 0), tcpOf(20)), encap.Layers{EtherType: v6}},
		"IPv6 of 39 bytes": {cat(ethOf(v6), ip6Of(tcp, 0)[:39]), encap.Layers{EtherType: v6}},
		"IPv6 version 4":   {cat(ethOf(v6), []byte{0x40}, ip6Of(tcp, 20)[1:], tcpOf(20)), encap.Layers{EtherType: v6}},
		"IPv6 too long":    {cat(ethOf(v6), ip6Of(tcp, 21), tcpOf(20)), encap.Layers{EtherType: v6}},

		"extensions of every kind": {cat(ethOf(v6), ip6Of(hbh, 8+24+16+24+20), extOf(routing, 8), extOf(dest, 24), extOf(ah, 16), authentic, tcpOf(20)),
			encap.Layers{EtherType: v6, Proto: tcp, L3: 14, L4: 126, Payload: 146, End: 146}},
		"eight extensions": {cat(ethOf(v6), ip6Of(dest, 72), chain, extOf(udp, 8), udpOf(8)),
			encap.Layers{EtherType: v6, Proto: udp, L3: 14, L4: 118, Payload: 126, End: 126}},
		"nine extensions": {cat(ethOf(v6), ip6Of(dest, 80), chain, extOf(dest, 8), extOf(udp, 8), udpOf(8)),
			encap.Layers{EtherType: v6, Proto: dest, L3: 14, End: 134}},
		"extension cut": {cat(ethOf(v6), ip6Of(dest, 7), extOf(udp, 8)),
			encap.Layers{EtherType: v6, Proto: dest, L3: 14, End: 61}},
		"extension beyond the packet": {cat(ethOf(v6), ip6Of(dest, 16), extOf(udp, 16*8)[:8], udpOf(8)),
			encap.Layers{EtherType: v6, Proto: udp, L3: 14, End: 70}},
		"extension unknown": {cat(ethOf(v6), ip6Of(135, 16), extOf(udp, 8), udpOf(8)),
			encap.Layers{EtherType: v6, Proto: 135, L3: 14, End: 70}},

		"IPv6 first fragment": {cat(ethOf(v6), ip6Of(fragment, 24), fragOf(dest, 0, true), extOf(udp, 8), udpOf(500)),
			encap.Layers{EtherType: v6, Proto: udp, Fragment: true, L3: 14, L4: 70, Payload: 78, End: 78}},
		"IPv6 later fragment": {cat(ethOf(v6), ip6Of(hbh, 26), extOf(fragment, 8), fragOf(udp, 8, false), data),
			encap.Layers{EtherType: v6, Proto: udp, Fragment: true, L3: 14, End: 80}},
		"IPv6 fragment that holds an atomic one": {cat(ethOf(v6), ip6Of(fragment, 24), fragOf(fragment, 0, true), fragOf(udp, 0, false), udpOf(8)),
			encap.Layers{EtherType: v6, Proto: udp, Fragment: true, L3: 14, L4: 70, Payload: 78, End: 78}},
		"IPv6 atomic fragment": {cat(ethOf(v6), ip6Of(fragment, 16), fragOf(udp, 0, false), udpOf(8)),
			encap.Layers{EtherType: v6, Proto: udp, L3: 14, L4: 62, Payload: 70, End: 70}},
		"IPv6 fragment whose reserved byte is set": {cat(ethOf(v6), ip6Of(fragment, 16), func() []byte { b := fragOf(udp, 0, true); b[1] = 255; return b }(), udpOf(8)),
			encap.Layers{EtherType: v6, Proto: udp, Fragment: true, L3: 14, L4: 62, Payload: 70, End: 70}},
	} {
		t.Run(name, func(t *testing.T) {
			got := encap.Layers{Tags: 9, L3: 1, L4: 2, Payload: 3, End: 4} // of the frame before
			got.Parse(c.frame)
			if got != c.want {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

func TestLayersParseSuperframe(t *testing.T) {
	const payload = 65535 - encap.IPv4MinSize - encap.TCPMinSize
	frame := cat(ethOf(encap.EtherTypeIPv4, encap.EtherTypeQinQ, encap.EtherTypeVLAN),
		ip4Of(encap.ProtoTCP, 0, 0, encap.TCPMinSize+payload), tcpOf(20), make([]byte, payload))
	var l encap.Layers
	l.Parse(frame)
	if l.End != encap.MaxFrame || l.End != len(frame) || l.Payload != 62 {
		t.Errorf("got %+v for a frame of %d bytes", l, len(frame))
	}
}
