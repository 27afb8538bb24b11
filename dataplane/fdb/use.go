package fdb

// use is what the table keeps about one destination. It lies apart from the bindings,
// which workers read, so that counting does not disturb their caches.
type use[D any] struct {
	refs     int // entries, and 1 if it is in the flood list
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

// acquire counts an entry and returns what it is bound to. Caller holds mu.
func (t *Table[D]) acquire(c Class, d *D) *binding[D] {
	u := t.hold(d)
	if u.bindings[c] == nil {
		u.bindings[c] = &binding[D]{c, d}
	}
	t.counts[c]++
	return u.bindings[c]
}

// release is the opposite of acquire. Caller holds mu.
func (t *Table[D]) release(b *binding[D]) {
	t.counts[b.class]--
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

// unlock ends a writer's turn: it unlocks mu and reports what was freed under it.
func (t *Table[D]) unlock() {
	freed := t.freed
	t.freed = nil
	t.mu.Unlock()
	for _, d := range freed {
		t.released(d)
	}
}
