package station

import (
	"net/netip"

	"github.com/vxtap/vxtap/encap"
)

// ask asks for a neighbour: everybody, or if it is probed who has the address so far; mu
// is held. Without an address to ask from there is no question, and no answer.
func (s *Station) ask(n *neighbour) {
	from := s.plan.Load().source(n.addr, n.sender)
	to := encap.MAC{}
	if n.state == probe && !n.toAll {
		to = n.mac()
	}
	if n.addr.Is4() {
		s.askARP(n.addr, from, to)
	} else if from.IsValid() {
		s.solicit(n.addr, from, to)
	}
}

// askARP asks everybody, or one station, for an IPv4 address. A host without one asks
// from 0.0.0.0, as Linux does.
func (s *Station) askARP(target, from netip.Addr, to encap.MAC) {
	if !from.IsValid() {
		from = netip.IPv4Unspecified()
	}
	dst := to
	if to.IsZero() {
		dst = encap.Broadcast
	}
	frame, arp := s.newARP(dst, encap.ARPRequest)
	arp.SetSender(s.mac, from.As4())
	arp.SetTarget(encap.MAC{}, target.As4())
	s.post(frame)
}

// replyARP answers a request for an address of ours, or a probe whether it is free.
func (s *Station) replyARP(request encap.ARP) {
	frame, arp := s.newARP(request.SenderMAC(), encap.ARPReply)
	arp.SetSender(s.mac, request.TargetIP())
	arp.SetTarget(request.SenderMAC(), request.SenderIP())
	s.post(frame)
}

func (s *Station) newARP(dst encap.MAC, op uint16) (frame []byte, arp encap.ARP) {
	frame = s.newFrame(dst, encap.EtherTypeARP, encap.ARPSize)
	arp = encap.ARP(frame[encap.EthernetSize:])
	encap.PutARP(arp, op)
	return frame, arp
}

// solicit asks the group of an IPv6 address, or one station, for it.
func (s *Station) solicit(target, from netip.Addr, to encap.MAC) {
	m := encap.ND{Type: encap.NDSolicitation, Src: from.As16(), Dst: target.As16(), Target: target.As16(), Link: s.mac}
	if to.IsZero() {
		m.Dst = encap.SolicitedNode(m.Target)
		to = encap.GroupMAC6(m.Dst)
	}
	s.postND(to, &m)
}

// advertise answers a solicitation for an address of ours. Who asked us alone knows our MAC.
// Who probes whether the address is free has none yet, and all are told (RFC 4861 section
// 7.2.4).
func (s *Station) advertise(asked *encap.ND, from encap.MAC, router bool) {
	m := encap.ND{Type: encap.NDAdvertisement, Src: asked.Target, Dst: asked.Src, Target: asked.Target,
		Router: router, Solicited: true, Override: true}
	if asked.Dst != asked.Target {
		m.Link = s.mac
	}
	to := asked.Link
	switch {
	case asked.Src == [16]byte{}:
		m.Dst, m.Solicited = encap.AllNodes, false
		to = encap.GroupMAC6(encap.AllNodes)
	case !to.IsUnicast():
		to = from
	}
	s.postND(to, &m)
}

func (s *Station) postND(dst encap.MAC, m *encap.ND) {
	frame := s.newFrame(dst, encap.EtherTypeIPv6, encap.MaxNDSize)
	n := encap.PutND(frame[encap.EthernetSize:], m)
	s.post(frame[:encap.EthernetSize+n])
}

// newFrame returns a frame from the station, with room for so many bytes.
func (s *Station) newFrame(dst encap.MAC, kind uint16, room int) []byte {
	frame := make([]byte, encap.EthernetSize+room)
	eth := encap.Ethernet(frame)
	eth.SetDst(dst)
	eth.SetSrc(s.mac)
	eth.SetType(kind)
	return frame
}
