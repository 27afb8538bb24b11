package dataplane

import (
	"errors"
	"time"
)

// The keeper is the one goroutine that writes what workers see into the tables: it
// learns, ages, keeps the coarse clock, and reports ports that failed.
type keeper struct {
	wake   chan struct{} // sightings are waiting
	failed chan portFailure
	stop   chan struct{}
	done   chan struct{}
}

type portFailure struct {
	port *port
	err  error
}

func newKeeper() keeper {
	return keeper{
		wake:   make(chan struct{}, 1),
		failed: make(chan portFailure, batchSize),
		stop:   make(chan struct{}),
		done:   make(chan struct{}),
	}
}

// wakeKeeper tells the keeper of sightings. It does not block.
func (v *VTEP) wakeKeeper() {
	select {
	case v.keeper.wake <- struct{}{}:
	default:
	}
}

// portFailed hands a port that can no longer be read to the keeper. It reports false
// when too many failed at once: it cannot wait, as the keeper may be waiting for the
// worker that calls it.
func (v *VTEP) portFailed(p *port, err error) bool {
	select {
	case v.keeper.failed <- portFailure{p, err}:
		return true
	default:
		return false
	}
}

func (v *VTEP) keep() {
	defer close(v.keeper.done)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-v.keeper.wake:
			v.learnSightings()
		case f := <-v.keeper.failed:
			v.dropPort(f.port, f.err)
		case <-tick.C:
			now := v.clock.Add(1)
			for _, n := range v.Networks() {
				n.expire(now)
			}
		case <-v.keeper.stop:
			return
		}
	}
}

// learnSightings takes what workers saw, a ring's worth each at most, so that one that
// sees new MACs without end does not keep the keeper from its other duties.
func (v *VTEP) learnSightings() {
	now := v.clock.Load()
	for _, r := range v.rings() {
		for range ringSize {
			s, ok := r.take()
			if !ok {
				break
			}
			s.network.learn(s, now)
		}
		if r.waiting() {
			v.wakeKeeper()
		}
	}
}

func (v *VTEP) rings() []*sightings {
	rings := make([]*sightings, 0, len(v.out)+len(v.in))
	for _, w := range v.out {
		rings = append(rings, &w.sightings)
	}
	for _, w := range v.in {
		rings = append(rings, &w.sightings)
	}
	return rings
}

// dropPort takes out a port whose device is gone, and says so once.
func (v *VTEP) dropPort(p *port, err error) {
	if !p.network.detach(p) {
		return // already taken out: it has several queues, and each is found to fail
	}
	err = errors.Join(err, v.release(p))
	if v.cfg.Events != nil {
		v.cfg.Events(Event{VNI: p.network.vni, Port: p.name, Err: err})
	}
}
