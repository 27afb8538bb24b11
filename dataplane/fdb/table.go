package fdb

import (
	"iter"
	"sync"
	"sync/atomic"

	"github.com/vxtap/vxtap/encap"
)

// Table maps MACs to destinations of type D. Make it with [New].
type Table[D any] struct {
	slots atomic.Pointer[slots[D]]
	flood atomic.Pointer[[]*D]

	mu       sync.Mutex // held by writers; guards what follows
	uses     map[*D]*use[D]
	counts   [classes]int
	limit    int
	refused  uint64
	released func(*D)
	watch    func(*D, bool)
	freed    []*D      // to be reported once mu is unlocked
	turns    []turn[D] // likewise
}

// New returns an empty table. If released is not nil, it is called with each
// destination whose last use, as an entry or in the flood list, is gone: on the
// goroutine of the writer that removed it, before that call returns, and with no lock
// of the table held. Whoever interns destinations must keep others from adding the same
// pointer again meanwhile, or check [Table.References].
func New[D any](released func(*D)) *Table[D] {
	t := &Table[D]{uses: make(map[*D]*use[D]), released: released}
	t.slots.Store(newSlots[D](0))
	t.flood.Store(new([]*D))
	return t
}

// Watch has a function called whenever a destination comes to be named or is so no more:
// it is on the flood list, or an entry that was not learned leads to it. The call is made
// as that of New's released is, and before it; it may write to the table. Watch is to be
// called before the table is used.
func (t *Table[D]) Watch(f func(d *D, named bool)) { t.watch = f }

// Lookup returns the destination that holds mac and the class of its entry, or nil and
// [None].
func (t *Table[D]) Lookup(mac encap.MAC) (*D, Class) {
	s := t.slots.Load().find(mac.Uint64())
	if s == nil {
		return nil, None
	}
	b := s.binding.Load()
	if b == nil {
		return nil, None
	}
	return b.dest, b.class
}

// Learned is what a worker does with the source of a frame that came from d: it
// refreshes the entry's time and says whether that was all there is to do. If not, the
// MAC is new or has moved, and the caller has [Table.Learn] called by whoever writes.
//
// The class is that of the entry which holds mac, [None] if it is new. An entry above
// [Learned] is never a reason to call Learn; whether a frame may come from d although
// mac is held elsewhere (a port's own MAC coming back through the tunnel) is for the
// caller to judge.
func (t *Table[D]) Learned(mac encap.MAC, d *D, now uint32) (held Class, known bool) {
	s := t.slots.Load().find(mac.Uint64())
	if s == nil {
		return None, false
	}
	b := s.binding.Load()
	switch {
	case b == nil:
		return None, false
	case b.dest != d:
		return b.class, b.class > Learned
	}
	if later(now, s.seen.Load()) {
		s.seen.Store(now)
	}
	return b.class, true
}

// later reports whether time a is after b, across a wrap of the seconds. Only then is a
// time written: workers that share an entry write its cache line once a second at most,
// and one with an older clock never.
func later(a, b uint32) bool { return int32(a-b) > 0 }

// All returns the entries in no particular order. It takes no lock: an entry that
// changes while the loop runs is reported as it was or as it is, and at most once.
func (t *Table[D]) All() iter.Seq[Entry[D]] {
	return func(yield func(Entry[D]) bool) {
		a := t.slots.Load()
		for i := range a.at {
			if e, ok := a.at[i].entry(); ok && !yield(e) {
				return
			}
		}
	}
}

// entry returns the slot's entry if it has a live one.
func (s *slot[D]) entry() (Entry[D], bool) {
	key := s.key.Load()
	b := s.binding.Load()
	if key == 0 || b == nil {
		return Entry[D]{}, false
	}
	return Entry[D]{encap.MACFromUint64(key), b.class, b.dest, s.seen.Load()}, true
}

// Len returns the number of entries of all classes.
func (t *Table[D]) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.live()
}

// Count returns the number of entries of one class.
func (t *Table[D]) Count(c Class) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c >= classes {
		return 0
	}
	return t.counts[c]
}

// live returns the number of entries. Caller holds mu.
func (t *Table[D]) live() (n int) {
	for _, c := range t.counts {
		n += c
	}
	return n
}
