package traffic

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// path is one that carries so much and drops the rest, fed by a generator that can
// send so much.
type path struct {
	capacity, generator float64
	tries, finals       int
}

func (p *path) try(rate float64, final bool) (UDPResult, error) {
	p.tries++
	if final {
		p.finals++
	}
	if rate == 0 || rate > p.generator {
		rate = p.generator
	}
	r := UDPResult{Sent: uint64(rate), Elapsed: time.Second, Received: uint64(min(rate, p.capacity))}
	return r, nil
}

func TestSearchFindsCapacity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := &path{
			capacity:  rapid.Float64Range(2000, 3e6).Draw(t, "capacity"),
			generator: rapid.Float64Range(2000, 3e6).Draw(t, "generator"),
		}
		limit := min(p.capacity, p.generator)
		s := Search{Try: p.try, Start: rapid.SampledFrom([]float64{0, 0.7 * limit, 0.98 * limit, 1.3 * limit}).Draw(t, "start")}
		r, err := s.Run()
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Delivered(); got > 1.001*limit+1 || got < 0.93*limit {
			t.Fatalf("found %.0f of %.0f", got, limit)
		}
		if s.Limited && p.generator > 1.1*p.capacity || !s.Limited && p.capacity > 1.1*p.generator {
			t.Fatalf("limited by the generator: %t", s.Limited)
		}
		if p.tries > 2*maxProbes+len(confirmations)+1 || p.finals == 0 {
			t.Fatalf("%d tries, %d of them final", p.tries, p.finals)
		}
	})
}

// What is reported comes from a final trial that lost little, whatever the probes said.
func TestSearchTrustsOnlyFinalTrials(t *testing.T) {
	p := &path{capacity: 100e3, generator: 1e6}
	s := Search{Try: func(rate float64, final bool) (UDPResult, error) {
		if final && rate > 90e3 { // what short probes do not show
			return UDPResult{Sent: 1000, Elapsed: time.Second, Received: 900}, nil
		}
		return p.try(rate, final)
	}}
	r, err := s.Run()
	if err != nil || r.Loss() >= MaxLoss || r.Delivered() > 90e3 || r.Delivered() < 80e3 {
		t.Errorf("%.0f delivered, loss %.4f, %v", r.Delivered(), r.Loss(), err)
	}
}

// A queue that swallows a probe does not pass for a path that carries it.
func TestSearchSeesQueues(t *testing.T) {
	const capacity = 100e3
	s := Search{Start: 80e3, Try: func(rate float64, _ bool) (UDPResult, error) {
		r := UDPResult{Sent: uint64(rate), Received: uint64(rate), Elapsed: time.Second}
		r.Span = time.Duration(max(1, rate/capacity) * float64(time.Second))
		return r, nil
	}}
	r, err := s.Run()
	if err != nil || r.Delivered() > 1.01*capacity || r.Offered() > 1.04*capacity || r.Delivered() < 0.95*capacity {
		t.Errorf("%.0f offered, %.0f delivered, %v", r.Offered(), r.Delivered(), err)
	}
}

func TestSearchGivesUp(t *testing.T) {
	half := func(rate float64, _ bool) (UDPResult, error) {
		return UDPResult{Sent: 1000, Elapsed: time.Second, Received: 500}, nil
	}
	if _, err := (&Search{Try: half}).Run(); !errors.Is(err, ErrNoRate) {
		t.Errorf("a path that always loses half: %v", err)
	}
	broken := errors.New("broken")
	if _, err := (&Search{Try: func(float64, bool) (UDPResult, error) { return UDPResult{}, broken }}).Run(); !errors.Is(err, broken) {
		t.Errorf("a trial that fails: %v", err)
	}
}
