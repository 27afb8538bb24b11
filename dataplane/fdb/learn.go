package fdb

import (
	"fmt"

	"github.com/vxtap/vxtap/encap"
)

// Result is what became of a MAC that was to be learned.
type Result uint8

const (
	Refreshed Result = iota // it was known at this destination
	Added                   // it was not known
	Moved                   // it was known, at another destination
	Held                    // an entry of a higher class says it is elsewhere: nothing changed
	Full                    // it is new, and the limit is reached: refused
	Invalid                 // no station sends from such a MAC: zero, or a group
)

// String returns the result in lower case.
func (r Result) String() string {
	switch r {
	case Refreshed:
		return "refreshed"
	case Added:
		return "added"
	case Moved:
		return "moved"
	case Held:
		return "held"
	case Full:
		return "full"
	case Invalid:
		return "invalid"
	}
	return fmt.Sprintf("result %d", uint8(r))
}

// Learn records that mac sent from d at a time in seconds, from any epoch. A MAC that moves is not new:
// the limit does not keep it from moving.
func (t *Table[D]) Learn(mac encap.MAC, d *D, now uint32) Result {
	if !mac.IsUnicast() {
		return Invalid
	}
	t.mu.Lock()
	defer t.unlock()
	s, b := t.entryOf(mac)
	switch {
	case b != nil:
		return t.relearn(s, b, d, now)
	case t.limit > 0 && t.counts[Learned] >= t.limit:
		t.refused++
		return Full
	}
	t.insert(mac, Learned, d, now)
	return Added
}

// relearn records that the MAC in slot s, bound to b, sent from d. Caller holds mu.
func (t *Table[D]) relearn(s *slot[D], b *binding[D], d *D, now uint32) Result {
	if b.class > Learned && b.dest != d {
		return Held
	}
	if later(now, s.seen.Load()) {
		s.seen.Store(now)
	}
	if b.dest == d {
		return Refreshed
	}
	t.rebind(s, Learned, d)
	return Moved
}

// SetLimit caps the number of learned entries; 0 is no limit. Once it is reached new
// MACs are refused and counted, and no entry ever gives way to another: a host that
// makes up addresses takes nobody's place. Entries beyond a lowered limit stay until
// they age.
func (t *Table[D]) SetLimit(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.limit = n
}

// Refused returns how many times [Table.Learn] answered [Full].
func (t *Table[D]) Refused() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.refused
}

// Expire removes the learned entries that have not been seen for age seconds, and
// returns how many those were. Age 0 keeps them for ever.
func (t *Table[D]) Expire(now, age uint32) (removed int) {
	if age == 0 {
		return 0
	}
	return t.Flush(func(e Entry[D]) bool {
		// A worker's clock may be ahead of the caller's: such an entry is not old.
		return e.Class == Learned && !later(e.Seen, now) && now-e.Seen >= age
	})
}
