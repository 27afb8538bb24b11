package encap_test

import (
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"pgregory.net/rapid"

	"github.com/vxtap/vxtap/encap"
)

// drawFrame builds a well-formed frame with gopacket, which shares no code with ours.
func drawFrame(t *rapid.T) []byte {
	eth := &layers.Ethernet{DstMAC: drawBytes(t, 6, 6), SrcMAC: drawBytes(t, 6, 6)}
	stack := []gopacket.SerializableLayer{eth}
	typ := &eth.EthernetType
	for range rapid.IntRange(0, 2).Draw(t, "tags") {
		tag := &layers.Dot1Q{VLANIdentifier: rapid.Uint16Range(0, 4095).Draw(t, "vlan")}
		*typ = layers.EthernetTypeDot1Q
		typ = &tag.Type
		stack = append(stack, tag)
	}
	proto := rapid.SampledFrom([]layers.IPProtocol{
		layers.IPProtocolTCP, layers.IPProtocolUDP, layers.IPProtocolICMPv4,
	}).Draw(t, "proto")
	var network gopacket.NetworkLayer
	if rapid.Bool().Draw(t, "ipv6") {
		*typ = layers.EthernetTypeIPv6
		ip, extensions := drawIPv6(t, proto)
		network, stack = ip, append(append(stack, ip), extensions...)
	} else {
		*typ = layers.EthernetTypeIPv4
		ip := drawIPv4(t, proto)
		network, stack = ip, append(stack, ip)
	}
	stack = append(stack, drawTransport(t, proto, network), gopacket.Payload(drawBytes(t, 0, 100)))

	buf := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, stack...)
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func drawBytes(t *rapid.T, least, most int) []byte {
	return rapid.SliceOfN(rapid.Byte(), least, most).Draw(t, "bytes")
}

func drawIPv4(t *rapid.T, proto layers.IPProtocol) *layers.IPv4 {
	ip := &layers.IPv4{
		Version: 4, Protocol: proto, TOS: rapid.Byte().Draw(t, "tos"),
		Id: rapid.Uint16().Draw(t, "id"), TTL: 64, SrcIP: drawBytes(t, 4, 4), DstIP: drawBytes(t, 4, 4),
	}
	for range rapid.IntRange(0, 10).Draw(t, "options") {
		ip.Options = append(ip.Options, layers.IPv4Option{OptionType: 0x88, OptionLength: 4, OptionData: []byte{0, 1}})
	}
	return ip
}

// drawIPv6 returns a header and up to three extension headers that lead to proto.
func drawIPv6(t *rapid.T, proto layers.IPProtocol) (*layers.IPv6, []gopacket.SerializableLayer) {
	ip := &layers.IPv6{
		Version: 6, TrafficClass: rapid.Byte().Draw(t, "class"), FlowLabel: rapid.Uint32Range(0, 0xfffff).Draw(t, "label"),
		HopLimit: 64, SrcIP: drawBytes(t, 16, 16), DstIP: drawBytes(t, 16, 16),
	}
	var extensions []gopacket.SerializableLayer
	next := &ip.NextHeader
	for range rapid.IntRange(0, 3).Draw(t, "extensions") {
		ext := &layers.IPv6Destination{Options: []*layers.IPv6DestinationOption{
			{OptionType: 0x1e, OptionData: make([]byte, 4+8*rapid.IntRange(0, 7).Draw(t, "option"))},
		}}
		*next = layers.IPProtocolIPv6Destination
		next = &ext.NextHeader
		extensions = append(extensions, ext)
	}
	*next = proto
	return ip, extensions
}

func drawTransport(t *rapid.T, proto layers.IPProtocol, network gopacket.NetworkLayer) gopacket.SerializableLayer {
	src, dst := rapid.Uint16().Draw(t, "src"), rapid.Uint16().Draw(t, "dst")
	switch proto {
	case layers.IPProtocolTCP:
		tcp := &layers.TCP{SrcPort: layers.TCPPort(src), DstPort: layers.TCPPort(dst), ACK: true}
		for range rapid.IntRange(0, 40).Draw(t, "nops") {
			tcp.Options = append(tcp.Options, layers.TCPOption{OptionType: layers.TCPOptionKindNop})
		}
		_ = tcp.SetNetworkLayerForChecksum(network) // fails for no IP layer only
		return tcp
	case layers.IPProtocolUDP:
		udp := &layers.UDP{SrcPort: layers.UDPPort(src), DstPort: layers.UDPPort(dst)}
		_ = udp.SetNetworkLayerForChecksum(network)
		return udp
	}
	return &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(8, 0), Id: src, Seq: dst}
}

// A frame that gopacket has built is found to lie where gopacket decodes it, with or
// without padding behind.
func TestLayersAgreeWithGopacket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		padding := make([]byte, rapid.IntRange(0, 20).Draw(t, "padding"))
		frame := append(drawFrame(t), padding...)
		want := decodeLayers(frame)
		var got encap.Layers
		got.Parse(frame)
		if got != want {
			t.Fatalf("% x\ngot  %+v\nwant %+v", frame, got, want)
		}
	})
}

// decodeLayers asks gopacket.
func decodeLayers(frame []byte) (l encap.Layers) {
	p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.NoCopy)
	at := func(l gopacket.Layer) int { return cap(frame) - cap(l.LayerContents()) }
	for _, layer := range p.Layers() {
		switch v := layer.(type) {
		case *layers.Ethernet:
			l.EtherType = uint16(v.EthernetType)
		case *layers.Dot1Q:
			l.Tags++
			l.EtherType = uint16(v.Type)
		case *layers.IPv4:
			l.L3, l.End, l.Proto = at(v), at(v)+int(v.Length), uint8(v.Protocol)
		case *layers.IPv6:
			l.L3, l.End, l.Proto = at(v), at(v)+encap.IPv6Size+int(v.Length), uint8(v.NextHeader)
		case *layers.IPv6Destination:
			l.Proto = uint8(v.NextHeader)
		case *layers.TCP:
			l.L4, l.Payload = at(v), at(v)+int(v.DataOffset)*4
			return l
		case *layers.UDP:
			l.L4, l.Payload = at(v), at(v)+encap.UDPSize
			return l // what it takes the payload for is none of our business
		case *layers.ICMPv4:
			l.L4 = at(v)
		}
	}
	return l
}

// Whatever the bytes, what is found lies inside and in order.
func TestLayersStayInside(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		frame := drawFrame(t)
		for range rapid.IntRange(0, 4).Draw(t, "damages") {
			frame[rapid.IntRange(0, len(frame)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "to")
		}
		frame = frame[:rapid.IntRange(0, len(frame)).Draw(t, "cut")]
		var l encap.Layers
		l.Parse(frame)
		if why := layersFault(frame, &l); why != "" {
			t.Fatalf("%s: %+v in % x", why, l, frame)
		}
	})
}

func FuzzLayers(f *testing.F) {
	f.Add([]byte{})
	f.Add(cat(ethOf(encap.EtherTypeIPv4), ip4Of(encap.ProtoTCP, 0, 4, 20), tcpOf(20)))
	f.Add(cat(ethOf(encap.EtherTypeIPv6, encap.EtherTypeQinQ, encap.EtherTypeVLAN),
		ip6Of(44, 24), fragOf(60, 0, true), extOf(encap.ProtoUDP, 8), udpOf(8)))
	for _, p := range packetKinds() {
		frame, _ := p.frame(f)
		f.Add(frame)
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		var l encap.Layers
		l.Parse(frame)
		if why := layersFault(frame, &l); why != "" {
			t.Fatalf("%s: %+v", why, l)
		}
		tos, ok := encap.InnerTOS(frame, &l)
		encap.SetInnerECN(frame, &l, encap.CE)
		if now, _ := encap.InnerTOS(frame, &l); ok && now != encap.CE.In(tos) {
			t.Fatalf("TOS %#x became %#x", tos, now)
		}
		again := l
		again.Parse(frame)
		if again != l {
			t.Fatalf("parsed as %+v, then as %+v", l, again)
		}
	})
}

// layersFault says what in l contradicts the documentation of encap.Layers.
func layersFault(frame []byte, l *encap.Layers) string {
	ip := l.EtherType == encap.EtherTypeIPv4 || l.EtherType == encap.EtherTypeIPv6
	l4 := map[uint8]int{encap.ProtoTCP: encap.TCPMinSize, encap.ProtoUDP: encap.UDPSize}[l.Proto]
	size := map[uint16]int{encap.EtherTypeIPv4: 4, encap.EtherTypeIPv6: 16}[l.EtherType] // of an address
	switch {
	case l.Tags > 2:
		return "too many tags"
	case l.L3 == 0 && (l.L4 != 0 || l.Payload != 0 || l.End != 0 || l.Fragment):
		return "something without an L3"
	case l.L3 != 0 && l.L3 != encap.EthernetSize+int(l.Tags)*encap.VLANTagSize:
		return "L3 is not behind the tags"
	case ip && l.L3 != 0 && (l.End < l.L3+encap.IPv4MinSize || l.End > len(frame)):
		return "End is outside"
	case !ip && l.L3 != 0 && (l.EtherType != encap.EtherTypeARP || l.End != 0 || l.L3+encap.ARPSize > len(frame)):
		return "neither IP nor ARP"
	case l.L4 != 0 && (l.L4 < l.L3+encap.IPv4MinSize || l.L4 >= l.End || l.L4+l4 > l.End):
		return "L4 is outside"
	case l.Payload != 0 && (l4 == 0 || l.L4 == 0 || l.Payload < l.L4+l4 || l.Payload > l.End):
		return "Payload is outside"
	case l.FinalDst != 0 && (l.FinalDst < l.L3+encap.IPv4MinSize || l.FinalDst+size > l.End):
		return "FinalDst is outside"
	}
	return ""
}

func BenchmarkLayers(b *testing.B) {
	for name, frame := range map[string][]byte{
		"IPv4": cat(ethOf(encap.EtherTypeIPv4), ip4Of(encap.ProtoTCP, 0, 0, 32), tcpOf(32)),
		"IPv6": cat(ethOf(encap.EtherTypeIPv6), ip6Of(encap.ProtoTCP, 32), tcpOf(32)),
		"VLAN": cat(ethOf(encap.EtherTypeIPv4, encap.EtherTypeVLAN), ip4Of(encap.ProtoTCP, 0, 0, 32), tcpOf(32)),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var l encap.Layers
			for b.Loop() {
				l.Parse(frame)
			}
		})
	}
}
