package dataplane_test

import (
	"bytes"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

var update = flag.Bool("update", false, "write the captures in testdata anew")

// goldenFrames are frames whose encapsulation is held to the last bit.
func goldenFrames(t *testing.T) map[string][]byte {
	src, dst := station(1), station(2)
	udp4, udp6 := flowOf(src, dst, false), flowOf(src, dst, true)
	tcp4, vlan, ecn := udp4, udp4, udp6
	tcp4.tcp, tcp4.seq = true, 1000
	vlan.vlan = 100
	ecn.tos = 0xb8 | uint8(encap.CE) // EF, congestion experienced
	return map[string][]byte{
		"arp":  arpFrame(t, src, "192.168.77.1", "192.168.77.2"),
		"udp4": udp4.frame(t, []byte("hello over UDP")),
		"udp6": udp6.frame(t, []byte("hello over UDP")),
		"tcp4": tcp4.frame(t, []byte("hello over TCP")),
		"vlan": vlan.frame(t, []byte("hello on VLAN 100")),
		"ecn":  ecn.frame(t, []byte("it is getting crowded")),
	}
}

// The captures can be opened in Wireshark: what a VTEP sends for a known frame and seed,
// with the outer headers that a kernel would put before it.
func TestGoldenCaptures(t *testing.T) {
	for family, addrs := range map[string][2]string{"v4": {"10.9.0.1", "10.9.0.2"}, "v6": {"fd09::1", "fd09::2"}} {
		for name, frame := range goldenFrames(t) {
			t.Run(name+"-over-"+family, func(t *testing.T) {
				var packet []byte
				synctest.Test(t, func(t *testing.T) {
					wire := newWire()
					a := newNode(t, wire, addrs[0], setup{
						network: flooding(addrs[1]), underlay: mem.UnderlayConfig{Sources: mem.MaxSources},
					})
					newStranger(t, wire, addrs[1])
					wire.Tap(func(from, to addrPort, d encap.Datagram) { packet = outerPacket(t, from, to, d) })
					a.port.send(t, frame)
				})
				compareCapture(t, fmt.Sprintf("../testdata/%s-over-%s.pcap", name, family), packet)
			})
		}
	}
}

// outerPacket is a datagram as it would cross an Ethernet.
func outerPacket(t testing.TB, from, to addrPort, d encap.Datagram) []byte {
	t.Helper()
	src, dst := macOf(from.Addr()), macOf(to.Addr())
	eth := &layers.Ethernet{SrcMAC: src[:], DstMAC: dst[:], EthernetType: layers.EthernetTypeIPv4}
	udp := &layers.UDP{SrcPort: layers.UDPPort(from.Port()), DstPort: layers.UDPPort(to.Port())}
	var ip interface {
		gopacket.SerializableLayer
		gopacket.NetworkLayer
	} = &layers.IPv4{
		Version: 4, TOS: d.TOS, TTL: d.TTL, Flags: layers.IPv4DontFragment, Protocol: layers.IPProtocolUDP,
		SrcIP: net.IP(from.Addr().AsSlice()), DstIP: net.IP(to.Addr().AsSlice()),
	}
	if from.Addr().Is6() {
		eth.EthernetType = layers.EthernetTypeIPv6
		ip = &layers.IPv6{
			Version: 6, TrafficClass: d.TOS, HopLimit: d.TTL, NextHeader: layers.IPProtocolUDP,
			SrcIP: net.IP(from.Addr().AsSlice()), DstIP: net.IP(to.Addr().AsSlice()),
		}
	}
	must(t, udp.SetNetworkLayerForChecksum(ip))
	return serialize(t, eth, ip, udp, gopacket.Payload(d.Data))
}

// compareCapture compares a capture of one packet with a file, byte for byte.
func compareCapture(t *testing.T, file string, packet []byte) {
	t.Helper()
	var buf bytes.Buffer
	w := pcapgo.NewWriter(&buf)
	must(t, w.WriteFileHeader(65536, layers.LinkTypeEthernet))
	info := gopacket.CaptureInfo{Timestamp: time.Unix(0, 0).UTC(), CaptureLength: len(packet), Length: len(packet)}
	must(t, w.WritePacket(info, packet))
	if *update {
		must(t, os.WriteFile(filepath.FromSlash(file), buf.Bytes(), 0o644))
	}
	want, err := os.ReadFile(filepath.FromSlash(file))
	must(t, err)
	if !bytes.Equal(buf.Bytes(), want) {
		t.Errorf("%s (go test -update writes it anew):\n got %x\nwant %x", file, buf.Bytes(), want)
	}
}

func TestFlowsSpreadOverSourcePorts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := newWire()
		a := newNode(t, wire, "10.9.0.1", setup{
			network: flooding("10.9.0.2"), underlay: mem.UnderlayConfig{Sources: mem.MaxSources},
		})
		newStranger(t, wire, "10.9.0.2")
		var port uint16
		wire.Tap(func(from, _ addrPort, _ encap.Datagram) { port = from.Port() })
		of := make(map[uint16]uint16) // source port by flow
		used := make(map[uint16]bool)
		for range 3 {
			for sport := range uint16(10) {
				f := flowOf(station(1), station(2), false)
				f.sport = 1000 + sport
				a.port.send(t, f.frame(t, pattern(int(sport))))
				if before, seen := of[sport]; seen && before != port {
					t.Errorf("flow %d changed from port %d to %d", sport, before, port)
				}
				of[sport], used[port] = port, true
				if port < mem.SourcePortBase {
					t.Errorf("source port %d", port)
				}
			}
		}
		if len(used) < 2 {
			t.Errorf("ten flows from %d source ports", len(used))
		}
	})
}
