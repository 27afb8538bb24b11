package station

import (
	"net/netip"
	"sync/atomic"

	"github.com/vxtap/vxtap/encap"
)

// Queue is one queue of a station. It satisfies dataplane.Queue, where the contract of
// each method stands in full.
type Queue struct {
	station *Station
	device  Packets
	notify  atomic.Pointer[func()]

	last    last        // the reader's
	outbox  []kept      // to be read before the device; under Station.mu
	waiting atomic.Bool // there is something in the outbox
}

// addressed is what a packet says of itself.
type addressed struct{ src, dst netip.Addr }

// last is where the latest packet went. Most go where the one before went.
type last struct {
	dst  netip.Addr
	plan *plan
	n    *neighbour
}

// Read fills frames with what the device sends, addressed to where it goes next, and with
// what the station itself has to say. Packets that nobody takes have their Refusal set.
func (q *Queue) Read(frames []encap.Frame) (int, error) {
	if q.waiting.Load() {
		if n := q.station.fetch(q, frames); n > 0 {
			q.ready() // for what is left, and the device may have announced itself too
			return n, nil
		}
	}
	n, err := q.device.Read(frames)
	for i := range frames[:n] {
		q.address(&frames[i])
	}
	if q.waiting.Load() {
		q.ready()
	}
	return n, err
}

// address finishes the Ethernet header of a packet.
func (q *Queue) address(f *encap.Frame) {
	eth := encap.Ethernet(f.Data)
	eth.SetSrc(q.station.mac)
	packet := f.Data[encap.EthernetSize:]
	switch {
	case eth.Type() == encap.EtherTypeIPv4 && len(packet) >= encap.IPv4MinSize:
		q.address4(f, encap.IPv4(packet))
	case eth.Type() == encap.EtherTypeIPv6 && len(packet) >= encap.IPv6Size:
		q.address6(f, encap.IPv6(packet))
	default:
		f.Refusal = encap.RefusalNotIP
	}
}

func (q *Queue) address4(f *encap.Frame, ip encap.IPv4) {
	const groups, classE = 224, 240
	switch dst := ip.Dst(); {
	case dst == [4]byte{255, 255, 255, 255}:
		encap.Ethernet(f.Data).SetDst(encap.Broadcast)
	case dst[0] >= groups && dst[0] < classE:
		encap.Ethernet(f.Data).SetDst(encap.GroupMAC4(dst))
	default:
		q.toNeighbour(f)
	}
}

func (q *Queue) address6(f *encap.Frame, ip encap.IPv6) {
	const groups = 0xff
	if dst := ip.Dst(); dst[0] == groups {
		encap.Ethernet(f.Data).SetDst(encap.GroupMAC6(dst))
	} else {
		q.toNeighbour(f)
	}
}

// addressesOf returns the addresses of an IP packet behind its Ethernet header.
func addressesOf(frame []byte) addressed {
	packet := frame[encap.EthernetSize:]
	if encap.Ethernet(frame).Type() == encap.EtherTypeIPv4 {
		ip := encap.IPv4(packet)
		return addressed{netip.AddrFrom4(ip.Src()), netip.AddrFrom4(ip.Dst())}
	}
	ip := encap.IPv6(packet)
	return addressed{netip.AddrFrom16(ip.Src()), netip.AddrFrom16(ip.Dst())}
}

// toNeighbour addresses a packet to a neighbour, unless it has to wait, or follows others
// that have.
func (q *Queue) toNeighbour(f *encap.Frame) {
	s, a := q.station, addressesOf(f.Data)
	plan := s.plan.Load()
	n := q.last.n
	if q.last.dst != a.dst || q.last.plan != plan {
		hop, all := plan.next(a.dst)
		if all {
			encap.Ethernet(f.Data).SetDst(encap.Broadcast)
			return
		}
		n = s.table.find(hop)
		q.last = last{a.dst, plan, n}
	}
	if n != nil {
		// Those that waited are in the outbox before their neighbour is said to be known.
		switch fate, mac := n.told(); {
		case fate == fateSent && !q.waiting.Load():
			n.use()
			encap.Ethernet(f.Data).SetDst(mac)
			return
		case fate == fateRefused:
			f.Refusal = encap.RefusalNoNeighbour
			return
		}
	}
	q.last = last{}
	f.Refusal = s.hold(q, a, f)
}

// Write hands the device those frames that are for this station, and keeps what is about
// addresses for the clerk.
func (q *Queue) Write(frames []encap.Frame) (int, error) {
	for n := 0; n < len(frames); {
		run := n
		var kind passage
		for run < len(frames) {
			if kind = q.station.judge(&frames[run]); kind != toDevice {
				break
			}
			run++
		}
		if run > n {
			taken, err := q.device.Write(frames[n:run])
			if n += taken; err != nil || n < run {
				return n, err
			}
		}
		if n == len(frames) {
			break
		}
		if err := q.station.accept(kind, &frames[n]); err != nil {
			return n, err
		}
		n++
	}
	return len(frames), nil
}

// passage is where a frame from the wire goes.
type passage uint8

const (
	toDevice passage = iota
	toClerk
	toOther // station
	toNone  // as it holds no IP packet
)

// judge says where a frame goes.
func (s *Station) judge(f *encap.Frame) passage {
	if len(f.Data) < encap.EthernetSize {
		return toNone
	}
	eth := encap.Ethernet(f.Data)
	if dst := eth.Dst(); dst != s.mac && !dst.IsMulticast() {
		return toOther
	}
	packet := f.Data[encap.EthernetSize:]
	switch kind := eth.Type(); {
	case kind == encap.EtherTypeARP, kind == encap.EtherTypeIPv6 && encap.IsND(packet):
		return toClerk
	case kind != encap.EtherTypeIPv4 && kind != encap.EtherTypeIPv6:
		return toNone
	case eth.Dst().IsMulticast() && s.isOthers(kind, packet):
		return toOther
	}
	return toDevice
}

// isOthers reports whether a packet that came to all stations, or to a group, is for one host
// that is not this one. An Ethernet interface tells its system how a frame was addressed, which
// then neither forwards such a packet nor sends an ICMP error (RFC 1812 section 5.3.4, RFC 1122
// section 3.3.6). A TUN cannot tell: every router with one would bring it back to the wire.
func (s *Station) isOthers(kind uint16, packet []byte) bool {
	var dst netip.Addr
	const groups4, group6 = 224, 0xff // the broadcast address is among the former
	switch {
	case kind == encap.EtherTypeIPv4 && len(packet) >= encap.IPv4MinSize:
		b := encap.IPv4(packet).Dst()
		if b[0] >= groups4 {
			return false
		}
		dst = netip.AddrFrom4(b)
	case kind == encap.EtherTypeIPv6 && len(packet) >= encap.IPv6Size:
		b := encap.IPv6(packet).Dst()
		if b[0] == group6 {
			return false
		}
		dst = netip.AddrFrom16(b)
	default:
		return false // no packet, which the system finds out
	}
	p := s.plan.Load()
	if r := p.route(dst); p.owns(dst) || r != nil && r.Broadcast {
		return false
	}
	if !s.doubted.Load() && !s.doubted.Swap(true) { // the interface may have got an address since
		s.wake()
	}
	return true
}

// accept takes a frame that is not for the device, or says why not.
func (s *Station) accept(kind passage, f *encap.Frame) error {
	switch kind {
	case toOther:
		return encap.RefusalOtherStation
	case toNone:
		return encap.RefusalNotIP
	}
	if !s.drop(f) {
		return encap.RefusalBusy
	}
	return nil
}

// Offloads returns what the device takes.
func (q *Queue) Offloads() encap.OffloadSet { return q.device.Offloads() }

// FD returns the device's descriptor, or -1.
func (q *Queue) FD() int { return q.device.FD() }

// Notify sets the function to call when there is something to read that the descriptor
// does not show.
func (q *Queue) Notify(ready func()) {
	q.notify.Store(&ready)
	q.device.Notify(ready)
	if q.waiting.Load() {
		ready()
	}
}

func (q *Queue) ready() {
	if ready := *q.notify.Load(); ready != nil {
		ready()
	}
}

// fetch moves what is in the outbox of a queue to frames, and returns how many they are.
func (s *Station) fetch(q *Queue, frames []encap.Frame) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, stalled := min(len(frames), len(q.outbox)), s.own >= maxUnread
	for i := range q.outbox[:n] {
		k := &q.outbox[i]
		s.kept -= len(k.data)
		if k.own {
			s.own--
		}
		f := &frames[i]
		*f = encap.Frame{Data: f.Data[:copy(f.Data, k.data)], Offload: k.offload, Refusal: k.refusal}
	}
	left := copy(q.outbox, q.outbox[n:])
	clear(q.outbox[left:])
	q.outbox = q.outbox[:left]
	q.waiting.Store(left > 0)
	if stalled && s.own < maxUnread {
		s.wake()
	}
	return n
}
