package dataplane

import (
	"context"
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
func waitOutside(gates []*turnstile) { _ = awaitOutside(context.Background(), gates, outsidePoll) }

// outsidePoll is how often is looked at workers while a port waits to be closed.
const outsidePoll = 20 * time.Microsecond

// awaitOutside is waitOutside that gives up when ctx ends, and returns why.
func awaitOutside(ctx context.Context, gates []*turnstile, poll time.Duration) error {
	seen := make([]uint64, len(gates))
	for i, t := range gates {
		seen[i] = t.passes.Load()
	}
	for i, t := range gates {
		for seen[i]%2 == 1 && t.passes.Load() == seen[i] {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			time.Sleep(poll)
		}
	}
	return nil
}

// hangPoll is how often is looked at a worker that may hang.
const hangPoll = 10 * time.Millisecond

// AwaitWorkers returns once each worker has finished the batch that it is at, which takes
// microseconds unless one hangs. The error is why ctx ended before.
func (v *VTEP) AwaitWorkers(ctx context.Context) error { return awaitOutside(ctx, v.gates(), hangPoll) }

// gates are those of all workers.
func (v *VTEP) gates() []*turnstile {
	gates := make([]*turnstile, 0, len(v.out)+len(v.in))
	for _, w := range v.out {
		gates = append(gates, &w.gate)
	}
	for _, w := range v.in {
		gates = append(gates, &w.gate)
	}
	return gates
}
