package dataplane

import "time"

// A vigil decides whether a worker that has nothing to do goes on looking for a while
// before it sleeps. To be woken costs a thread some microseconds, and tens where it has
// to start a halted virtual CPU, which is most of a round trip. So a worker that was
// woken soon after it fell asleep stays awake the next time, and between looks gives the
// CPU to whoever wants it; a vigil in vain is its last until sleep is short again.
//
// A worker with little traffic sleeps as before: only at some thousand wake-ups a second
// does a vigil begin.
type vigil struct {
	limit time.Duration // of one vigil; 0 is none ever
	keep  bool
	until time.Time
	slept time.Time
}

// begin starts a vigil if one is worth it.
func (v *vigil) begin() {
	if v.keep {
		v.until = time.Now().Add(v.limit)
	}
}

// lasts reports whether to look once more, after others had the CPU.
func (v *vigil) lasts() bool {
	if !v.keep {
		return false
	}
	yield()
	v.keep = time.Now().Before(v.until)
	return v.keep
}

// sleep notes that the worker goes to sleep.
func (v *vigil) sleep() {
	if v.limit > 0 {
		v.slept = time.Now()
	}
}

// wake notes that it was woken: a sleep not much longer than a vigil was not worth it.
func (v *vigil) wake() {
	if v.limit > 0 {
		v.keep = time.Since(v.slept) < 2*v.limit
	}
}
