package pcapfilter_test

import (
	"net"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// packet is one of those that filters are tried on, as Ethernet frame.
type packet struct {
	name string
	data []byte
}

var (
	macA, macB = net.HardwareAddr{2, 0, 0, 0, 0, 1}, net.HardwareAddr{2, 0, 0, 0, 0, 2}
	group      = net.HardwareAddr{1, 0, 0x5e, 0, 0, 1}
	everybody  = net.HardwareAddr{255, 255, 255, 255, 255, 255}
)

// packets are of every kind that expressions ask about.
func packets(t testing.TB) (list []packet) {
	add := func(name string, stack ...gopacket.SerializableLayer) {
		buf := gopacket.NewSerializeBuffer()
		if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true}, stack...); err != nil {
			t.Fatal(err)
		}
		list = append(list, packet{name, append([]byte{}, buf.Bytes()...)})
	}
	for _, tags := range [][]uint16{nil, {10}, {10, 20}} {
		for _, tr := range transports() {
			for _, way := range []string{"there", "back"} {
				for _, version := range []int{4, 6} {
					stack := ether(tags, map[int]layers.EthernetType{4: layers.EthernetTypeIPv4, 6: layers.EthernetTypeIPv6}[version], way == "back")
					add(tr.name, append(append(stack, network(version, tr, way == "back")...), tr.layer(way == "back"), gopacket.Payload(make([]byte, tr.payload)))...)
				}
			}
		}
		arp := &layers.ARP{
			AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4, Operation: 1,
			SourceHwAddress: macA, SourceProtAddress: []byte{10, 9, 0, 1}, DstHwAddress: make([]byte, 6), DstProtAddress: []byte{10, 9, 1, 2},
		}
		stack := ether(tags, layers.EthernetTypeARP, false)
		stack[0].(*layers.Ethernet).DstMAC = everybody
		add("arp", append(stack, arp)...)
	}
	mc := &layers.IPv4{Version: 4, TTL: 1, Protocol: layers.IPProtocolUDP, SrcIP: net.IP{10, 9, 0, 1}, DstIP: net.IP{224, 0, 0, 1}}
	add("multicast", &layers.Ethernet{SrcMAC: macA, DstMAC: group, EthernetType: layers.EthernetTypeIPv4}, mc, &layers.UDP{SrcPort: 1, DstPort: 53})
	return list
}

// transport is what a packet carries.
type transport struct {
	name     string
	proto    layers.IPProtocol
	src, dst uint16
	payload  int
	fragment uint16 // offset, in units of 8 bytes
	options  bool   // of IPv4
}

func transports() []transport {
	return []transport{
		{name: "http", proto: layers.IPProtocolTCP, src: 40000, dst: 80, payload: 100},
		{name: "https", proto: layers.IPProtocolTCP, src: 40001, dst: 443, payload: 1400, options: true},
		{name: "dns", proto: layers.IPProtocolUDP, src: 50000, dst: 53, payload: 40},
		{name: "a later fragment", proto: layers.IPProtocolUDP, src: 80, dst: 80, payload: 80, fragment: 100},
		{name: "sctp", proto: layers.IPProtocolSCTP, src: 80, dst: 9, payload: 20},
		{name: "ping", proto: layers.IPProtocolICMPv4, payload: 56},
		{name: "ping6", proto: layers.IPProtocolICMPv6, payload: 56},
	}
}

func (t transport) layer(back bool) gopacket.SerializableLayer {
	s, d := t.src, t.dst
	if back {
		s, d = d, s
	}
	switch t.proto {
	case layers.IPProtocolTCP:
		return &layers.TCP{SrcPort: layers.TCPPort(s), DstPort: layers.TCPPort(d), ACK: true}
	case layers.IPProtocolUDP:
		return &layers.UDP{SrcPort: layers.UDPPort(s), DstPort: layers.UDPPort(d)}
	}
	return gopacket.Payload{byte(s >> 8), byte(s), byte(d >> 8), byte(d)}
}

func ether(tags []uint16, last layers.EthernetType, back bool) []gopacket.SerializableLayer {
	eth := &layers.Ethernet{SrcMAC: macA, DstMAC: macB}
	if back {
		eth.SrcMAC, eth.DstMAC = macB, macA
	}
	stack, next := []gopacket.SerializableLayer{eth}, &eth.EthernetType
	for _, id := range tags {
		tag := &layers.Dot1Q{VLANIdentifier: id, Priority: 3}
		*next, next = layers.EthernetTypeDot1Q, &tag.Type
		stack = append(stack, tag)
	}
	*next = last
	return stack
}

func network(version int, t transport, back bool) []gopacket.SerializableLayer {
	if version == 6 {
		s, d := net.ParseIP("fd09::1"), net.ParseIP("fd09:0:0:1::2")
		if back {
			s, d = d, s
		}
		ip := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: t.proto, SrcIP: s, DstIP: d}
		if t.fragment == 0 {
			return []gopacket.SerializableLayer{ip}
		}
		ip.NextHeader = layers.IPProtocolIPv6Fragment
		return []gopacket.SerializableLayer{ip, gopacket.Payload{byte(t.proto), 0, byte(t.fragment >> 5), byte(t.fragment << 3), 0, 0, 0, 1}}
	}
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: t.proto, FragOffset: t.fragment, SrcIP: net.IP{10, 9, 0, 1}, DstIP: net.IP{10, 9, 1, 2}}
	if back {
		ip.SrcIP, ip.DstIP = ip.DstIP, ip.SrcIP
	}
	if t.options {
		ip.Options = []layers.IPv4Option{{OptionType: 1}, {OptionType: 1}, {OptionType: 1}, {OptionType: 1}}
	}
	return []gopacket.SerializableLayer{ip}
}

// expressions are ones that tcpdump takes as well.
var expressions = []string{
	"", "ip", "ip6", "arp", "rarp", "tcp", "udp", "sctp", "icmp", "icmp6",
	"host 10.9.0.1", "src host 10.9.0.1", "dst host 10.9.0.1", "src 10.9.0.1", "src or dst host 10.9.0.1", "src and dst host 10.9.0.1",
	"ip host 10.9.0.1", "arp host 10.9.1.2", "host fd09::1", "src host fd09::1", "ip6 host fd09:0:0:1::2",
	"net 10.9.0.0/16", "net 10.9", "net 10", "src net 10.9.1.0/24", "net 10.9.0.0 mask 255.255.255.0", "net fd09::/64", "dst net fd09:0:0:1::/64",
	"net 0.0.0.0/0", "net 10.9.0.1",
	"port 80", "src port 80", "dst port 80", "tcp port 80", "udp port 80", "port 53", "port domain", "tcp src port 443", "sctp port 80", "tcp dst port https",
	"portrange 50-100", "udp portrange 40000-60000", "dst portrange 80-443", "tcp src portrange 1-1000",
	"proto 6", `ip proto \tcp`, "ip proto 1", `ip6 proto \udp`, "ip6 proto 58", `proto \icmp`,
	"ether host 02:00:00:00:00:01", "ether src 02:00:00:00:00:01", "ether dst ff:ff:ff:ff:ff:ff", `ether proto \ip`, `ether proto \arp`, "ether proto 0x86dd",
	"broadcast", "ether broadcast", "multicast", "ether multicast", "ip multicast", "ip6 multicast",
	"vlan", "vlan 10", "vlan 11", "vlan and tcp", "vlan 10 and vlan 20", "vlan 10 and vlan 20 and udp port 53", "vlan and host 10.9.0.1", "vlan 10 or tcp", "not vlan", "vlan and ip6",
	"less 100", "greater 1000", "greater 100 and less 300", "less 0x40",
	"not tcp", "! tcp", "not (tcp or udp)", "tcp and not port 80", "tcp or udp and host 10.9.0.1", "host 10.9.0.1 and (port 80 or port 53)",
	"port 80 or 443", "host 10.9.0.1 or 10.9.1.2", "not host 10.9.0.1 and 10.9.1.2", "port (80 or 53)", "tcp port 80 or udp port 53",
	"tcp && port 80", "tcp || arp", "((tcp))", "not not tcp", "ip and not tcp and not udp and not icmp",
	"src host 10.9.0.1 and tcp dst port 80 or icmp6 or arp and broadcast",
	"host (10.9.0.1 or fd09::1) and not (port 80 or 443 or portrange 50-60)",

	"tcp[13] = 16", "tcp[13]=16", "tcp[tcpflags] & tcp-ack != 0", "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0", "tcp[tcpflags]&(tcp-syn|tcp-ack)==tcp-ack",
	"ip[0] & 0xf != 5", "ip[0] & 0xf = 6", "not ip[0] & 0xf = 5", "! tcp[13] = 16", "not tcp[13] = 16 and ip", "ether[0] & 1 = 0", "ether[0]&1=1",
	"tcp[2:2] = 80", "tcp[ 2 : 2 ]>80", "udp[2:2] < 60", "tcp[0:4] = 0x9c400050", "ip[2:2] > 1000", "ip[12:4] = 0x0a090001", "sctp[0:2] = 80",
	"icmp[icmptype] = icmp-echo", "icmp[icmptype] != icmp-echo", "icmp[0:2] = 0", "icmp6[icmp6type] = 0", "icmp6[icmp6code] != 0 or arp",
	"ip6[6] = 6", "ip6[6] = 44", "ip6[24] = 0xfd", "arp[6:2] = 1", "arp[7] = 2", "rarp[0] = 0", "arp[24:4] = 0x0a090102",
	"udp[0:2] = 80", "udp[0] >= 0", "ip[6:2] & 0x1fff != 0", "ip[6:2] & 8191 = 0 and udp",
	"len > 100", "len = 60", "len <= 60 or len >= 1000", "len - 14 = ip[2:2]", "len - 14 > ip[2:2]", "len - 1 > 0 or ip",
	"ip[8] = 64", "ip[8] > ip[9]", "ip[9] < ip[8]", "5 < ip[0]", "ip[8] = ip6[7] or arp", "64 = ip[8]", "1 = 1", "2 > 1 and tcp",
	"ip[ip[0] & 0xf] = 0", "tcp[ip[0] & 0xf] >= 0", "ip[(ip[0] & 0xf) * 4:2] = 40000", "(ip[0] & 0xf) * 4 = 20", "((ip[0] & 0xf) * 4) = 24", "(ip[0] & 0xf = 5)",
	"(tcp[12] >> 4) * 4 = 20", "tcp[12]/16 = 5", "tcp[12] / 4 * 2 > 30", "tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)",
	"ip[-1] = 0", "ip[-2:2] = 0x800", "tcp[-1] = 0", "tcp[-10:2] >= 0", "ip[1 - 2] = 0", "ip[5000] = 0", "not ip[5000] = 0", "ip[5000] = 0 or tcp", "tcp or ip[5000] = 0",
	"vlan and ip[8] = 64", "vlan and ether[0] & 1 = 0", "vlan and tcp[2:2] = 80", "ip[8] = 64 or vlan", "vlan 10 and vlan and udp[2:2] = 53",
	"len & 3 | 1 = 1", "len ^ 3 & 1 = 2", "len % 4 + 2 = 3", "2 + len % 4 = 3", "3 * len % 4 = 9", "len % 7 % 4 = 1", "len ^ 3 ^ 2 > 40", "100 - 3 - 2 = len",
	"1 << 2 + 3 = len", "ip and len >> ip[0] = 0", "ip and len << (ip[9] - 1) != 0", "ip and len / (ip[9] - 6) = 3", "ip and len % (ip[9] - 17) >= 0", "0 - 5 > len", "len + 1 > 0xffffffff",
	"port 80 or tcp[13] = 16", "tcp port 80 and tcp[13] = 16 and ip[8] < 65", "not (tcp[13] = 16 or udp[2:2] = 53)", "host 10.9.0.1 and len > 100 or arp",
	"net 10.9.0.0 / 16",
}
