package encap_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/vxtap/vxtap/encap"
)

// tunnelled describes a frame inside a tunnel, which gopacket then makes.
type tunnelled struct {
	name      string
	outer6    bool
	carrier   layers.IPProtocol
	keyed     bool // GRE with a key
	unchecked bool // VXLAN without a checksum, as is usual
	tagged    bool
	inner6    bool
	udp       bool
}

var tunnels = []tunnelled{
	{name: "VXLAN", carrier: layers.IPProtocolUDP},
	{name: "VXLAN, IPv6", carrier: layers.IPProtocolUDP, outer6: true, inner6: true},
	{name: "VXLAN, IPv6 in IPv4", carrier: layers.IPProtocolUDP, inner6: true},
	{name: "VXLAN without checksum", carrier: layers.IPProtocolUDP, unchecked: true},
	{name: "VXLAN with UDP inside", carrier: layers.IPProtocolUDP, udp: true, tagged: true},
	{name: "GRE", carrier: layers.IPProtocolGRE},
	{name: "GRE with a key", carrier: layers.IPProtocolGRE, keyed: true, tagged: true},
	{name: "IP in IP", carrier: layers.IPProtocolIPv4},
	{name: "IPv6 in IP", carrier: layers.IPProtocolIPv6, inner6: true, udp: true},
}

// ip makes an IP header of either version.
func (c tunnelled) ip(v6 bool, proto layers.IPProtocol, id uint16) (gopacket.SerializableLayer, gopacket.NetworkLayer, layers.EthernetType) {
	if v6 {
		l := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: proto, SrcIP: bytes.Repeat([]byte{1}, 16), DstIP: bytes.Repeat([]byte{2}, 16)}
		return l, l, layers.EthernetTypeIPv6
	}
	l := &layers.IPv4{Version: 4, TTL: 64, Id: id, Protocol: proto, SrcIP: []byte{10, 0, 0, 1}, DstIP: []byte{10, 0, 0, 2}}
	return l, l, layers.EthernetTypeIPv4
}

// frame makes segment i of so many that each hold size bytes.
func (c tunnelled) frame(t *testing.T, i, size int, payload []byte, last bool) []byte {
	t.Helper()
	proto := layers.IPProtocolTCP
	if c.udp {
		proto = layers.IPProtocolUDP
	}
	outer, outerNet, outerType := c.ip(c.outer6, c.carrier, 0xfffe+uint16(i))
	inner, innerNet, innerType := c.ip(c.inner6, proto, 0xffff+uint16(i))
	eth := func(typ layers.EthernetType) *layers.Ethernet {
		return &layers.Ethernet{SrcMAC: []byte{2, 0, 0, 0, 0, 1}, DstMAC: []byte{2, 0, 0, 0, 0, 2}, EthernetType: typ}
	}
	stack := []gopacket.SerializableLayer{eth(outerType), outer}
	if c.tagged {
		stack = []gopacket.SerializableLayer{eth(layers.EthernetTypeDot1Q), &layers.Dot1Q{VLANIdentifier: 7, Type: outerType}, outer}
	}
	switch c.carrier {
	case layers.IPProtocolUDP:
		u := &layers.UDP{SrcPort: 55555, DstPort: 4789}
		_ = u.SetNetworkLayerForChecksum(outerNet)
		stack = append(stack, u, &layers.VXLAN{ValidIDFlag: true, VNI: 7}, eth(innerType))
	case layers.IPProtocolGRE:
		stack = append(stack, &layers.GRE{Protocol: innerType, KeyPresent: c.keyed, Key: 5})
	}
	if c.udp {
		u := &layers.UDP{SrcPort: 1, DstPort: 2}
		_ = u.SetNetworkLayerForChecksum(innerNet)
		stack = append(stack, inner, u)
	} else {
		s := &layers.TCP{SrcPort: 1, DstPort: 2, Seq: 0xffffff00 + uint32(i*size), ACK: true, PSH: last, Window: 9}
		_ = s.SetNetworkLayerForChecksum(innerNet)
		stack = append(stack, inner, s)
	}
	b := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, append(stack, gopacket.Payload(payload))...)
	if err != nil {
		t.Fatal(err)
	}
	f := b.Bytes()
	if c.unchecked {
		var l encap.Layers
		l.Parse(f)
		encap.UDP(f[l.L4:]).SetChecksum(0)
	}
	return f
}

// superframe makes all segments in one, and says what is left to do.
func (c tunnelled) superframe(t *testing.T, size int, payload []byte) ([]byte, encap.Layers, encap.Offload) {
	t.Helper()
	f := c.frame(t, 0, size, payload, true)
	var l encap.Layers
	l.Parse(f)
	header := len(f) - len(payload)
	o := encap.Offload{NeedsCSUM: true, GSO: encap.GSOTCP4, SegmentSize: uint16(size), HeaderLen: uint16(header),
		CSUMStart: uint16(header - encap.TCPMinSize), CSUMOffset: encap.TCPChecksumOffset}
	switch {
	case c.udp:
		o.GSO, o.CSUMStart, o.CSUMOffset = encap.GSOUDP, uint16(header-encap.UDPSize), encap.UDPChecksumOffset
	case c.inner6:
		o.GSO = encap.GSOTCP6
	}
	// The field holds the sum of the pseudo-header.
	l4 := f[o.CSUMStart:]
	pseudo := append([]byte{0, encap.ProtoTCP}, byte(len(l4)>>8), byte(len(l4)))
	if c.udp {
		pseudo[1] = encap.ProtoUDP
	}
	addresses := 2 * 4
	if c.inner6 {
		addresses = 2 * 16
	}
	pseudo = append(pseudo, f[int(o.CSUMStart)-addresses:o.CSUMStart]...)
	binary.BigEndian.PutUint16(l4[o.CSUMOffset:], encap.Sum(pseudo, 0))
	return f, l, o
}

// Each segment is the frame that gopacket makes of it.
func TestTunnelSegmenter(t *testing.T) {
	const size = 1000
	payload := payloadOf(10*size + 77)
	var s encap.TunnelSegmenter
	for _, c := range tunnels {
		f, l, o := c.superframe(t, size, payload)
		if !l.Inside(o) || !s.Reset(f, &l, o) {
			t.Errorf("%s: %+v is not cut up", c.name, o)
			continue
		}
		buf := make([]byte, 2000)
		for i := range 11 {
			part := payload[i*size : min((i+1)*size, len(payload))]
			n, ok := s.Next(buf)
			if want := c.frame(t, i, size, part, i == 10); !ok || !bytes.Equal(buf[:n], want) {
				t.Errorf("%s, segment %d:\n got %x\nwant %x", c.name, i, buf[:min(n, 150)], want[:min(len(want), 150)])
			}
		}
		if n, ok := s.Next(buf); ok {
			t.Errorf("%s: one more, of %d bytes", c.name, n)
		}
	}
}

// What is not inside a tunnel, or of which each segment would need more than is known of it,
// is refused.
func TestTunnelSegmenterRefuses(t *testing.T) {
	vxlan, gre := tunnels[0], tunnels[5]
	var s encap.TunnelSegmenter
	for name, spoil := range map[string]func(f []byte, o *encap.Offload){
		"numbered GRE":       func(f []byte, _ *encap.Offload) { f[34] |= 0x10 },
		"GRE with checksum":  func(f []byte, _ *encap.Offload) { f[34] |= 0x80 },
		"no superframe":      func(_ []byte, o *encap.Offload) { o.GSO = encap.GSONone },
		"nothing inside":     func(f []byte, o *encap.Offload) { o.CSUMStart = 34 },
		"another protocol":   func(f []byte, _ *encap.Offload) { f[23] = 89 },
		"inner length wrong": func(f []byte, o *encap.Offload) { f[int(o.CSUMStart)-18]++ },
		"other kind inside":  func(_ []byte, o *encap.Offload) { o.GSO = encap.GSOTCP6 },
		"starts behind":      func(f []byte, o *encap.Offload) { o.CSUMStart = uint16(len(f)) },
		"header too long":    func(f []byte, o *encap.Offload) { f[int(o.CSUMStart)+12] = 0xf0 },
		"header too short":   func(f []byte, o *encap.Offload) { f[int(o.CSUMStart)+12] = 0x40 },
	} {
		f, l, o := gre.superframe(t, 16, payloadOf(30))
		if spoil(f, &o); s.Reset(f, &l, o) && name != "another protocol" {
			t.Errorf("%s: cut up as %+v", name, o)
		}
		l.Parse(f)
		if s.Reset(f, &l, o) {
			t.Errorf("%s, read again: cut up as %+v", name, o)
		}
	}
	f, l, o := vxlan.superframe(t, 1000, payloadOf(5000))
	if !s.Reset(f, &l, o) {
		t.Fatal("not cut up")
	}
	if n, ok := s.Next(make([]byte, 1000)); ok {
		t.Errorf("%d bytes of a segment in 1000", n)
	}
}

// Whatever the bytes, cutting up ends, and stays within them.
func FuzzTunnelSegmenter(f *testing.F) {
	t := new(testing.T)
	for _, c := range tunnels {
		frame, _, o := c.superframe(t, 16, payloadOf(60))
		f.Add(frame, uint8(o.GSO), o.CSUMStart, o.HeaderLen, o.SegmentSize)
	}
	f.Fuzz(func(t *testing.T, frame []byte, gso uint8, start, header, size uint16) {
		o := encap.Offload{NeedsCSUM: true, GSO: encap.GSO(gso % 4), CSUMStart: start, CSUMOffset: encap.TCPChecksumOffset, HeaderLen: header, SegmentSize: size}
		var l encap.Layers
		l.Parse(frame)
		var s encap.TunnelSegmenter
		if !s.Reset(frame, &l, o) {
			return
		}
		buf := make([]byte, encap.MaxFrame)
		total := 0
		for _, ok := s.Next(buf); ok; _, ok = s.Next(buf) {
			if total++; total > len(frame) {
				t.Fatalf("%d segments of a frame of %d bytes", total, len(frame))
			}
		}
	})
}
