//go:build linux

package main

import (
	"fmt"
	"net"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/dataplane/netlab"
)

// ECN codepoints (RFC 3168 section 5).
const (
	notECT = iota
	ect1
	ect0
	ce
)

// dropped stands for a packet that must not be delivered.
const dropped = 0xff

// ecnDelivered is figure 4 of RFC 6040: inner codepoint, then outer.
var ecnDelivered = [4][4]uint8{
	notECT: {notECT: notECT, ect0: notECT, ect1: notECT, ce: dropped},
	ect0:   {notECT: ect0, ect0: ect0, ect1: ect1, ce: ce},
	ect1:   {notECT: ect1, ect0: ect1, ect1: ect1, ce: ce},
	ce:     {notECT: ce, ect0: ce, ect1: ce, ce: ce},
}

// A sender with sockets of its own sets each pair of codepoints; a socket in the overlay
// receives what RFC 6040 says, with the rest of the TOS byte and the TTL untouched.
func TestECN(t *testing.T) {
	t.Parallel()
	for _, driver := range []string{"auto", "off"} {
		for _, f := range families {
			t.Run("offload "+driver+"/"+f.name, func(t *testing.T) {
				t.Parallel()
				a, b := newPair(t, netlab.LinkConfig{})
				v := startVXTAP(t, a, "--vni", "42", "--local", f.a, "--offload", driver,
					"--address", innerA+"/24", "--address", innerA6+"/64")
				inside := delivered(t, a, "vx42")
				mac := hardwareAddr(t, a, "vx42")
				foreign := newForeigner(t, b, f.a)
				for inner := range uint8(4) {
					for outer := range uint8(4) {
						setTOS(t, foreign.conn, 0xb8|outer)
						ecnPair(t, a, foreign, inside, mac, inner, outer, ecnDelivered[inner][outer])
					}
				}
				const drops = 2 // a packet that is marked but unable, of each family
				var in api.Direction
				eventually(t, "all frames are counted", func() bool {
					in = v.stats().In
					return in.Forwarded+in.Dropped == 32
				})
				if in.Dropped != drops || in.Drops["ecn"] != drops {
					t.Errorf("%d of 32 frames are to be dropped: %+v", drops, in)
				}
			})
		}
	}
}

// ecnPair sends one packet of each family with this pair of codepoints, and expects
// want inside.
func ecnPair(t *testing.T, a *netlab.Host, foreign *foreigner, inside *netlab.Capture, mac net.HardwareAddr, inner, outer, want uint8) {
	t.Helper()
	const af21, innerTTL = 0x48, 7
	for _, dst := range []string{innerA, innerA6} {
		in, err := a.ListenPacket("udp", net.JoinHostPort(dst, "0"))
		check(t, err)
		port := in.LocalAddr().(*net.UDPAddr).Port
		payload := label(fmt.Sprintf("%s %d %d", dst, inner, outer))
		foreign.send(42, 0, udpFrame(t, mac, dst, port, af21|inner, innerTTL, payload))
		if want != dropped {
			expect(t, in, payload)
			got := waitFor(t, inside, payload)
			if tos, ttl := innerTOS(got.Data), innerTTLOf(got.Data); tos != af21|want || ttl != innerTTL {
				t.Errorf("to %s, inner %d, outer %d: arrived with TOS %#x and TTL %d, not TOS %#x", dst, inner, outer, tos, ttl, af21|want)
			}
		}
		in.Close()
	}
}

// udpFrame makes a frame with a UDP datagram from another host of the overlay.
func udpFrame(t *testing.T, mac net.HardwareAddr, dst string, port int, tos uint8, ttl uint8, payload []byte) []byte {
	t.Helper()
	eth := &layers.Ethernet{SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 9}, DstMAC: mac}
	udp := &layers.UDP{SrcPort: 4000, DstPort: layers.UDPPort(port)}
	var network interface {
		gopacket.NetworkLayer
		gopacket.SerializableLayer
	}
	if ip(dst).Is4() {
		eth.EthernetType = layers.EthernetTypeIPv4
		network = &layers.IPv4{
			Version: 4, TOS: tos, TTL: ttl, Protocol: layers.IPProtocolUDP,
			SrcIP: net.ParseIP("192.168.77.9"), DstIP: ip(dst).AsSlice(),
		}
	} else {
		eth.EthernetType = layers.EthernetTypeIPv6
		network = &layers.IPv6{
			Version: 6, TrafficClass: tos, HopLimit: ttl, NextHeader: layers.IPProtocolUDP,
			SrcIP: net.ParseIP("fd77::9"), DstIP: ip(dst).AsSlice(),
		}
	}
	check(t, udp.SetNetworkLayerForChecksum(network))
	buf := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	check(t, gopacket.SerializeLayers(buf, opts, eth, network, udp, gopacket.Payload(payload)))
	return buf.Bytes()
}

// innerTOS returns TOS or traffic class of a frame.
func innerTOS(frame []byte) uint8 {
	switch ip := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.NoCopy).NetworkLayer().(type) {
	case *layers.IPv4:
		return ip.TOS
	case *layers.IPv6:
		return ip.TrafficClass
	}
	return 0
}

// innerTTLOf returns TTL or hop limit of a frame.
func innerTTLOf(frame []byte) uint8 {
	switch ip := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.NoCopy).NetworkLayer().(type) {
	case *layers.IPv4:
		return ip.TTL
	case *layers.IPv6:
		return ip.HopLimit
	}
	return 0
}
