package dataplane

import "github.com/vxtap/vxtap/encap"

// maxMerges is how many superframes a batch can have in the making, and how many flows.
// Flows that share a slot by their hash end each other's superframes early.
const maxMerges = 64

// merges joins the segments of a batch, flow by flow, into superframes for ports that
// take them, so that a port is written to once for many frames. All end with the batch:
// no frame waits for another that has not come yet.
//
// Frames of one flow stay in order, since one that cannot be joined ends the superframe
// of its flow and is written behind it.
type merges struct {
	writes *portWrites
	ledger *ledger
	seed   uint64
	runs   [maxMerges]mergeRun
	n      int                  // runs in use, open or not, until the batch is written
	open   [maxMerges]*mergeRun // by flow
}

// mergeRun is a superframe, in the making or waiting to be written.
type mergeRun struct {
	encap.Coalescer
	port  *port
	entry int // in the ledger, for all its segments
}

// segment is a frame on its way to a port, with what merging asks about it.
type segment struct {
	frame  *encap.Frame
	layers *encap.Layers
	port   *port
	slot   int // of its flow
	state  encap.ChecksumState
}

// look prepares a frame for merging. State is left unknown, which keeps it from being
// joined, if the port would not take the superframe.
func (m *merges) look(p *port, f *encap.Frame, l *encap.Layers) segment {
	s := segment{frame: f, layers: l, port: p}
	s.slot = int(encap.FlowHash(f.Data, l, m.seed) % maxMerges)
	offload := encap.OffloadTSO
	if l.Proto == encap.ProtoUDP {
		offload = encap.OffloadUSO
	}
	switch {
	case l.Payload == 0 || f.Offload.GSO != encap.GSONone || p.offload.load()&offload == 0:
	case f.Offload.NeedsCSUM:
		s.state = encap.ChecksumPartial
	default:
		s.state = encap.VerifyChecksum(f.Data, l)
	}
	return s
}

// join adds s to the superframe of its flow and reports whether it could. If not, that
// superframe has ended, and s is to follow it.
func (m *merges) join(s *segment) bool {
	if s.layers.Fragment {
		m.close() // its hash is not that of its flow's other packets
		return false
	}
	r := m.open[s.slot]
	if r == nil {
		return false
	}
	joined := r.port == s.port && r.Join(s.frame.Data, s.layers, s.state)
	if joined {
		m.ledger.extend(r.entry, len(s.frame.Data))
	}
	if !joined || r.Last() {
		m.end(s.slot)
	}
	return joined
}

// begin starts a superframe with s, whose ledger entry is given, and reports false if
// nothing could be joined to it. There must be room.
func (m *merges) begin(s *segment, entry int) bool {
	r := &m.runs[m.n]
	if !r.Begin(s.frame.Data, s.layers, s.state) || r.Last() {
		return false
	}
	r.port, r.entry = s.port, entry
	m.n++
	m.open[s.slot] = r
	return true
}

// full reports that there is no room for another superframe until all are written.
func (m *merges) full() bool { return m.n == maxMerges }

// end queues the superframe in a slot for writing.
func (m *merges) end(slot int) {
	r := m.open[slot]
	m.open[slot] = nil
	f := r.Finish()
	m.writes.add(r.port, &f, r.entry)
}

// close ends all superframes.
func (m *merges) close() {
	for slot, r := range m.open {
		if r != nil {
			m.end(slot)
		}
	}
}
