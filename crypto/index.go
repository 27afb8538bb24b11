package crypto

import "math/bits"

// keyIndex finds the receiving half of an epoch by the index in a packet, for workers: an
// immutable open-addressed array, at most half full, replaced whole when an epoch comes
// or goes. The indices are random, and no stranger chooses them.
type keyIndex struct {
	slots []keySlot
	mask  uint32
	shift uint8 // leaves as many bits of the hash as mask has
}

type keySlot struct {
	index uint32
	key   *RecvKey // nil: the slot is free
}

func newKeyIndex(epochs map[uint32]*epoch) *keyIndex {
	size := uint32(4)
	for int(size) < 2*len(epochs) {
		size *= 2
	}
	x := &keyIndex{
		slots: make([]keySlot, size),
		mask:  size - 1,
		shift: uint8(32 - bits.TrailingZeros32(size)),
	}
	for index, e := range epochs {
		i := x.home(index)
		for x.slots[i].key != nil {
			i = (i + 1) & x.mask
		}
		x.slots[i] = keySlot{index, e.receive}
	}
	return x
}

// home is Fibonacci hashing (Knuth, volume 3, section 6.4).
func (x *keyIndex) home(index uint32) uint32 { return index * 0x9e3779b1 >> x.shift }

// find returns the key, or nil.
func (x *keyIndex) find(index uint32) *RecvKey {
	for i := x.home(index); ; i = (i + 1) & x.mask {
		if s := &x.slots[i]; s.key == nil || s.index == index {
			return s.key
		}
	}
}
