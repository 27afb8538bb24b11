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

// waitOutside returns once each worker was outside at some moment after the call. A batch
// takes microseconds, so it polls; a worker that was descheduled within one can take
// tens of milliseconds, which is why all are waited for at the same time.
func waitOutside(gates []*turnstile) {
	seen := make([]uint64, len(gates))
	for i, t := range gates {
		seen[i] = t.passes.Load()
	}
	for i, t := range gates {
		for seen[i]%2 == 1 && t.passes.Load() == seen[i] {
			time.Sleep(20 * time.Microsecond)
		}
	}
}
