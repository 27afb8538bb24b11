package crypto

// A window remembers which of a queue's recent packets have come, so that none is taken
// twice: the ring of bit blocks of RFC 6479. It moves by clearing whole blocks, never by
// shifting. One block is always partly in use for counters above the newest, hence the
// window is one block smaller than the ring.
const (
	blockBits    = 64
	windowBlocks = 256 // a power of two
	windowSize   = (windowBlocks - 1) * blockBits
)

// window is empty at its zero value. A packet belongs to it only once it is authenticated:
// otherwise a stranger could move it past all that is yet to come.
type window struct {
	next uint64 // the newest counter that came, plus one
	bits [windowBlocks]uint64
}

// accept reports whether a counter (below 2^56) is new, and remembers it. One that is
// older than the newest by windowSize or more is taken for old.
func (w *window) accept(counter uint64) bool {
	if counter >= w.next {
		w.advance(counter)
	} else if w.next-counter > windowSize {
		return false
	}
	block := &w.bits[counter/blockBits%windowBlocks]
	bit := uint64(1) << (counter % blockBits)
	if *block&bit != 0 {
		return false
	}
	*block |= bit
	return true
}

// advance makes a counter the newest, and clears the blocks behind that of the newest so
// far up to its own: at most all of them. At the zero value they are clear.
func (w *window) advance(counter uint64) {
	if w.next > 0 {
		last, block := (w.next-1)/blockBits, counter/blockBits
		for range min(block-last, windowBlocks) {
			last++
			w.bits[last%windowBlocks] = 0
		}
	}
	w.next = counter + 1
}
