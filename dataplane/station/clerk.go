package station

import (
	"time"

	"github.com/vxtap/vxtap/encap"
)

// idle is how long the clerk sleeps that has nothing to look after: until it is woken.
const idle = time.Hour

// maxQuestions is how many questions are asked in a second, and at once.
const maxQuestions = 128

// letter is a frame from the wire that is about addresses. Longer ones say what no station
// here needs to know.
type letter struct {
	size int
	data [256]byte
}

// maxLetters is how many wait for the clerk.
const maxLetters = 64

// drop leaves a frame in the clerk's letter box, and reports whether there was room.
func (s *Station) drop(f *encap.Frame) bool {
	l := letter{size: f.Len()}
	if l.size > len(l.data) || len(f.More) > 0 {
		return true
	}
	copy(l.data[:], f.Data)
	select {
	case s.letters <- l:
		return true
	default:
		return false
	}
}

// work is the clerk's life.
func (s *Station) work() {
	timer := time.NewTimer(idle)
	defer timer.Stop()
	for {
		letters := s.letters
		if s.stalled() {
			letters = nil
		}
		select {
		case l := <-letters:
			s.open(&l)
			continue
		case r := <-s.desk.result:
			s.replan(r)
		case <-s.woken:
		case <-timer.C:
		case <-s.stop:
			return
		}
		timer.Reset(s.attend())
	}
}

// stalled reports whether answers are not read for now, so that questions have to wait.
func (s *Station) stalled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.own >= maxUnread
}

// attend does what is due, and returns after how long there is more.
func (s *Station) attend() time.Duration {
	fresh, any := s.outlook()
	switch age := time.Since(s.desk.asOf); {
	case fresh && s.readings.take(time.Now()), any && age >= planPeriod, s.doubted.Load() && age >= planToAnswer:
		s.orderReading()
		s.doubted.Store(false)
	}
	s.mu.Lock()
	defer s.unlock()
	now := time.Now()
	next := now.Add(planPeriod)
	s.crowded = false
	for n := range s.table.all() {
		if !n.due.After(now) {
			s.turn(n, now)
		}
		next = earlier(next, n.due)
	}
	switch doubted := s.doubted.Load(); {
	case s.table.n == 0 && !doubted:
		return idle
	case doubted: // once what is known is older
		next = earlier(next, s.desk.asOf.Add(planToAnswer))
	}
	return max(time.Until(next), time.Millisecond)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// outlook reports whether somebody is about to be asked for the first time, and whether
// there is any neighbour.
func (s *Station) outlook() (fresh, any bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fresh, s.fresh = s.fresh, false
	return fresh, s.table.n > 0
}

// turn does for a neighbour what is due; mu is held.
func (s *Station) turn(n *neighbour, now time.Time) {
	switch n.state {
	case incomplete, probe:
		s.askAgain(n, now)
	case reachable:
		n.used.Store(false)
		n.become(stale, now, checkAfter)
	case stale:
		switch {
		case n.used.Swap(false):
			n.become(probe, now, 0)
			s.askAgain(n, now)
		case now.Sub(n.since) >= forgetAfter:
			s.table.remove(n)
			n.due = now.Add(planPeriod)
		default:
			n.due = now.Add(checkAfter)
		}
	case failed:
		s.table.remove(n)
		n.due = now.Add(planPeriod)
	}
}

// askAgain asks for a neighbour, unless that has been done often enough.
func (s *Station) askAgain(n *neighbour, now time.Time) {
	switch {
	case n.asked == 0 && n.state == incomplete && s.desk.reading && !n.late:
		n.late, n.due = true, now.Add(planPatience) // somebody may have just given a route
	case n.asked < maxAsked && !s.questions.take(now):
		n.due = now.Add(retransmit / maxQuestions)
	case n.asked < maxAsked:
		n.asked++
		n.due = now.Add(retransmit)
		s.ask(n)
	case n.state == incomplete:
		s.release(n, encap.MAC{}, encap.RefusalNoNeighbour)
		n.word.Store(word(fateRefused, encap.MAC{}))
		n.become(failed, now, refuseFor)
	default: // it is gone; who sends there next asks anew
		s.table.remove(n)
		n.due = now.Add(planPeriod)
	}
}

// budget is how often something may be done: so many times in a second, and at once.
type budget struct {
	each float64 // a second
	left float64
	asOf time.Time
}

func (b *budget) take(now time.Time) bool {
	b.left = min(b.each, b.left+b.each*now.Sub(b.asOf).Seconds())
	b.asOf = now
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}
