//go:build linux

package main

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/encap"
)

// newSealedSegment makes hosts on one segment, of which the first two have a sealed network
// between them.
func newSealedSegment(t *testing.T, n int) (hosts []*netlab.Host, va, vb *child) {
	t.Helper()
	hosts = newSegment(t, n)
	silence(t, hosts...)
	va = startVXTAP(t, hosts[0], append(sealedArgs(t, "both", sealedA, "10.9.0.1", sealedB.Public(), "10.9.0.2"), "--address", innerA+"/24")...)
	vb = startVXTAP(t, hosts[1], append(sealedArgs(t, "both", sealedB, "10.9.0.2", sealedA.Public(), "10.9.0.1"), "--address", innerB+"/24")...)
	waitEpoch(t, 1, va, vb)
	return hosts, va, vb
}

// Clear text for a sealed network is counted and does not arrive, whoever sends it: a
// stranger, one in the name of the peer, the peer itself, a VXLAN device of the kernel.
func TestSealedDropsClearText(t *testing.T) {
	t.Parallel()
	hosts, va, vb := newSealedSegment(t, 3)
	a, b, c := hosts[0], hosts[1], hosts[2]
	check(t, a.SetUnderlay("eth0", netlab.Bare))
	inside := delivered(t, a, "vx42")
	left := capture(t, a, "eth0", func(f netlab.Frame) bool { return f.Outgoing && isPlain(f) })
	check(t, c.KernelVXLAN(netlab.VXLANConfig{Name: "vx42", VNI: 42, Local: ip("10.9.0.3"), Remotes: []netip.Addr{ip("10.9.0.1")}, MTU: 1450}))

	src := encap.MAC{2, 0, 0, 0, 0, 9}
	clear := frame(broadcast, src, label("clear text"))
	stranger, peer := newForeigner(t, c, "10.9.0.1"), newForeigner(t, b, "10.9.0.1")
	for n, send := range []func(){
		func() { stranger.send(42, 0, clear) },
		func() { stranger.send(42, 1<<63, clear) }, // not even the flags are looked at
		func() { stranger.send(42, 0, clear[:10]) },
		func() { peer.send(42, 0, clear) },
		func() { inject(t, c, "eth0", forged(t, c, a, "10.9.0.2", "10.9.0.1", vxlanPacket(1<<59|42<<8, clear))) },
		func() { inject(t, c, "vx42", clear) },
	} {
		send()
		eventually(t, "clear text is counted", func() bool { return va.drops()["in clear_text"] == uint64(n+1) })
	}

	// What is sealed arrives, and shows that all before it did not.
	text := label("sealed")
	inject(t, b, "vx42", frame(broadcast, encap.MAC{2, 0, 0, 0, 0, 8}, text))
	waitFor(t, inside, text)
	if n := len(inside.Frames()); n != 1 {
		t.Errorf("%d frames arrived", n)
	}
	if e, ok := va.entry(src); ok {
		t.Errorf("of clear text was learned %+v", e)
	}
	ping(t, a, innerB)
	if n := len(left.Frames()); n > 0 {
		t.Errorf("%d packets left in clear, the first %x", n, left.Frames()[0].Data)
	}
	if r := vxtap(within(t), va.socket, "stats"); r.code != exitDone || !strings.Contains(strings.Join(strings.Fields(r.stdout), " "), "clear_text 0 6") {
		t.Errorf("stats: %+v", r)
	}
	if drops := vb.drops(); len(drops) > 0 {
		t.Error("the other end has dropped", drops)
	}
}

// forged makes a frame of the underlay with a datagram that seems to come from a VTEP at
// src, but is sent by the host from.
func forged(t *testing.T, from, to *netlab.Host, src, dst string, payload []byte) []byte {
	t.Helper()
	eth := &layers.Ethernet{SrcMAC: hardwareAddr(t, from, "eth0"), DstMAC: hardwareAddr(t, to, "eth0"), EthernetType: layers.EthernetTypeIPv4}
	outer := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: net.ParseIP(src), DstIP: net.ParseIP(dst)}
	udp := &layers.UDP{SrcPort: 4789, DstPort: 4789}
	check(t, udp.SetNetworkLayerForChecksum(outer))
	buf := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	check(t, gopacket.SerializeLayers(buf, opts, eth, outer, udp, gopacket.Payload(payload)))
	return buf.Bytes()
}
