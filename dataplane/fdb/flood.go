package fdb

import "slices"

// Flood returns where to send what has no entry, in the order of addition. The slice is
// shared and must not be changed.
func (t *Table[D]) Flood() []*D { return *t.flood.Load() }

// AddFlood appends d to the flood list, and reports false if it was there already.
func (t *Table[D]) AddFlood(d *D) bool {
	t.mu.Lock()
	defer t.unlock()
	old := t.Flood()
	if slices.Contains(old, d) {
		return false
	}
	t.setFlood(append(slices.Clip(old), d))
	return true
}

// RemoveFlood takes d off the flood list, and reports false if it was not there.
func (t *Table[D]) RemoveFlood(d *D) bool {
	t.mu.Lock()
	defer t.unlock()
	old := t.Flood()
	i := slices.Index(old, d)
	if i < 0 {
		return false
	}
	t.setFlood(slices.Delete(slices.Clone(old), i, i+1))
	return true
}

// SetFlood makes list the flood list, in one step; of equal destinations the first
// counts. It keeps no hold of the slice.
func (t *Table[D]) SetFlood(list []*D) {
	t.mu.Lock()
	defer t.unlock()
	var unique []*D
	for _, d := range list {
		if !slices.Contains(unique, d) {
			unique = append(unique, d)
		}
	}
	t.setFlood(unique)
}

// setFlood publishes list, which nobody may change any more. Caller holds mu.
func (t *Table[D]) setFlood(list []*D) {
	old := t.Flood()
	for _, d := range list { // before the old are dropped, lest one in both be freed
		t.name(d, t.hold(d), 1)
	}
	t.flood.Store(&list)
	for _, d := range old {
		t.name(d, t.uses[d], -1)
		t.drop(d)
	}
}
