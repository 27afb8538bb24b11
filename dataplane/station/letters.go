package station

import (
	"net/netip"
	"time"

	"github.com/vxtap/vxtap/encap"
)

// open reads a letter now, or if it asks for an address, once it is known which are ours.
func (s *Station) open(l *letter) {
	packet := l.data[encap.EthernetSize:l.size]
	if isAnswer(packet) || time.Since(s.desk.asOf) < planToAnswer || len(s.desk.parked) == maxLetters {
		s.answer(l)
		return
	}
	s.desk.parked = append(s.desk.parked, *l)
	s.orderReading()
}

// answer reads a letter, and answers it.
func (s *Station) answer(l *letter) {
	frame := l.data[:l.size]
	packet := frame[encap.EthernetSize:]
	s.mu.Lock()
	defer s.unlock()
	eth := encap.Ethernet(frame)
	if eth.Type() == encap.EtherTypeARP {
		if a, ok := encap.ParseARP(packet); ok {
			s.arp(a, eth)
		}
		return
	}
	if m, ok := encap.ParseND(packet); ok {
		s.nd(&m, eth)
	}
}

// isAnswer reports whether a packet tells of an address, rather than ask for one of ours.
func isAnswer(packet []byte) bool {
	if a, ok := encap.ParseARP(packet); ok {
		return a.Operation() == encap.ARPReply
	}
	return encap.IsND(packet) && packet[encap.IPv6Size] == encap.NDAdvertisement
}

// arp is about an ARP packet (RFC 826); mu is held.
func (s *Station) arp(a encap.ARP, eth encap.Ethernet) {
	p := s.plan.Load()
	sender, target, mac := netip.AddrFrom4(a.SenderIP()), netip.AddrFrom4(a.TargetIP()), a.SenderMAC()
	switch {
	case !mac.IsUnicast() || p.owns(sender):
		// Nobody's, or somebody has our address: the interface's owner is to find out.
	case a.Operation() == encap.ARPRequest && p.owns(target):
		s.replyARP(a)
		s.asked(sender, mac)
	case a.Operation() == encap.ARPReply && p.owns(target) && eth.Dst() == s.mac:
		s.answered(sender, mac)
	default:
		s.announced(sender, mac)
	}
}

// nd is about a message of neighbour discovery (RFC 4861 sections 7.2.3 to 7.2.5); mu is
// held.
func (s *Station) nd(m *encap.ND, eth encap.Ethernet) {
	p := s.plan.Load()
	target, src := netip.AddrFrom16(m.Target), netip.AddrFrom16(m.Src)
	if m.Type == encap.NDSolicitation {
		if p.owns(target) && !p.owns(src) {
			s.advertise(m, eth.Src(), p.Router6)
			s.asked(src, m.Link)
		}
		return
	}
	n := s.table.find(target)
	switch {
	case n == nil || p.owns(target):
	case m.Solicited && p.owns(netip.AddrFrom16(m.Dst)) && m.Link.IsZero():
		// Who was asked by its MAC need not repeat it.
		if n.state == probe {
			s.answered(target, n.mac())
		}
	case m.Solicited && p.owns(netip.AddrFrom16(m.Dst)) && (m.Override || n.state == incomplete || m.Link == n.mac()):
		s.answered(target, m.Link)
	case !m.Link.IsZero():
		s.announced(target, m.Link)
	}
}

// asked is about somebody who asked for an address of ours: a neighbour, if it is where it
// was. Nobody is probed for duplicates from an address.
func (s *Station) asked(addr netip.Addr, mac encap.MAC) {
	if !mac.IsUnicast() || !s.plan.Load().neighbour(addr) {
		return
	}
	now := time.Now()
	n := s.table.find(addr)
	switch {
	case n == nil && s.table.n < maxNeighbours/2: // the rest is for those we have something for
		n = s.table.add(addr)
		s.settle(n, mac, stale, now, checkAfter)
	case n == nil:
	case n.state == incomplete || n.state == failed:
		s.settle(n, mac, stale, now, checkAfter)
	case n.mac() != mac:
		s.doubt(n, now)
	}
}

// answered is about somebody who says to have an address, and was asked if we are waiting
// for it.
func (s *Station) answered(addr netip.Addr, mac encap.MAC) {
	n := s.table.find(addr)
	switch {
	case n == nil || !mac.IsUnicast():
	case n.asking():
		s.settle(n, mac, reachable, time.Now(), randomReachable())
	case n.state != failed && n.mac() != mac:
		s.doubt(n, time.Now())
	}
}

// announced is about somebody who says so unasked.
func (s *Station) announced(addr netip.Addr, mac encap.MAC) {
	n := s.table.find(addr)
	if n != nil && mac.IsUnicast() && (n.state == reachable || n.state == stale) && n.mac() != mac {
		s.doubt(n, time.Now())
	}
}

// settle makes a MAC known, and has those packets go that waited for it.
func (s *Station) settle(n *neighbour, mac encap.MAC, to state, now time.Time, after time.Duration) {
	s.release(n, mac, encap.RefusalNone)
	n.word.Store(word(fateSent, mac))
	n.become(to, now, after)
}

// doubt asks everybody for a neighbour that may have moved. Who answers first is it; until
// then packets go where they went.
func (s *Station) doubt(n *neighbour, now time.Time) {
	if n.state == probe || now.Sub(n.since) < retransmit { // a second after the last answer at the earliest
		return
	}
	n.become(probe, now, 0)
	n.toAll = true
	s.wake()
}
