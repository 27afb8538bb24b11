package dataplane

import "github.com/vxtap/vxtap/encap"

const (
	// maxMerges is how many superframes a batch can have begun before it is written.
	maxMerges = 64
	// mergeSlots is into how many slots flows fall by their hash. Those that share one
	// end each other's superframes early; with four times as many slots as superframes
	// few do.
	mergeSlots = 256
)

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
	n      int                   // runs in use, open or not, until the batch is written
	open   [mergeSlots]*mergeRun // by flow
	latest *mergeRun             // the one joined to last, if it is open
	at     segment               // the frame at hand
}

// mergeRun is a superframe, in the making or waiting to be written.
type mergeRun struct {
	encap.Coalescer
	envelope
	port  *port // nil once it has ended
	entry int   // in the ledger, for all its segments
	slot  int
}

// envelope is what the datagram around a segment says of it: what is the same for segments with
// the same headers and the same envelope need not be found out for each.
type envelope struct {
	outer   encap.ECN
	partial bool   // the sender has said that the checksum is
	hint    uint16 // the kernel has said that it is a superframe, of segments of so many bytes
}

// segment is a frame on its way to a port, with what merging asks about it.
type segment struct {
	frame  *encap.Frame
	layers *encap.Layers
	port   *port
	slot   int // of its flow; known once it could not be joined to the latest
	state  encap.ChecksumState
}

// slot returns where the flow of a frame falls.
func (m *merges) slot(f *encap.Frame, l *encap.Layers) int {
	return int(encap.FlowHash(f.Data, l, m.seed) % mergeSlots)
}

// look makes f the frame at hand, and reports whether its checksum is complete and
// right, so that nothing is left to do on it. That is not asked about a frame without
// payload, or one whose port would not take a superframe, and keeps it from being
// joined.
func (m *merges) look(p *port, f *encap.Frame, l *encap.Layers) bool {
	s := &m.at
	s.frame, s.layers, s.port, s.state = f, l, p, encap.ChecksumUnknown
	offload := encap.OffloadTSO
	if l.Proto == encap.ProtoUDP {
		offload = encap.OffloadUSO
	}
	if l.Payload != 0 && l.Payload < l.End && p.offload.load()&offload != 0 {
		s.state = encap.VerifyChecksum(f.Data, l)
	}
	return s.state == encap.ChecksumValid
}

// take tells what is left to do on the frame at hand. One that is a superframe already
// is not joined to others, nor one that only looks as if its checksum were to be finished.
func (m *merges) take(o encap.Offload) {
	if o.GSO != encap.GSONone || m.at.state == encap.ChecksumPartial && !o.NeedsCSUM {
		m.at.state = encap.ChecksumUnknown
	}
}

// join adds the frame at hand to the superframe of its flow and reports whether it
// could. If not, that superframe has ended, and the frame is to follow it.
//
// Most frames follow one of their own flow, so that the latest is tried first.
func (m *merges) join() bool {
	s := &m.at
	if m.latest != nil && m.extend(m.latest) {
		return true
	}
	if s.layers.Fragment {
		m.close() // its hash is not that of its flow's other packets
		return false
	}
	s.slot = m.slot(s.frame, s.layers)
	r := m.open[s.slot]
	switch {
	case r == nil:
		return false
	case r != m.latest && m.extend(r):
		return true
	}
	m.end(r)
	return false
}

// carryOn adds a frame for port p to the superframe that was joined to last, if it is one more
// of the same kind, and reports whether it is. Otherwise it is to be looked at.
func (m *merges) carryOn(p *port, o envelope, frame []byte) bool {
	r := m.latest
	if r == nil || r.port != p || r.envelope != o || !r.Continue(frame) {
		return false
	}
	m.joined(r, frame)
	return true
}

// extend adds the frame at hand to a superframe, if it can be.
func (m *merges) extend(r *mergeRun) bool {
	s := &m.at
	if r.port != s.port || !r.Join(s.frame.Data, s.layers, s.state) {
		return false
	}
	m.joined(r, s.frame.Data)
	return true
}

// joined books a frame that has become part of a superframe.
func (m *merges) joined(r *mergeRun, frame []byte) {
	m.ledger.extend(r.entry, len(frame))
	m.latest = r
	if r.Last() {
		m.end(r)
	}
}

// begin starts a superframe with the frame at hand, whose envelope and ledger entry are given,
// and reports false if nothing could be joined to it. There must be room.
func (m *merges) begin(o envelope, entry int) bool {
	s, r := &m.at, &m.runs[m.n]
	if !r.Begin(s.frame.Data, s.layers, s.state) || r.Last() {
		return false
	}
	r.envelope, r.port, r.entry, r.slot = o, s.port, entry, s.slot
	m.n++
	m.open[s.slot], m.latest = r, r
	return true
}

// full reports that there is no room for another superframe until all are written.
func (m *merges) full() bool { return m.n == maxMerges }

// end queues a superframe for writing.
func (m *merges) end(r *mergeRun) {
	f := r.Finish()
	m.writes.add(r.port, &f, r.entry)
	m.open[r.slot], r.port = nil, nil
	if m.latest == r {
		m.latest = nil
	}
}

// close ends all superframes, the oldest first.
func (m *merges) close() {
	for i := range m.runs[:m.n] {
		if r := &m.runs[i]; r.port != nil {
			m.end(r)
		}
	}
}

// pass ends the superframe of the flow of a frame that goes another way than through
// merging, and is to stay behind it.
func (m *merges) pass(f *encap.Frame, l *encap.Layers) {
	switch {
	case m.n == 0:
	case l.Fragment:
		m.close()
	default:
		if r := m.open[m.slot(f, l)]; r != nil {
			m.end(r)
		}
	}
}
