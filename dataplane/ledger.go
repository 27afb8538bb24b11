package dataplane

// A ledger keeps the fate of every frame of a batch. A frame is entered when it is
// received; each attempt to deliver it, or a segment of it, reports back; and when the
// batch is done, the frame is counted: what was delivered once as forwarded, what was
// delivered more often as copies, and what never was under the first reason that
// stopped it.
type ledger struct {
	entries [ledgerSize]ledgerEntry
	n       int
}

// ledgerSize is how many frames a worker has open at most.
const ledgerSize = 128

type ledgerEntry struct {
	counters  *counters
	bytes     uint64
	weight    uint64 // wire-size frames
	delivered uint64 // wire-size frames, copies included
	drop      Drop   // the first failure
}

func (l *ledger) full() bool { return l.n == ledgerSize }

// enter opens an entry for a frame of so many bytes, which is weight frames on a wire,
// and returns its number.
func (l *ledger) enter(c *counters, bytes, weight int) int {
	l.entries[l.n] = ledgerEntry{counters: c, bytes: uint64(bytes), weight: uint64(weight)}
	l.n++
	return l.n - 1
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

// settle counts every entry and empties the ledger.
func (l *ledger) settle() {
	for i := range l.entries[:l.n] {
		l.entries[i].count()
	}
	l.n = 0
}

func (e *ledgerEntry) count() {
	c := e.counters
	c.frames.Add(e.weight)
	c.bytes.Add(e.bytes)
	forwarded := min(e.delivered, e.weight)
	if forwarded > 0 {
		c.forwarded.Add(forwarded)
		c.forwardedBytes.Add(e.bytes * forwarded / e.weight)
	}
	if copies := e.delivered - forwarded; copies > 0 {
		c.copies.Add(copies)
	}
	if lost := e.weight - forwarded; lost > 0 {
		why := e.drop
		if why == dropNone { // nobody wanted it
			why = DropNoDestination
		}
		c.drops[why].Add(lost)
	}
}
