package traffic

import (
	"testing"

	"pgregory.net/rapid"
)

// Any order of datagrams, each any number of times, is counted as a list that remembers
// everything would.
func TestSequenceAgreesWithMemory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		numbers := rapid.SliceOf(rapid.Uint64Range(0, 3*sequenceWindow)).Draw(t, "numbers")
		var s sequence
		seen := make(map[uint64]bool)
		var next, unique, duplicates, reordered uint64
		for _, n := range numbers {
			s.add(n)
			old := n < next && next-n > sequenceWindow
			switch {
			case seen[n] && !old:
				duplicates++
				continue
			case n < next:
				reordered++
			}
			seen[n] = true
			unique++
			next = max(next, n+1)
		}
		if s.unique != unique || s.duplicates != duplicates || s.reordered != reordered {
			t.Fatalf("unique %d, duplicates %d, reordered %d; want %d, %d, %d",
				s.unique, s.duplicates, s.reordered, unique, duplicates, reordered)
		}
	})
}

func TestSequenceInOrder(t *testing.T) {
	var s sequence
	for n := range uint64(5 * sequenceWindow) {
		s.add(n)
	}
	if s.unique != 5*sequenceWindow || s.duplicates+s.reordered != 0 {
		t.Errorf("unique %d, duplicates %d, reordered %d", s.unique, s.duplicates, s.reordered)
	}
	s.add(s.next - 1)
	s.add(s.next + 1)
	s.add(s.next - 2)
	if s.duplicates != 1 || s.reordered != 1 {
		t.Errorf("duplicates %d, reordered %d, want one of each", s.duplicates, s.reordered)
	}
}
