package crypto

import (
	"testing"

	"pgregory.net/rapid"
)

// A step of a table: a counter, and whether it is new.
type step struct {
	counter uint64
	want    bool
}

func walk(t *testing.T, steps []step) {
	t.Helper()
	var w window
	for i, s := range steps {
		if got := w.accept(s.counter); got != s.want {
			t.Errorf("step %d: accept(%d) = %t", i+1, s.counter, got)
		}
	}
}

// The cases that WireGuard's implementations are tested with, in the kernel and in Go, for
// the size of our window and the range of our counters. (Theirs reaches one further back.)
func TestWindow(t *testing.T) {
	const (
		size = windowSize
		last = counterMask
	)
	for name, steps := range map[string][]step{
		"out of order": {
			{0, true}, {1, true}, {1, false}, {9, true}, {8, true}, {7, true}, {7, false}, {9, false},
		},
		"edge": {
			{0, true}, {1, true}, {7, true},
			{size, true}, {size - 1, true}, {size - 1, false}, {size - 2, true},
			{2, true}, {2, false}, {0, false},
			{size + 16, true}, {3, false}, {16, false}, {17, true}, {17, false}, {size + 16, false},
		},
		"leaps": {
			{size, true},
			{4 * size, true}, {3*size + 1, true}, {10, false}, {3 * size, false}, {3*size - 1, false},
			{3*size + 2, true}, {3*size + 1, false}, {0, false}, {4 * size, false},
		},
		"end of the range": {
			{5, true}, {last, true}, {last, false}, {last - 1, true}, {last - 1, false}, {5, false},
			{last - size + 1, true}, {last - size, false}, {0, false}, {last - 2, true},
		},
		"not from zero": {{last, true}, {0, false}, {last - size, false}, {last - size + 1, true}},
		// A leap by a whole ring comes back to the same block and bit.
		"round the ring": {
			{3, true}, {3 + windowBlocks*blockBits, true}, {3 + 2*windowBlocks*blockBits, true},
			{3 + windowBlocks*blockBits, false}, {2 + 2*windowBlocks*blockBits, true},
		},
		"round the ring from zero": {{0, true}, {windowBlocks * blockBits, true}, {0, false}},
		// The block that the newest is in must not be cleared again.
		"within a block": {{64, true}, {66, true}, {64, false}, {65, true}, {127, true}, {66, false}, {128, true}, {127, false}},
	} {
		t.Run(name, func(t *testing.T) { walk(t, steps) })
	}
	if size < 8192 {
		t.Errorf("a window of %d", size)
	}
}

// Long rows, up and down: all are new once.
func TestWindowRows(t *testing.T) {
	up := func(from, to uint64) (row []step) {
		for c := from; c <= to; c++ {
			row = append(row, step{c, true})
		}
		return row
	}
	down := func(from, to uint64) (row []step) {
		for c := from + 1; c > to; c-- {
			row = append(row, step{c - 1, true})
		}
		return row
	}
	const size = windowSize
	for name, steps := range map[string][]step{
		"up, then zero":              append(up(1, size-1), step{0, true}, step{0, false}),
		"up by one more, then zero":  append(up(1, size), step{0, false}),
		"down":                       append(down(size-1, 0), step{size, true}, step{0, false}),
		"down, the last too old":     append(down(size, 1), step{0, false}),
		"up over two rings and back": append(up(0, 40000), step{40000 - size + 1, false}, step{0, false}),
	} {
		t.Run(name, func(t *testing.T) { walk(t, steps) })
	}
}

// reference is what a window is, with memory for everything.
type reference struct {
	next uint64
	seen map[uint64]bool
}

func (r *reference) accept(counter uint64) bool {
	if r.seen[counter] || counter+windowSize < r.next {
		return false
	}
	r.seen[counter] = true
	r.next = max(r.next, counter+1)
	return true
}

// Whatever comes, the window says what a map says.
func TestWindowLikeMap(t *testing.T) {
	const ring = windowBlocks * blockBits
	rapid.Check(t, func(t *rapid.T) {
		var w window
		r := reference{seen: map[uint64]bool{}}
		back := rapid.OneOf(
			rapid.Uint64Range(0, 200),
			rapid.Uint64Range(windowSize-130, windowSize+130),
			rapid.Uint64Range(ring-130, ring+130),
			rapid.Uint64Range(0, 3*ring),
		)
		ahead := rapid.OneOf(back, rapid.Uint64Range(0, 8), rapid.Uint64Range(0, counterMask))
		for range rapid.IntRange(1, 400).Draw(t, "steps") {
			counter := r.next
			if rapid.Bool().Draw(t, "ahead") {
				counter = min(counter+ahead.Draw(t, "by"), counterMask)
			} else {
				counter -= min(counter, back.Draw(t, "by"))
			}
			next := r.next
			if want, got := r.accept(counter), w.accept(counter); got != want {
				t.Fatalf("accept(%d) = %t when the next was %d", counter, got, next)
			}
		}
	})
}
