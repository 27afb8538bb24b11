package dataplane

import (
	"sync/atomic"
	"time"
)

// A turnstile tells when a worker has let go of what it read from the shared tables.
// A worker passes in before it looks at a table and out when its batch is done; who
// has taken something out of a table waits for every turnstile to have been seen
// outside once, and may then close it. (This is RCU's grace period, with batches as
// the read-side sections.)
type turnstile struct {
	passes atomic.Uint64 // odd: inside
	_      [cacheLine]byte
}

func (t *turnstile) enter() { t.passes.Add(1) }
func (t *turnstile) leave() { t.passes.Add(1) }

// wait returns once the worker was outside at some moment after the call. A batch
// takes microseconds, so it polls.
func (t *turnstile) wait() {
	seen := t.passes.Load()
	for seen%2 == 1 && t.passes.Load() == seen {
		time.Sleep(20 * time.Microsecond)
	}
}
