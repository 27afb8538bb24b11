package station

import (
	"hash/maphash"
	"iter"
	"net/netip"
	"sync/atomic"
)

// maxNeighbours bounds how many neighbours are known or asked for. Linux has 1024 for all
// interfaces of a host; an overlay may have more hosts than that.
const maxNeighbours = 4096

// tableBuckets is a power of two.
const tableBuckets = maxNeighbours / 4

// table has the neighbours by address. It is read without locks; changes are made under
// Station.mu. Who looks at a neighbour while it is taken out may use what it said then.
type table struct {
	seed  maphash.Seed // so that nobody can choose addresses that share a bucket
	heads [tableBuckets]atomic.Pointer[neighbour]
	n     int
}

func (t *table) init() { t.seed = maphash.MakeSeed() }

func (t *table) head(a netip.Addr) *atomic.Pointer[neighbour] {
	b := a.As16()
	return &t.heads[maphash.Bytes(t.seed, b[:])%tableBuckets]
}

// find returns the neighbour with an address, or nil.
func (t *table) find(a netip.Addr) *neighbour {
	for n := t.head(a).Load(); n != nil; n = n.next.Load() {
		if n.addr == a {
			return n
		}
	}
	return nil
}

// add makes a neighbour that is not there yet.
func (t *table) add(a netip.Addr) *neighbour {
	n := &neighbour{addr: a}
	head := t.head(a)
	n.next.Store(head.Load())
	head.Store(n)
	t.n++
	return n
}

// remove takes a neighbour out, and has those who still look at it look again.
func (t *table) remove(n *neighbour) {
	at := t.head(n.addr)
	for at.Load() != n {
		at = &at.Load().next
	}
	at.Store(n.next.Load())
	n.word.Store(word(fateUnknown, [6]byte{}))
	t.n--
}

// all goes through the neighbours; the one at hand may be removed.
func (t *table) all() iter.Seq[*neighbour] {
	return func(yield func(*neighbour) bool) {
		for i := range t.heads {
			for n := t.heads[i].Load(); n != nil; n = n.next.Load() {
				if !yield(n) {
					return
				}
			}
		}
	}
}
