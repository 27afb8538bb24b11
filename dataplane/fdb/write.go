package fdb

import (
	"errors"
	"fmt"
	"slices"

	"github.com/vxtap/vxtap/encap"
)

var (
	// ErrZeroMAC is returned because an entry cannot be made for 00:00:00:00:00:00. What is sent to MACs
	// that have no entry is the flood list's business.
	ErrZeroMAC = errors.New("the zero MAC cannot have an entry")
	// ErrClass is returned because [Table.Add] and [Table.Set] make static, controlled
	// and local entries only.
	ErrClass = errors.New("not a class that can be set")
)

// Add makes an entry of class Static or above. It replaces one of a lower class; one of
// the same or a higher class makes it fail with a [HeldError].
func (t *Table[D]) Add(mac encap.MAC, c Class, d *D) error { return t.set(mac, c, d, c-1) }

// Set makes an entry of class Static or above, or changes the one that is there. Only
// one of a higher class makes it fail, with a [HeldError].
func (t *Table[D]) Set(mac encap.MAC, c Class, d *D) error { return t.set(mac, c, d, c) }

// set makes an entry unless there is one of a class above over.
func (t *Table[D]) set(mac encap.MAC, c Class, d *D, over Class) error {
	if mac.IsZero() {
		return ErrZeroMAC
	}
	if c < Static || c > Local {
		return fmt.Errorf("%w: %v", ErrClass, c)
	}
	t.mu.Lock()
	defer t.unlock()
	s, b := t.entryOf(mac)
	switch {
	case b == nil:
		t.insert(mac, c, d, 0)
	case b.class > over:
		return &HeldError{mac, b.class}
	default:
		t.rebind(s, c, d)
	}
	return nil
}

// Delete removes the entry of mac if it is of one of the classes given, or of any class
// when none are. It reports whether it did.
func (t *Table[D]) Delete(mac encap.MAC, of ...Class) bool {
	t.mu.Lock()
	defer t.unlock()
	s, b := t.entryOf(mac)
	if b == nil || len(of) > 0 && !slices.Contains(of, b.class) {
		return false
	}
	t.unbind(s)
	return true
}

// Flush removes the entries for which remove returns true, and returns how many those
// were. The function is called with the table locked: it must not write to it.
func (t *Table[D]) Flush(remove func(Entry[D]) bool) (removed int) {
	t.mu.Lock()
	defer t.unlock()
	a := t.slots.Load()
	for i := range a.at {
		if e, ok := a.at[i].entry(); ok && remove(e) {
			t.unbind(&a.at[i])
			removed++
		}
	}
	t.shrink()
	return removed
}

// entryOf returns the slot of mac and what it is bound to; the latter is nil if mac has
// no entry. Caller holds mu.
func (t *Table[D]) entryOf(mac encap.MAC) (*slot[D], *binding[D]) {
	s := t.slots.Load().find(mac.Uint64())
	if s == nil {
		return nil, nil
	}
	return s, s.binding.Load()
}

// insert makes an entry for a mac that has none. It writes the key last, so that a
// reader who finds it sees the whole entry. Caller holds mu.
func (t *Table[D]) insert(mac encap.MAC, c Class, d *D, seen uint32) {
	key := mac.Uint64()
	a := t.slots.Load()
	s, probes := a.probe(key)
	fresh := s.key.Load() == 0
	if fresh && (a.full() || probes > maxProbes) {
		a = t.rebuild()
		s, _ = a.probe(key)
	}
	if fresh {
		a.used++
	}
	s.seen.Store(seen)
	s.binding.Store(t.acquire(c, d))
	s.key.Store(key)
}

// rebind changes the entry in a slot. Caller holds mu.
func (t *Table[D]) rebind(s *slot[D], c Class, d *D) {
	b := t.acquire(c, d) // before the release, lest the last use of d end between
	t.release(s.binding.Swap(b))
}

// unbind deletes the entry in a slot and leaves the slot to its MAC. Caller holds mu.
func (t *Table[D]) unbind(s *slot[D]) {
	t.release(s.binding.Swap(nil))
}

// rebuild publishes an array of the right size for the live entries and one more,
// hashed anew. Caller holds mu.
func (t *Table[D]) rebuild() *slots[D] {
	a := newSlots[D](t.live() + 1)
	a.copyLive(t.slots.Load())
	t.slots.Store(a)
	return a
}

// shrink rebuilds an array that has become far too big. Caller holds mu.
func (t *Table[D]) shrink() {
	if size := len(t.slots.Load().at); size > minSlots && t.live() < size/16 {
		t.rebuild()
	}
}
