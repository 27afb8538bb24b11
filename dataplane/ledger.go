package dataplane

import "github.com/vxtap/vxtap/encap"

// A ledger keeps the fate of every frame of a batch. A frame is entered when it is
// received; each attempt to deliver it, or a segment of it, reports back; and when the
// batch is done, the frame is counted: what was delivered once as forwarded, what was
// delivered more often as copies, and what never was under the first reason that
// stopped it.
type ledger struct {
	entries [ledgerSize]ledgerEntry
	n       int
	held    []heldFrame // copies that are to wait for a key
}

// ledgerSize is how many frames a worker has open at most.
const ledgerSize = 128

type ledgerEntry struct {
	counters  *counters
	bytes     uint64 // on a wire
	weight    uint64 // wire-size frames
	delivered uint64 // wire-size frames, copies included
	held      uint64 // wire-size frames that wait for a key
	drop      Drop   // the first failure
	refused   bool   // the system did not send it, for its size
}

func (l *ledger) full() bool { return l.n == ledgerSize }

// enter opens an entry for a frame, or a superframe, and returns its number.
func (l *ledger) enter(c *counters, f *encap.Frame, layers *encap.Layers) int {
	entry := l.enterBytes(c, len(f.Data))
	if f.Offload.GSO != encap.GSONone {
		l.entries[entry].bytes, l.entries[entry].weight = wireSize(f, layers)
	}
	return entry
}

// enterBytes opens an entry for what is one frame of so many bytes, and returns its
// number.
func (l *ledger) enterBytes(c *counters, bytes int) int {
	l.entries[l.n] = ledgerEntry{counters: c, bytes: uint64(bytes), weight: 1}
	l.n++
	return l.n - 1
}

// enterNothing opens an entry for what counts as no frame, as it is to come again.
func (l *ledger) enterNothing(c *counters) {
	l.entries[l.n] = ledgerEntry{counters: c}
	l.n++
}

// wireSize is how many bytes in how many frames a superframe is on a wire, where each
// segment has the headers.
func wireSize(f *encap.Frame, l *encap.Layers) (bytes, frames uint64) {
	size := int(f.Offload.SegmentSize)
	if size == 0 || l.Payload == 0 || l.End <= l.Payload {
		return uint64(len(f.Data)), 1
	}
	n := (l.End - l.Payload + size - 1) / size
	return uint64(l.End + (n-1)*l.Payload), uint64(n)
}

// extend adds a frame of so many bytes to an entry, which it shares the fate of.
func (l *ledger) extend(entry, bytes int) {
	l.entries[entry].bytes += uint64(bytes)
	l.entries[entry].weight++
}

// delivered reports that a whole copy of the frame arrived.
func (l *ledger) delivered(entry int) { l.entries[entry].delivered += l.entries[entry].weight }

// deliveredSegment reports that one wire-size frame of it arrived.
func (l *ledger) deliveredSegment(entry int) { l.entries[entry].delivered++ }

// dropped reports why a copy of it, or a segment, did not.
func (l *ledger) dropped(entry int, why Drop) {
	if e := &l.entries[entry]; e.drop == dropNone {
		e.drop = why
	}
}

// hold reports that one wire-size frame of it waits for a key.
func (l *ledger) hold(h heldFrame) {
	l.entries[h.entry].held++
	l.held = append(l.held, h)
}

// settle counts every entry and empties the ledger. What is held stays to be collected;
// those on which the fate of a frame hangs are marked.
func (l *ledger) settle() {
	var t tally
	for i := range l.entries[:l.n] {
		e := &l.entries[i]
		if e.counters != t.counters {
			t.post()
			t = tally{counters: e.counters}
		}
		t.count(e)
	}
	t.post()
	for i := range l.held {
		h := &l.held[i]
		e := &l.entries[h.entry]
		h.counters = e.counters
		if e.held > 0 {
			e.held--
			h.decides = true
		}
	}
	l.n = 0
}

// A tally adds up entries for the same counters, so that what others may be reading is
// touched once for many frames.
type tally struct {
	*counters
	frames, bytes             uint64
	forwarded, forwardedBytes uint64
	copies, waiting           uint64
}

func (t *tally) count(e *ledgerEntry) {
	t.frames += e.weight
	t.bytes += e.bytes
	if e.delivered == e.weight && e.held == 0 {
		t.forwarded += e.weight
		t.forwardedBytes += e.bytes
		return
	}
	forwarded := min(e.delivered, e.weight)
	t.forwarded += forwarded
	t.forwardedBytes += e.bytes * forwarded / e.weight
	t.copies += e.delivered - forwarded
	e.held = min(e.held, e.weight-forwarded)
	t.waiting += e.held
	if lost, why := e.lost(); lost > 0 {
		t.drops[why].Add(lost)
	}
}

// lost is how many of an entry's wire-size frames are dropped, and why.
func (e *ledgerEntry) lost() (frames uint64, why Drop) {
	if e.delivered+e.held >= e.weight {
		return 0, dropNone
	}
	if e.drop == dropNone { // nobody wanted it
		return e.weight - e.delivered - e.held, DropNoDestination
	}
	return e.weight - e.delivered - e.held, e.drop
}

// post brings the sums to the counters.
func (t *tally) post() {
	if t.counters == nil {
		return
	}
	c := t.counters
	c.frames.Add(t.frames)
	c.bytes.Add(t.bytes)
	c.forwarded.Add(t.forwarded)
	c.forwardedBytes.Add(t.forwardedBytes)
	c.copies.Add(t.copies)
	if t.waiting > 0 {
		c.waiting.Add(int64(t.waiting))
	}
}
