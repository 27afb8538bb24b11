package dataplane_test

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/vxtap/vxtap/encap"
)

// etherFrame is a frame of an EtherType for experiments (IEEE 802 local experimental 1).
func etherFrame(dst, src encap.MAC, payload string) []byte {
	f := append(append(append([]byte{}, dst[:]...), src[:]...), 0x88, 0xb5)
	return append(f, payload...)
}

// flow is what the frames of one conversation have in common. The addresses decide
// between IPv4 and IPv6.
type flow struct {
	dst, src     encap.MAC
	dstIP, srcIP string
	dport, sport uint16
	tcp          bool
	tos          uint8
	vlan         uint16 // 0 is untagged
	seq          uint32
}

// flowOf is a UDP flow between two stations of the overlay.
func flowOf(src, dst encap.MAC, ipv6 bool) flow {
	f := flow{src: src, dst: dst, srcIP: "192.168.77.1", dstIP: "192.168.77.2", sport: 40000, dport: 4000}
	if ipv6 {
		f.srcIP, f.dstIP = "fd77::1", "fd77::2"
	}
	return f
}

// frame builds a frame with the payload given, complete by gopacket's lights.
func (f flow) frame(t testing.TB, payload []byte) []byte {
	t.Helper()
	eth := &layers.Ethernet{SrcMAC: f.src[:], DstMAC: f.dst[:]}
	stack := []gopacket.SerializableLayer{eth}
	next := &eth.EthernetType
	if f.vlan != 0 {
		tag := &layers.Dot1Q{VLANIdentifier: f.vlan}
		*next, next = layers.EthernetTypeDot1Q, &tag.Type
		stack = append(stack, tag)
	}
	proto := layers.IPProtocolUDP
	if f.tcp {
		proto = layers.IPProtocolTCP
	}
	src, dst := netip.MustParseAddr(f.srcIP), netip.MustParseAddr(f.dstIP)
	var network gopacket.NetworkLayer
	if src.Is4() {
		*next = layers.EthernetTypeIPv4
		ip := &layers.IPv4{Version: 4, TOS: f.tos, TTL: 64, Id: 7, Protocol: proto, SrcIP: net.IP(src.AsSlice()), DstIP: net.IP(dst.AsSlice())}
		network, stack = ip, append(stack, ip)
	} else {
		*next = layers.EthernetTypeIPv6
		ip := &layers.IPv6{Version: 6, TrafficClass: f.tos, HopLimit: 64, NextHeader: proto, SrcIP: net.IP(src.AsSlice()), DstIP: net.IP(dst.AsSlice())}
		network, stack = ip, append(stack, ip)
	}
	stack = append(stack, f.transport(t, network), gopacket.Payload(payload))
	return serialize(t, stack...)
}

func (f flow) transport(t testing.TB, network gopacket.NetworkLayer) gopacket.SerializableLayer {
	t.Helper()
	if f.tcp {
		l := &layers.TCP{SrcPort: layers.TCPPort(f.sport), DstPort: layers.TCPPort(f.dport), Seq: f.seq, ACK: true, PSH: true, Window: 1000}
		if err := l.SetNetworkLayerForChecksum(network); err != nil {
			t.Fatal(err)
		}
		return l
	}
	l := &layers.UDP{SrcPort: layers.UDPPort(f.sport), DstPort: layers.UDPPort(f.dport)}
	if err := l.SetNetworkLayerForChecksum(network); err != nil {
		t.Fatal(err)
	}
	return l
}

func serialize(t testing.TB, stack ...gopacket.SerializableLayer) []byte {
	t.Helper()
	buf := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buf, opts, stack...); err != nil {
		t.Fatal(err)
	}
	return append([]byte{}, buf.Bytes()...)
}

// arpFrame asks who has dstIP.
func arpFrame(t testing.TB, src encap.MAC, srcIP, dstIP string) []byte {
	t.Helper()
	return serialize(t,
		&layers.Ethernet{SrcMAC: src[:], DstMAC: encap.Broadcast[:], EthernetType: layers.EthernetTypeARP},
		&layers.ARP{
			AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4,
			Operation: layers.ARPRequest, SourceHwAddress: src[:], DstHwAddress: make([]byte, 6),
			SourceProtAddress: netip.MustParseAddr(srcIP).AsSlice(), DstProtAddress: netip.MustParseAddr(dstIP).AsSlice(),
		})
}

// partial leaves the transport checksum of a frame to the network card, as a kernel
// does: the field gets the sum of the pseudo-header. It returns the metadata that go
// with it; with size, those of a superframe.
func partial(frame []byte, size int) encap.Offload {
	var l encap.Layers
	l.Parse(frame)
	o := encap.Offload{NeedsCSUM: true, CSUMStart: uint16(l.L4), CSUMOffset: encap.TCPChecksumOffset}
	if l.Proto == encap.ProtoUDP {
		o.CSUMOffset = encap.UDPChecksumOffset
	}
	binary.BigEndian.PutUint16(frame[o.CSUMStart+o.CSUMOffset:], encap.PseudoHeader(frame, &l))
	if size == 0 {
		return o
	}
	o.SegmentSize, o.HeaderLen = uint16(size), uint16(l.Payload)
	switch {
	case l.Proto == encap.ProtoUDP:
		o.GSO = encap.GSOUDP
	case l.EtherType == encap.EtherTypeIPv4:
		o.GSO = encap.GSOTCP4
	default:
		o.GSO = encap.GSOTCP6
	}
	return o
}

// checked decodes a frame with gopacket and fails the test unless its lengths and its
// checksums are right. It returns the transport payload.
func checked(t testing.TB, frame []byte) []byte {
	t.Helper()
	p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
	if e := p.ErrorLayer(); e != nil {
		t.Fatalf("frame does not decode: %v\n%x", e.Error(), frame)
	}
	again := reserialize(t, p)
	if len(frame) < len(again) && len(again) == 60 { // gopacket pads, we need not
		again = again[:len(frame)]
	}
	if string(again) != string(frame) {
		t.Fatalf("lengths or checksums are wrong:\n got %x\nwant %x", frame, again)
	}
	if app := p.ApplicationLayer(); app != nil {
		return p.TransportLayer().LayerPayload()
	}
	return nil
}

// reserialize builds the packet again with lengths and checksums of gopacket's own.
func reserialize(t testing.TB, p gopacket.Packet) []byte {
	t.Helper()
	var stack []gopacket.SerializableLayer
	for _, l := range p.Layers() {
		switch l := l.(type) {
		case *layers.TCP:
			if err := l.SetNetworkLayerForChecksum(p.NetworkLayer()); err != nil {
				t.Fatal(err)
			}
			stack = append(stack, l, gopacket.Payload(l.LayerPayload()))
			return serialize(t, stack...)
		case *layers.UDP:
			if err := l.SetNetworkLayerForChecksum(p.NetworkLayer()); err != nil {
				t.Fatal(err)
			}
			stack = append(stack, l, gopacket.Payload(l.LayerPayload()))
			return serialize(t, stack...)
		case gopacket.SerializableLayer:
			stack = append(stack, l)
		}
	}
	t.Fatal("no TCP and no UDP")
	return nil
}

// pattern is n bytes that differ from their neighbours and from those 256 further on.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}
