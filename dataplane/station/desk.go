package station

import (
	"time"

	"github.com/vxtap/vxtap/encap"
)

// How old addresses and routes may be that are gone by: for answering what the wire asks, and
// as long as any neighbour is known. Before a new neighbour is asked for they are read in any
// case, up to so many times in a second: somebody may have just given a route. But a system
// that is busy may take long to tell, and packets wait; so that has its limit.
const (
	planToAnswer = time.Second
	planPeriod   = 5 * time.Second
	maxReadings  = 50
	planPatience = 100 * time.Millisecond
)

// desk is where the clerk has addresses and routes read by somebody else, lest it have no
// time for anything while the system lets it wait. But for the channels it is the clerk's own.
type desk struct {
	asOf    time.Time // when the plan was read
	reading bool      // it is being read anew
	parked  []letter  // questions that wait for that
	order   chan struct{}
	result  chan reading
}

type reading struct {
	addressing Addressing
	err        error
}

// readOn is the life of who reads.
func (s *Station) readOn() {
	for {
		select {
		case <-s.desk.order:
			a, err := s.read()
			s.desk.result <- reading{a, err} // there is room: one is ordered at a time
		case <-s.stop:
			return
		}
	}
}

func (s *Station) orderReading() {
	if !s.desk.reading {
		s.desk.reading = true
		s.desk.order <- struct{}{}
	}
}

// replan goes by what was read from now on. If that failed, what was known holds.
func (s *Station) replan(r reading) {
	s.desk.reading, s.desk.asOf = false, time.Now()
	s.adopt(r)
	parked := s.desk.parked
	s.desk.parked = nil
	for i := range parked {
		s.answer(&parked[i])
	}
}

// adopt publishes what was read, if it is new. Neighbours that waited for it are due.
func (s *Station) adopt(r reading) {
	s.mu.Lock()
	defer s.unlock()
	if p := newPlan(r.addressing); r.err == nil && !p.equal(s.plan.Load()) {
		s.reroute(p)
		s.plan.Store(p)
	}
	for n := range s.table.all() {
		if n.state == incomplete && n.asked == 0 {
			n.due = time.Time{}
		}
	}
}

// reroute has packets that wait do so for whom they go to by another plan; mu is held. They
// come before any that go that way from now on, as the plan is not published yet.
func (s *Station) reroute(p *plan) {
	for n := range s.table.all() {
		waiting := n.waiting
		n.waiting, n.bytes = nil, 0
		for _, k := range waiting {
			s.kept -= len(k.data)
			s.resend(k, p)
		}
		if hop, _ := p.next(n.addr); hop != n.addr && n.state == incomplete && len(n.waiting) == 0 {
			s.table.remove(n)
		}
	}
}

// resend keeps a packet anew.
func (s *Station) resend(k kept, p *plan) {
	a := addressesOf(k.data)
	hop, _ := p.next(a.dst)
	n := s.table.find(hop)
	switch {
	case n != nil:
		k.refusal = s.keep(n, k, a)
	case s.table.n < maxNeighbours:
		k.refusal = s.keep(s.table.add(hop), k, a)
	default:
		k.refusal = encap.RefusalNeighbourTable
	}
	if k.refusal != encap.RefusalHeld {
		s.send(k)
		return
	}
	s.news = append(s.news, k.queue)
}
