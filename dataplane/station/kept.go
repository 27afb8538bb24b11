package station

import (
	"bytes"

	"github.com/vxtap/vxtap/encap"
)

// Bounds of what is kept. That of a neighbour's bytes is Linux's (unres_qlen_bytes): some
// hundred packets of a full frame with what the kernel keeps beside, or three superframes.
const (
	maxWaiting      = 64
	maxWaitingBytes = 212992
	maxKept         = 4 << 20 // of a station, in bytes
	maxOwn          = 256     // frames of ours that nobody reads
	maxUnread       = 128     // of those, until no more is answered
)

// kept is a frame in memory of its own: a packet that waits for its neighbour, or a frame
// that is to be read.
type kept struct {
	queue   *Queue
	data    []byte
	offload encap.Offload
	refusal encap.Refusal
	own     bool // it is ours, and not the device's
}

// hold keeps a packet of a queue that could not be sent at once, and says what becomes of
// it.
func (s *Station) hold(q *Queue, a addressed, f *encap.Frame) encap.Refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	hop, _ := s.plan.Load().next(a.dst) // it may just have changed
	n := s.table.find(hop)
	if n == nil {
		if s.table.n >= maxNeighbours && !s.makeRoom() {
			return encap.RefusalNeighbourTable
		}
		n = s.table.add(hop) // due at once
		s.fresh = true
		s.wake()
	}
	if s.kept+len(f.Data) > maxKept {
		return encap.RefusalNeighbourQueue
	}
	return s.keep(n, kept{queue: q, data: bytes.Clone(f.Data), offload: f.Offload}, a)
}

// keep has a packet wait for a neighbour, or follow those that did; mu is held.
func (s *Station) keep(n *neighbour, k kept, a addressed) encap.Refusal {
	switch fate, mac := n.told(); fate {
	case fateRefused:
		return encap.RefusalNoNeighbour
	case fateSent:
		n.use()
		encap.Ethernet(k.data).SetDst(mac)
		s.deliver(k)
		return encap.RefusalHeld
	}
	if len(n.waiting) == maxWaiting || n.bytes+len(k.data) > maxWaitingBytes {
		return encap.RefusalNeighbourQueue
	}
	if !n.sender.IsValid() {
		n.sender = a.src
	}
	s.kept += len(k.data)
	n.bytes += len(k.data)
	n.waiting = append(n.waiting, k)
	return encap.RefusalHeld
}

// makeRoom takes out a neighbour that nobody uses and reports whether there was one; mu is
// held. In vain it is tried once until the clerk has looked at all of them again.
func (s *Station) makeRoom() bool {
	if s.crowded {
		return false
	}
	var oldest *neighbour
	for n := range s.table.all() {
		if n.state == stale && !n.used.Load() && (oldest == nil || n.since.Before(oldest.since)) {
			oldest = n
		}
	}
	if oldest == nil {
		s.crowded = true
		return false
	}
	s.table.remove(oldest)
	return true
}

// deliver makes a frame readable; mu is held. Whoever called wakes the reader.
func (s *Station) deliver(k kept) {
	s.kept += len(k.data)
	if k.own {
		s.own++
	}
	k.queue.outbox = append(k.queue.outbox, k)
	k.queue.waiting.Store(true)
}

// release ends the wait of a neighbour's packets: they are sent to its MAC, or refused. It
// is called before workers are told, so that no later packet comes before these; mu is held.
func (s *Station) release(n *neighbour, mac encap.MAC, r encap.Refusal) {
	for i, k := range n.waiting {
		s.kept -= len(k.data)
		encap.Ethernet(k.data).SetDst(mac)
		if k.refusal = r; r != encap.RefusalNone && i < maxTold {
			s.unreachable(k)
		}
		s.send(k)
	}
	n.waiting, n.bytes = nil, 0
}

// maxTold is to how many of a neighbour's packets that waited in vain their senders are told.
const maxTold = 8

// unreachable has the sender of a packet be told that nobody takes it, as a system tells it
// that asks by itself; mu is held.
func (s *Station) unreachable(k kept) {
	var l encap.Layers
	l.Parse(k.data)
	frame := make([]byte, encap.MaxUnreachable)
	if n := encap.PutUnreachable(frame, k.data, &l); n > 0 {
		s.errors = append(s.errors, kept{queue: k.queue, data: frame[:n]})
	}
}

// send is deliver for the clerk, who wakes readers when it lets go of mu.
func (s *Station) send(k kept) {
	s.deliver(k)
	s.news = append(s.news, k.queue)
}

// post sends a frame of the station's own.
func (s *Station) post(frame []byte) {
	if s.own < maxOwn { // or else nobody reads, and there is no wire
		s.send(kept{queue: s.queues[0], data: frame, own: true})
	}
}

// unlock lets go of mu, wakes the readers of what was sent, and hands the device what its
// system is to be told. What the device does not take is lost, and was no promise.
func (s *Station) unlock() {
	s.mu.Unlock()
	for i, q := range s.news {
		if i == 0 || q != s.news[i-1] {
			q.ready()
		}
	}
	clear(s.news)
	s.news = s.news[:0]
	for _, k := range s.errors {
		_, _ = k.queue.device.Write([]encap.Frame{{Data: k.data}})
	}
	s.errors = nil
}
