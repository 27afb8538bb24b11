package traffic

import (
	"errors"
	"fmt"
	"math"
)

// MaxLoss is the share of datagrams that may be lost at a rate that counts as carried.
const MaxLoss = 0.001

// ErrNoRate says that no rate was found at which less than [MaxLoss] is lost.
var ErrNoRate = errors.New("no rate without loss")

// Bounds of a search.
const (
	maxProbes  = 12
	precision  = 1.03 // of the bracket when it is narrow enough, high over low
	lowestRate = 500  // datagrams a second; a path that loses at this one does not work
	reached    = 0.97 // of the rate asked for; below, the sender cannot or had to wait
)

// confirmations are the parts of the rate found at which it is confirmed, one after the
// other until one holds. It goes far down, since the longer a trial is, the likelier
// somebody else needs the processor in it for as long as the queues on the way last.
var confirmations = [...]float64{1, 1, 0.96, 0.9, 0.8, 0.65, 0.5, 0.35, 0.2}

// Search finds the highest rate at which less than [MaxLoss] is lost.
//
//  1. Without a rate to start from, a flood: as much as can be sent. If it arrives whole,
//     that was it. Otherwise what arrives of it is a first guess; the best rate may lie on
//     either side, since a path that is flooded may carry less than it could.
//  2. Short probes narrow a bracket: up by a seventh while everything is carried, then at
//     the geometric mean of what was carried and what was not.
//  3. The rate found is confirmed for the full time, and lowered until it holds.
//
// Loss is not a clean step, least of all on a machine that does other things. So probes
// only guide the search, and the result is that of one trial that is whole.
type Search struct {
	// Try sends at a rate, 0 being as fast as it goes: a short probe, or for the full
	// time if final.
	Try func(rate float64, final bool) (UDPResult, error)
	// Start is a rate from which to search, such as the last one found; 0 for none.
	Start float64
	// Limited is set by Run: at the rate found, the sender can send no more. In-kernel
	// paths work in the sender's own system calls, and so slow it down rather than lose.
	Limited bool

	// Rates that were asked for: carried, and not carried; 0 and +Inf while unknown.
	low, high float64
}

// Run searches, and returns the result of the final trial at the rate found: what was
// carried for the full time, not what the probes promised.
func (s *Search) Run() (UDPResult, error) {
	s.low, s.high, s.Limited = 0, math.Inf(1), false
	next, err := s.first()
	for probe := 0; err == nil && probe < maxProbes && !s.found(); probe++ {
		next, err = s.probe(next)
	}
	if err != nil {
		return UDPResult{}, err
	}
	return s.confirm()
}

// found reports whether more probes would tell nothing more.
func (s *Search) found() bool {
	return s.Limited || s.low > 0 && s.high/s.low < precision || s.high < lowestRate
}

// first returns the rate to probe first: near the start, or what arrives of all that can
// be sent.
func (s *Search) first() (float64, error) {
	if s.Start > 0 {
		return s.Start, nil
	}
	r, err := s.flood()
	return max(r.Delivered(), s.high/20, lowestRate), err
}

// flood sends as much as it can, which bounds the search from above.
func (s *Search) flood() (UDPResult, error) {
	r, err := s.Try(0, false)
	if err != nil {
		return r, err
	}
	s.high = max(r.Offered(), s.low)
	if carried(r) {
		s.low, s.Limited = s.high, true
	}
	return r, nil
}

// probe tries a rate, moves one end of the bracket there, and returns what to try next.
func (s *Search) probe(rate float64) (float64, error) {
	r, err := s.try(rate)
	if err != nil {
		return 0, err
	}
	if !carried(r) {
		s.high = min(s.high, rate)
		return s.next(r), nil
	}
	s.low = max(s.low, rate)
	if r.Offered() < reached*rate && math.IsInf(s.high, 1) {
		// Before asking for more and more, look how much there is.
		if r, err = s.flood(); err != nil {
			return 0, err
		}
	}
	return s.next(r), nil
}

// try probes a rate, a second time if the first lost little: on a busy machine that may
// have been somebody else's doing.
func (s *Search) try(rate float64) (UDPResult, error) {
	r, err := s.Try(rate, false)
	if err == nil && !carried(r) && r.Loss() < 10*MaxLoss && !r.Late() {
		return s.Try(rate, false)
	}
	return r, err
}

func (s *Search) next(last UDPResult) float64 {
	switch {
	case math.IsInf(s.high, 1):
		return s.low * 1.15
	case s.low == 0:
		return max(min(0.9*s.high, last.Delivered()), 0.5*s.high)
	}
	return math.Sqrt(s.low * s.high)
}

// confirm makes the final trial, at lower rates if it has to.
func (s *Search) confirm() (UDPResult, error) {
	if s.low == 0 {
		return UDPResult{}, fmt.Errorf("%w: more than %.1f %% is lost at %.0f datagrams a second", ErrNoRate, 100*MaxLoss, s.high)
	}
	for i, part := range confirmations {
		rate := part * s.low
		if s.Limited && i == 0 {
			rate = 0
		}
		r, err := s.Try(rate, true)
		if err != nil || carried(r) {
			s.Limited = s.Limited && rate == 0
			return r, err
		}
	}
	return UDPResult{}, fmt.Errorf("%w: what short probes carried, %.0f datagrams a second, loses more than %.1f %% in longer ones, at a fifth of it too",
		ErrNoRate, s.low, 100*MaxLoss)
}

// carried reports whether a trial lost less than MaxLoss, and left nothing in queues.
func carried(r UDPResult) bool { return r.Sent > 0 && r.Loss() < MaxLoss && !r.Late() }
