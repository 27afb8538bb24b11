package fdb

import (
	"maps"
	"slices"
)

// use is what the table keeps about one destination. It lies apart from the bindings,
// which workers read, so that counting does not disturb their caches.
type use[D any] struct {
	refs     int // entries, and 1 if it is in the flood list
	named    int // of these, all but the learned entries
	bindings [classes]*binding[D]
}

// References returns how many entries lead to d, plus one if it is in the flood list.
func (t *Table[D]) References(d *D) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if u := t.uses[d]; u != nil {
		return u.refs
	}
	return 0
}

// Destinations returns those that are in use, in no particular order.
func (t *Table[D]) Destinations() []*D {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Collect(maps.Keys(t.uses))
}

// acquire counts an entry and returns what it is bound to. Caller holds mu.
func (t *Table[D]) acquire(c Class, d *D) *binding[D] {
	u := t.hold(d)
	if u.bindings[c] == nil {
		u.bindings[c] = &binding[D]{c, d}
	}
	t.counts[c]++
	if c > Learned {
		t.name(d, u, 1)
	}
	return u.bindings[c]
}

// release is the opposite of acquire. Caller holds mu.
func (t *Table[D]) release(b *binding[D]) {
	t.counts[b.class]--
	if b.class > Learned {
		t.name(b.dest, t.uses[b.dest], -1)
	}
	t.drop(b.dest)
}

// hold counts one use of d. Caller holds mu.
func (t *Table[D]) hold(d *D) *use[D] {
	u := t.uses[d]
	if u == nil {
		u = new(use[D])
		t.uses[d] = u
	}
	u.refs++
	return u
}

// drop ends one use of d. Caller holds mu.
func (t *Table[D]) drop(d *D) {
	u := t.uses[d]
	if u.refs--; u.refs > 0 {
		return
	}
	delete(t.uses, d)
	if t.released != nil {
		t.freed = append(t.freed, d)
	}
}

// turn is a change of what is told to the function of [Table.Watch].
type turn[D any] struct {
	dest  *D
	named bool
}

// name counts one more or less use of d that was not learned. Caller holds mu.
func (t *Table[D]) name(d *D, u *use[D], by int) {
	was := u.named > 0
	u.named += by
	if is := u.named > 0; is != was && t.watch != nil {
		t.turns = append(t.turns, turn[D]{d, is})
	}
}

// unlock ends a writer's turn: it unlocks mu and reports what changed under it.
func (t *Table[D]) unlock() {
	turns, freed := t.turns, t.freed
	t.turns, t.freed = nil, nil
	t.mu.Unlock()
	for _, c := range turns {
		t.watch(c.dest, c.named)
	}
	for _, d := range freed {
		t.released(d)
	}
}
