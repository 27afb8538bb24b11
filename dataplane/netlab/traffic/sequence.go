package traffic

// sequenceWindow is how far behind the newest datagram of its flow one may come and
// still be told from a duplicate.
const sequenceWindow = 1 << 14

// sequence follows the numbers of one flow. The zero sequence expects number 0.
type sequence struct {
	next uint64 // one more than the highest number seen
	// seen has a bit for each number in [next-sequenceWindow, next), at the number modulo
	// the window.
	seen [sequenceWindow / 64]uint64

	unique     uint64 // datagrams, each counted once
	duplicates uint64
	reordered  uint64 // of unique: came after one with a higher number
}

// add counts a datagram.
func (s *sequence) add(number uint64) {
	switch {
	case number >= s.next:
		s.advance(number)
	case s.next-number > sequenceWindow:
		// Too old to know. Nothing between the ends copies datagrams that late, but
		// a queue may hold them back.
		s.reordered++
	case s.test(number):
		s.duplicates++
		return
	default:
		s.reordered++
		s.set(number)
	}
	s.unique++
}

// advance moves the window up to number, which it has now seen.
func (s *sequence) advance(number uint64) {
	if number-s.next >= sequenceWindow {
		clear(s.seen[:])
	} else {
		for n := s.next; n < number; n++ {
			s.unset(n)
		}
	}
	s.set(number)
	s.next = number + 1
}

func (s *sequence) test(n uint64) bool { return s.seen[n/64%uint64(len(s.seen))]&(1<<(n%64)) != 0 }
func (s *sequence) set(n uint64)       { s.seen[n/64%uint64(len(s.seen))] |= 1 << (n % 64) }
func (s *sequence) unset(n uint64)     { s.seen[n/64%uint64(len(s.seen))] &^= 1 << (n % 64) }
