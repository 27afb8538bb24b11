package encap_test

import (
	"bytes"
	"net"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"pgregory.net/rapid"

	"github.com/vxtap/vxtap/encap"
)

// packet describes a TCP or UDP frame, which gopacket then makes: lengths and checksums
// are a second opinion on ours.
type packet struct {
	name    string
	v6      bool
	udp     bool
	tags    int
	options bool // of IPv4 and of TCP
	accECN  bool // CWR is part of a counter
	route   route
	id      uint16
	seq     uint32
	flags   encap.TCPFlags
	payload []byte
}

// packetKinds returns one packet of each kind that the code tells apart.
func packetKinds() []packet {
	const all = encap.TCPFin | encap.TCPPsh | encap.TCPAck | encap.TCPCwr
	return []packet{
		{name: "tcp4", id: 0xfffe, seq: 7, flags: encap.TCPAck},
		{name: "tcp4 options", options: true, id: 9, seq: 0xfffffff0, flags: all},
		{name: "tcp4 tagged", tags: 1, seq: 1, flags: encap.TCPPsh},
		{name: "tcp6", v6: true, seq: 1, flags: all},
		{name: "tcp6 options tags", v6: true, tags: 2, options: true, flags: encap.TCPFin},
		{name: "udp4", udp: true, id: 3},
		{name: "udp4 options tag", udp: true, tags: 1, options: true},
		{name: "udp6", v6: true, udp: true},
		{name: "udp6 tags", v6: true, udp: true, tags: 2},
		{name: "tcp4 AccECN", accECN: true, seq: 5, flags: encap.TCPAck | encap.TCPCwr},
		{name: "tcp4 source route", seq: 1, flags: all, route: route4},
		{name: "tcp6 segment routing", v6: true, seq: 3, flags: all, route: routeSegments},
		{name: "tcp6 long headers", v6: true, tags: 2, flags: all, route: routeLong},
		{name: "udp6 routing header", v6: true, udp: true, tags: 1, route: routeType0},
	}
}

// payloadOf returns n bytes without a pattern that a checksum could miss.
func payloadOf(n int) []byte {
	b := make([]byte, n)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

// frame returns the packet with complete checksums.
func (p packet) frame(t rapid.TB) ([]byte, encap.Layers) {
	t.Helper()
	buf := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buf, opts, p.layers(t)...); err != nil {
		t.Fatal(err)
	}
	var l encap.Layers
	l.Parse(buf.Bytes())
	if l.End != l.Payload+len(p.payload) {
		t.Fatalf("%s: made a frame with layers %+v", p.name, l)
	}
	return buf.Bytes()[:l.End], l // gopacket pads to 60 bytes
}

// partial returns the packet with a partial checksum, and the offload that says so.
func (p packet) partial(t rapid.TB) ([]byte, encap.Offload) {
	t.Helper()
	frame, l := p.frame(t)
	addresses := frame[l.L3+12 : l.L3+20]
	if p.v6 {
		addresses = frame[l.L3+8 : l.L3+40]
	}
	if n := len(p.route.final); n > 0 {
		addresses = append(bytes.Clone(addresses[:len(addresses)-n]), p.route.final...)
	}
	length := l.End - l.L4
	sum := plainSum([]byte{0, l.Proto, byte(length >> 8), byte(length)}, 0)
	p.setChecksum(frame, &l, plainSum(addresses, sum))
	o := encap.Offload{NeedsCSUM: true, CSUMStart: uint16(l.L4), CSUMOffset: 16}
	if p.udp {
		o.CSUMOffset = 6
	}
	return frame, o
}

func (p packet) setChecksum(frame []byte, l *encap.Layers, v uint16) {
	if p.udp {
		encap.UDP(frame[l.L4:]).SetChecksum(v)
		return
	}
	encap.TCP(frame[l.L4:]).SetChecksum(v)
}

func (p packet) gso() encap.GSO {
	switch {
	case p.udp:
		return encap.GSOUDP
	case p.v6:
		return encap.GSOTCP6
	}
	return encap.GSOTCP4
}

// transportSize is the length of the packet's transport header.
func (p packet) transportSize() int {
	switch {
	case p.udp:
		return 8
	case p.options:
		return 32
	}
	return 20
}

func (p packet) layers(t rapid.TB) []gopacket.SerializableLayer {
	network, checksummed := p.network(layers.IPProtocolTCP)
	if p.udp {
		network, checksummed = p.network(layers.IPProtocolUDP)
	}
	stack := append(p.ethernet(), network)
	if p.v6 && len(p.route.header) > 0 {
		stack = append(stack, p.route.before(p.udp))
	}
	return append(stack, p.transport(t, checksummed), gopacket.Payload(p.payload))
}

func (p packet) ethernet() []gopacket.SerializableLayer {
	typ := layers.EthernetTypeIPv4
	if p.v6 {
		typ = layers.EthernetTypeIPv6
	}
	eth := &layers.Ethernet{
		SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, DstMAC: net.HardwareAddr{2, 0, 0, 0, 0, 2},
		EthernetType: typ,
	}
	out := []gopacket.SerializableLayer{eth}
	for range p.tags {
		out = append(out, &layers.Dot1Q{VLANIdentifier: 5, Type: typ})
	}
	if p.tags > 0 {
		eth.EthernetType = layers.EthernetTypeDot1Q
	}
	if p.tags > 1 {
		out[1].(*layers.Dot1Q).Type = layers.EthernetTypeDot1Q
	}
	return out
}

func (p packet) network(proto layers.IPProtocol) (gopacket.SerializableLayer, gopacket.NetworkLayer) {
	if p.v6 {
		ip := &layers.IPv6{
			Version: 6, HopLimit: 64, NextHeader: proto, TrafficClass: 2, FlowLabel: 0x12345,
			SrcIP: net.ParseIP("fd00::1"), DstIP: net.ParseIP("fd00::2"),
		}
		if len(p.route.header) == 0 {
			return ip, ip
		}
		end := *ip
		if len(p.route.final) > 0 {
			end.DstIP = p.route.final
		}
		ip.NextHeader = p.route.next
		return ip, &end
	}
	ip := &layers.IPv4{
		Version: 4, IHL: 5, TTL: 64, Id: p.id, TOS: 2, Flags: layers.IPv4DontFragment,
		Protocol: proto, SrcIP: net.IPv4(10, 0, 0, 1), DstIP: net.IPv4(10, 0, 0, 2),
	}
	if p.options { // router alert (RFC 2113)
		ip.Options = []layers.IPv4Option{{OptionType: 148, OptionLength: 4, OptionData: []byte{0, 0}}}
	}
	if len(p.route.header) == 0 {
		return ip, ip
	}
	ip.Options = append(ip.Options, layers.IPv4Option{
		OptionType: p.route.header[0], OptionLength: p.route.header[1], OptionData: p.route.header[2:],
	})
	end := *ip
	end.DstIP = p.route.final
	return ip, &end
}

func (p packet) transport(t rapid.TB, ip gopacket.NetworkLayer) gopacket.SerializableLayer {
	if p.udp {
		udp := &layers.UDP{SrcPort: 1000, DstPort: 2000}
		if err := udp.SetNetworkLayerForChecksum(ip); err != nil {
			t.Fatal(err)
		}
		return udp
	}
	tcp := &layers.TCP{
		SrcPort: 1000, DstPort: 2000, Seq: p.seq, Ack: 99, Window: 512,
		FIN: p.flags&encap.TCPFin != 0, PSH: p.flags&encap.TCPPsh != 0,
		ACK: p.flags&encap.TCPAck != 0, CWR: p.flags&encap.TCPCwr != 0,
	}
	if p.options { // two no-ops and a timestamp (RFC 7323)
		tcp.Options = []layers.TCPOption{{OptionType: 1}, {OptionType: 1},
			{OptionType: 8, OptionLength: 10, OptionData: []byte{1, 2, 3, 4, 5, 6, 7, 8}}}
	}
	if err := tcp.SetNetworkLayerForChecksum(ip); err != nil {
		t.Fatal(err)
	}
	return tcp
}
