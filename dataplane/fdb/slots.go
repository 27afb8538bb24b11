package fdb

import (
	"math/bits"
	"math/rand/v2"
	"sync/atomic"
)

const (
	// minSlots is the size of an empty table, a power of two.
	minSlots = 64
	// maxProbes is how many slots an insertion may look at before the table takes
	// another seed. Half full, a million random MACs stay below it.
	maxProbes = 128
)

// slot is the place of one MAC. Package documentation says who may write what.
type slot[D any] struct {
	key     atomic.Uint64 // MAC in the low 48 bits; 0 is an empty slot
	binding atomic.Pointer[binding[D]]
	seen    atomic.Uint32
}

// slots is an array of slots with linear probing. Its length is a power of two, and at
// least half of it is empty, so that every probe ends.
type slots[D any] struct {
	at []slot[D]
	// seed and factor make the hash: drawn for each array, so that nobody outside can
	// choose MACs that fall on one another.
	seed, factor uint64
	used         int // slots with a key, dead ones included; writer only
}

// newSlots returns slots for at least n entries, with room to grow by a third before
// they are half full.
func newSlots[D any](n int) *slots[D] {
	size := minSlots
	for size/8*3 < n {
		size *= 2
	}
	return &slots[D]{at: make([]slot[D], size), seed: rand.Uint64(), factor: rand.Uint64() | 1}
}

// home returns the first slot to look at for a key. Folding both halves of the product
// lets every bit of the key count: consecutive MACs, and MACs that differ only in
// their upper octets, spread alike.
func (a *slots[D]) home(key uint64) uint64 {
	hi, lo := bits.Mul64(key^a.seed, a.factor)
	return hi ^ lo
}

// find returns the slot of a key, or nil. It must not return the empty slot that ends
// the probe: the writer may give that to another MAC at any moment.
func (a *slots[D]) find(key uint64) *slot[D] {
	mask := uint64(len(a.at) - 1)
	for i := a.home(key); ; i++ {
		s := &a.at[i&mask]
		switch s.key.Load() {
		case 0:
			return nil
		case key:
			return s
		}
	}
}

// probe returns the slot of a key or else the empty slot where it belongs, and how many
// slots it looked at. Writer only.
func (a *slots[D]) probe(key uint64) (s *slot[D], probes int) {
	mask := uint64(len(a.at) - 1)
	for i := a.home(key); ; i++ {
		s, probes = &a.at[i&mask], probes+1
		if k := s.key.Load(); k == 0 || k == key {
			return s, probes
		}
	}
}

// copyLive puts the live entries of b into a, which nobody else sees yet. A worker may
// refresh an entry of b meanwhile and lose that: the MAC's next frame makes it good.
func (a *slots[D]) copyLive(b *slots[D]) {
	for i := range b.at {
		from := &b.at[i]
		bound := from.binding.Load()
		if bound == nil {
			continue
		}
		key := from.key.Load()
		to, _ := a.probe(key)
		to.seen.Store(from.seen.Load())
		to.binding.Store(bound)
		to.key.Store(key)
		a.used++
	}
}

// full reports whether another slot would make the array more than half full.
func (a *slots[D]) full() bool { return a.used >= len(a.at)/2 }
