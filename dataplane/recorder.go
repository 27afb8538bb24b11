package dataplane

import (
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/vxtap/vxtap/encap"
)

// A recorder is the ring into which one worker copies frames for one capture. The worker
// never waits: what finds no room is missed.
type recorder struct {
	CaptureConfig
	slab   []byte
	used   uint64 // bytes of the slab handed out, ever; the worker's
	notes  ring[note]
	missed atomic.Uint64
	freed  atomic.Uint64 // bytes handed back

	next  note // of whoever drains: the oldest, if ahead
	ahead bool
}

// note describes one frame in the slab.
type note struct {
	Captured        // without Time and Data
	time     int64  // Unix, in nanoseconds
	at       uint64 // where its bytes begin, counted like used
	size     int
}

func newRecorder(cfg CaptureConfig, size int) *recorder {
	r := &recorder{CaptureConfig: cfg, slab: make([]byte, size)}
	if r.SnapLen <= 0 {
		r.SnapLen = encap.MaxFrame
	}
	r.notes.slots = make([]note, captureNotes)
	return r
}

// put copies a frame that lies in pieces.
func (r *recorder) put(n *note, data []byte, more [][]byte) {
	n.Length = len(data)
	for _, b := range more {
		n.Length += len(b)
	}
	n.size = min(n.Length, r.SnapLen)
	n.at = r.used
	if left := uint64(len(r.slab)) - n.at%uint64(len(r.slab)); left < uint64(n.size) {
		n.at += left // it would not lie in one piece
	}
	end := n.at + uint64(n.size)
	if end-r.freed.Load() > uint64(len(r.slab)) || r.notes.full() {
		r.missed.Add(1)
		return
	}
	to := r.slab[n.at%uint64(len(r.slab)):][:n.size]
	to = to[copy(to, data):]
	for _, b := range more {
		to = to[copy(to, b):]
	}
	r.used = end
	r.notes.put(n)
}

// peek reports whether there is a next frame.
func (r *recorder) peek() bool {
	if !r.ahead {
		r.next, r.ahead = r.notes.take()
	}
	return r.ahead
}

// hand shows the next frame and gives its room back.
func (r *recorder) hand(show func(*Captured)) {
	n := &r.next
	n.Time = time.Unix(0, n.time)
	n.Data = r.slab[n.at%uint64(len(r.slab)):][:n.size]
	show(&n.Captured)
	r.freed.Store(n.at + uint64(n.size))
	r.ahead = false
}

// wants reports whether frames of a network, nil if they belong to none, are captured on
// a stage at all.
func (r *recorder) wants(stage Stage, n *Network) bool {
	return r.Stages&stage != 0 && (r.VNI == 0 || n != nil && n.vni == r.VNI)
}

// from reports whether what a VTEP has to do with is captured.
func (r *recorder) from(remote netip.Addr) bool {
	return !r.Remote.IsValid() || r.Remote == remote
}

// recording is a worker's part in the captures that run: mostly none. It looks for them
// once for each batch.
type recording struct {
	recorders []*recorder
	queue     int
	time      int64              // of the batch
	origins   [ledgerSize]origin // of the entries in the ledger, while there are recorders
}

// origin is where an entry in the ledger came from, if that was the underlay.
type origin struct {
	network *Network // nil if it belongs to none
	remote  netip.AddrPort
	data    []byte
}

// begin looks which captures run, for a worker's slot.
func (r *recording) begin(v *VTEP, slot int) {
	set := v.captures.Load()
	if set == nil {
		r.recorders = nil
		return
	}
	r.recorders, r.time = set.bySlot[slot], time.Now().UnixNano()
}

func (r *recording) on() bool { return len(r.recorders) > 0 }

// written records frames that a port took, on behalf of entries of the ledger.
func (r *recording) written(p *port, frames []encap.Frame, entries []int) {
	for _, to := range r.recorders {
		if !to.wants(StageTap, p.network) {
			continue
		}
		for i := range frames {
			remote := r.origins[entries[i]].remote
			if !to.from(remote.Addr()) {
				continue
			}
			n := note{time: r.time, Captured: Captured{Stage: StageTap, VNI: p.network.vni, Port: p.name, Remote: remote}}
			to.put(&n, frames[i].Data, frames[i].More)
		}
	}
}

// sent records a datagram that left from a queue.
func (r *recording) sent(n *Network, d *encap.Datagram) {
	for _, to := range r.recorders {
		if !to.wants(StageWire, n) || !to.from(d.Remote.Addr()) {
			continue
		}
		c := note{time: r.time, Captured: Captured{
			Stage: StageWire, Out: true, Remote: d.Remote, Packet: true,
			Queue: r.queue, Source: d.Source, TOS: d.TOS, TTL: d.TTL,
		}}
		if n != nil {
			c.VNI = n.vni
		}
		to.put(&c, d.Data, d.More)
	}
}
