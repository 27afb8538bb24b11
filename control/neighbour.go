package control

import (
	"net/netip"

	"github.com/vxtap/vxtap/encap"
)

// Messages in which hosts say which addresses they have: ARP, and neighbour discovery.

const (
	nsType = 135 // neighbour solicitation (RFC 4861 section 4.3)
	naType = 136 // neighbour advertisement (section 4.4)

	nsSize      = 24 // ICMPv6 header and target
	ndTarget    = 8  // offset of the target
	ndHopLimit  = 255
	icmp6Proto  = 58
	etherHeader = encap.EthernetSize
)

// probe4 is an ARP request for an address by somebody who has none.
func probe4(mac encap.MAC, addr netip.Addr) []byte {
	b := make([]byte, 60) // the least that Ethernet has
	ether(b, encap.Broadcast, mac, encap.EtherTypeARP)
	encap.PutARP(b[etherHeader:], encap.ARPRequest)
	arp := encap.ARP(b[etherHeader:])
	arp.SetSender(mac, [4]byte{})
	arp.SetTarget(encap.MAC{}, addr.As4())
	return b
}

// probe6 is a neighbour solicitation for an address by somebody who has none, to the
// address's solicited-node group (RFC 4291 section 2.7.1).
func probe6(mac encap.MAC, addr netip.Addr) []byte {
	a := addr.As16()
	group := [16]byte{0xff, 2, 11: 1, 12: 0xff, 13: a[13], 14: a[14], 15: a[15]}
	b := make([]byte, etherHeader+encap.IPv6Size+nsSize)
	ether(b, encap.MAC{0x33, 0x33, 0xff, a[13], a[14], a[15]}, mac, encap.EtherTypeIPv6)
	ip := encap.PutIPv6(b[etherHeader:])
	ip.SetPayloadLength(nsSize)
	ip.SetNextHeader(icmp6Proto)
	ip.SetHopLimit(ndHopLimit)
	ip.SetDst(group)
	ns := b[etherHeader+encap.IPv6Size:]
	ns[0] = nsType
	copy(ns[ndTarget:], a[:])
	sum := encap.Sum(group[:], 0) // the source is zero
	sum = encap.Sum([]byte{0, 0, 0, nsSize, 0, 0, 0, icmp6Proto}, sum)
	encap.ICMP(ns).SetChecksum(^encap.Sum(ns, sum))
	return b
}

func ether(b []byte, dst, src encap.MAC, kind uint16) {
	e := encap.Ethernet(b)
	e.SetDst(dst)
	e.SetSrc(src)
	e.SetType(kind)
}

// speaker returns the address that the sender of a frame says is its own, if it does.
func speaker(f *encap.Frame) (encap.MAC, netip.Addr) {
	b := f.Data
	if len(b) < etherHeader {
		return encap.MAC{}, netip.Addr{}
	}
	e := encap.Ethernet(b)
	switch body := b[etherHeader:]; {
	case e.Type() == encap.EtherTypeARP && len(body) >= encap.ARPSize && encap.ARP(body).Valid():
		arp := encap.ARP(body)
		return arp.SenderMAC(), netip.AddrFrom4(arp.SenderIP())
	case e.Type() == encap.EtherTypeIPv6 && len(body) >= encap.IPv6Size+nsSize:
		ip := encap.IPv6(body)
		nd := body[encap.IPv6Size:]
		if ip.NextHeader() == icmp6Proto && ip.HopLimit() == ndHopLimit && nd[0] == naType {
			return e.Src(), netip.AddrFrom16([16]byte(nd[ndTarget:nsSize]))
		}
	}
	return encap.MAC{}, netip.Addr{}
}
