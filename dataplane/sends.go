package dataplane

import (
	"errors"
	"net/netip"
	"sync/atomic"
	"syscall"

	"github.com/vxtap/vxtap/encap"
)

// sends collects datagrams for the underlay, makes trains of them, and sends them a
// batch at a time. The bytes of frames stay where they are until flush returns.
//
// Datagrams that leave from the same source port keep their order, and so does a flow,
// since its source port is a hash of it: of each port at most one train is open, and
// what does not fit it closes it.
type sends struct {
	underlay Underlay
	ledger   *ledger
	seed     uint64
	sources  uint32 // a power of two, or 0
	limit    int    // datagrams in a train; 1 if the underlay takes none

	runs [maxRuns]run
	n    int
	open [encap.MaxSources + 1]*run // by source port; the last is the listening socket's

	cut     encap.Segmenter
	headers [headerSlab]byte // of segments, one behind the other
	used    int              // of headers

	order  [maxRuns]*run // runs by source port, as they are sent
	dgrams [maxRuns]encap.Datagram
	one    [1]encap.Datagram

	seal sealing

	bulk    uint32                // of the frame at hand, see Network.bulk
	insists bool                  // it goes in fragments where it is too big otherwise
	refused chan<- netip.AddrPort // to whom datagrams were too big

	unanswered bool // of a batch's frames some were, which is said in the ledger

	record *recording
	index  int // of the worker

	clock   *atomic.Uint32 // the VTEP's
	notices chan<- Event   // of trains that were refused; what it has no room for is left out
}

// headerSlab is the room for headers of segments in the making, in bytes: those of five full
// superframes, as TCP's mostly are, which with their payload still fit a cache. One block of
// the longest headers fits in any case.
const headerSlab = 256 * 80

// outgoing is a frame on its way to remotes.
type outgoing struct {
	network *Network
	frame   *encap.Frame
	layers  *encap.Layers
	buf     []byte // the frame's bytes, with the headroom before them
	entry   int    // in the ledger
}

func (s *sends) init(u Underlay, seed uint64, l *ledger) {
	s.underlay, s.seed, s.ledger, s.sources = u, seed, l, uint32(u.Sources())
	s.limit = min(u.TrainLimit(), maxRunSegments)
}

// add encapsulates a frame for each remote of a destination. Its checksum is finished,
// unless it is a superframe.
func (s *sends) add(out *outgoing, to *destination) {
	o := outer{to: to, source: s.source(out), tos: outerTOS(out), ttl: out.network.cfg.TTL}
	for i := range to.remotes {
		if o.fragments = !to.passes(i, s.bulk); o.fragments && !s.insists {
			s.ledger.dropped(out.entry, DropTooBig)
			continue
		}
		o.remote, o.counted = to.remotes[i], to.counted[i]
		o.bare = to.bare != nil && to.bare[i]
		if out.frame.Offload.GSO != encap.GSONone {
			s.addSegments(out, &o)
			continue
		}
		packet := out.buf[encap.Headroom-encap.VXLANSize : encap.Headroom+len(out.frame.Data)]
		copy(packet, out.network.header[:])
		s.put(&o, packet, nil, out.entry)
	}
}

// addSegments cuts a superframe into datagrams: a header block each, beside a slice of
// the original payload.
func (s *sends) addSegments(out *outgoing, o *outer) {
	if !s.cut.Reset(out.frame.Data, out.layers, out.frame.Offload) {
		s.ledger.dropped(out.entry, uncut(out.layers))
		return
	}
	size := encap.VXLANSize + out.layers.Payload
	for {
		if len(s.headers)-s.used < size || s.n == maxRuns {
			s.flush()
		}
		header := s.headers[s.used : s.used+size : s.used+size]
		_, payload, ok := s.cut.Next(header[encap.VXLANSize:])
		if !ok {
			return
		}
		copy(header, out.network.header[:])
		s.used += size
		s.put(o, header, payload, out.entry)
	}
}

// uncut says why a superframe with these layers cannot be cut up.
func uncut(l *encap.Layers) Drop {
	if l.Payload == 0 {
		return DropHeaders
	}
	return DropMalformed
}

// source chooses the source port of a frame by its flow.
func (s *sends) source(out *outgoing) uint8 {
	if s.sources == 0 {
		return encap.SourceListen
	}
	return uint8(encap.FlowHash(out.frame.Data, out.layers, s.seed) & (s.sources - 1))
}

// outerTOS takes DSCP and ECN from the frame's IP header (RFC 6040; RFC 2983's uniform
// model unless the DSCP is fixed).
func outerTOS(out *outgoing) uint8 {
	inner, _ := encap.InnerTOS(out.frame.Data, out.layers)
	dscp := inner
	if out.network.cfg.FixedTOS {
		dscp = out.network.cfg.TOS
	}
	return encap.EncapECN(encap.ECNOf(inner)).In(dscp)
}

// sourceSlot numbers the source ports; the listening socket's comes last.
func sourceSlot(source uint8) int { return min(int(source), encap.MaxSources) }

// put appends a datagram to the train of its source port, or begins another.
func (s *sends) put(o *outer, header, payload []byte, entry int) {
	limit := s.limit
	if o.bare || !o.to.trains.allowed(s.clock) { // UDP_SEGMENT needs checksums
		limit = 1
	}
	open := &s.open[sourceSlot(o.source)]
	n := len(header) + len(payload)
	if r := *open; r == nil || !r.takes(o, n, limit) {
		if s.n == maxRuns {
			s.flush()
		}
		r = &s.runs[s.n]
		s.n++
		r.begin(o)
		*open = r
	}
	(*open).add(header, payload, entry)
}

// flush sends what was collected, going on behind each datagram that fails.
func (s *sends) flush() {
	s.arrange()
	for i := 0; i < s.n; {
		sent, err := s.underlay.Send(s.dgrams[i:s.n])
		for _, r := range s.order[i : i+sent] {
			s.delivered(r)
			if s.record.on() {
				s.recordRun(r)
			}
		}
		if i += sent; i < s.n {
			s.failed(s.order[i], err)
			i++
		}
	}
	clear(s.open[:])
	s.n, s.used, s.seal.used = 0, 0, 0
}

// arrange orders the runs by source port, so that one system call takes all of a port.
func (s *sends) arrange() {
	var next [encap.MaxSources + 1]int // where the next run of a port goes
	for i := range s.runs[:s.n] {
		next[sourceSlot(s.runs[i].source)]++
	}
	at := 0
	for source, n := range next {
		next[source] = at
		at += n
	}
	for i := range s.runs[:s.n] {
		r := &s.runs[i]
		n := &next[sourceSlot(r.source)]
		s.order[*n], s.dgrams[*n] = r, r.datagram()
		*n++
	}
}

func (s *sends) delivered(r *run) {
	if r.segments > 1 {
		r.to.trains.taken()
	}
	r.counted.sent(s.index, r.segments, r.bytes-r.segments*r.overhead())
	for _, entry := range r.entries[:r.segments] {
		s.ledger.deliveredSegment(int(entry))
	}
}

// failed deals with a run that the underlay did not take. A train may be refused on a
// route whose device cannot cut it up, or that has a smaller MTU than its datagrams
// need: they are sent one by one then, and if that helps, for a while. That the last,
// shorter one passed where the others were too big says nothing about trains.
func (s *sends) failed(r *run, err error) {
	if r.segments == 1 || !trainRefused(err) {
		for _, entry := range r.entries[:r.segments] {
			s.asked(r.remote, err, int(entry))
			s.ledger.dropped(int(entry), sendDrop(err))
		}
		return
	}
	helped := false
	for i := range r.segments {
		s.one[0] = r.segment(i)
		if _, err := s.underlay.Send(s.one[:]); err != nil {
			s.asked(r.remote, err, int(r.entries[i]))
			s.ledger.dropped(int(r.entries[i]), sendDrop(err))
			continue
		}
		s.ledger.deliveredSegment(int(r.entries[i]))
		r.counted.sent(s.index, 1, s.one[0].Len()-r.overhead())
		if s.record.on() {
			s.record.sent(r.to.network, &s.one[0])
		}
		helped = helped || s.one[0].Len() == r.size
	}
	if !helped {
		return
	}
	r.to.trains.refused(s.clock.Load())
	select {
	case s.notices <- Event{Remote: r.remote, Err: err}:
	default:
	}
}

// asked has the path to a remote looked at, if it is what err is about, and the frame of an entry
// be answered.
func (s *sends) asked(remote netip.AddrPort, err error, entry int) {
	if sendDrop(err) == DropTooBig {
		tooBig(s.refused, remote)
		s.ledger.entries[entry].refused, s.unanswered = true, true
	}
}

// trainRefused reports whether an error can be about a train as such (udp(7), and
// udp_send_skb in Linux).
func trainRefused(err error) bool {
	return errors.Is(err, syscall.EIO) || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.EMSGSIZE)
}

// sendDrop names the reason for which the underlay did not take a datagram. An address
// that the host has lost shows as EINVAL (IPv4) or EADDRNOTAVAIL (IPv6).
func sendDrop(err error) Drop {
	switch {
	case errors.Is(err, syscall.EMSGSIZE):
		return DropTooBig
	case errors.Is(err, syscall.ENOBUFS), errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.ENOMEM):
		return DropSendFull
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH),
		errors.Is(err, syscall.ENETDOWN), errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EINVAL):
		return DropUnreachable
	}
	return DropSendFailed
}
