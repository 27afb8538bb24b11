package dataplane

import (
	"errors"
	"net/netip"
	"time"
)

// The keeper is the one goroutine that writes what workers see into the tables: it
// learns, ages, keeps the coarse clock, and reports what failed.
type keeper struct {
	wake   chan struct{} // sightings are waiting
	failed chan struct{} // a port has a failure
	stop   chan struct{}
	done   chan struct{}

	ticked uint32 // seconds since the VTEP was opened, at the last tick

	notices chan Event // that a remote is refused trains, perhaps not for the first time
	told    map[netip.AddrPort]bool
}

// maxTold bounds of how many remotes is told that they are refused trains.
const maxTold = 1024

func newKeeper() keeper {
	return keeper{
		wake:   make(chan struct{}, 1),
		failed: make(chan struct{}, 1),
		stop:   make(chan struct{}),
		done:   make(chan struct{}),

		notices: make(chan Event, 16),
		told:    make(map[netip.AddrPort]bool),
	}
}

// wakeKeeper tells the keeper of sightings. It does not block.
func (v *VTEP) wakeKeeper() { nudge(v.keeper.wake) }

// portFailed leaves a port that can no longer be read to the keeper. It does not wait, as
// the keeper may be waiting for the worker that calls it.
func (v *VTEP) portFailed(p *port, err error) {
	failure := err // the copy is what goes to the heap, and only now
	p.failure.CompareAndSwap(nil, &failure)
	nudge(v.keeper.failed)
}

// nudge sends to a channel of capacity 1, unless what was sent before still waits.
func nudge(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
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
		case <-v.keeper.failed:
			v.dropFailed()
		case e := <-v.keeper.notices:
			v.tellOnce(e)
		case <-tick.C:
			v.tick()
		case <-v.keeper.stop:
			return
		}
	}
}

// maxStep is by how many seconds the coarse clock advances at a time at most. While this
// process was stopped, or had no CPU, it could see nobody: that makes no entry older.
const maxStep = 2

// tick advances the coarse clock, and ages.
func (v *VTEP) tick() {
	real := uint32(time.Since(v.opened) / time.Second)
	now := v.clock.Load() + min(real-v.keeper.ticked, maxStep)
	v.keeper.ticked = real
	v.clock.Store(now)
	for _, n := range v.Networks() {
		n.expire(now)
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
			if e, quiet := s.network.learn(s, now); !quiet {
				v.teller.tell(e)
			}
		}
		if r.waiting() {
			v.wakeKeeper()
		}
	}
}

func (v *VTEP) rings() []*ring[sighting] {
	rings := make([]*ring[sighting], 0, len(v.out)+len(v.in))
	for _, w := range v.out {
		rings = append(rings, &w.sightings)
	}
	for _, w := range v.in {
		rings = append(rings, &w.sightings)
	}
	return rings
}

// workerFailed reports an error that ended a worker.
func (v *VTEP) workerFailed(err error) {
	v.broken.CompareAndSwap(nil, &err)
	nudge(v.keeper.failed)
}

// dropFailed takes out the ports whose devices are gone, and says so once of each: it has
// several queues, and each is found to fail.
func (v *VTEP) dropFailed() {
	if err := v.broken.Swap(nil); err != nil {
		v.teller.tell(Event{Err: *err})
	}
	for _, n := range v.Networks() {
		for _, p := range *n.ports.Load() {
			if failure := p.failure.Load(); failure != nil {
				v.dropPort(p, *failure)
			}
		}
	}
}

func (v *VTEP) dropPort(p *port, err error) {
	found, closing := p.network.removePort(p)
	if found {
		v.teller.tell(Event{VNI: p.network.vni, Port: p.name, Err: errors.Join(err, closing)})
	}
}

// tellOnce reports what is known of a remote, once of each.
func (v *VTEP) tellOnce(e Event) {
	if k := &v.keeper; !k.told[e.Remote] && len(k.told) < maxTold {
		k.told[e.Remote] = true
		v.teller.tell(e)
	}
}
