package dataplane

import (
	"sync"
	"time"
)

const (
	// maxUntold is how many events wait for a listener that is slow. Of further ones the
	// last is kept, and all failures, of which each port has one and each worker.
	maxUntold = 256
	// lastWords is how long Close waits for a listener that is at work.
	lastWords = time.Second
)

// A teller hands events to the listener from a goroutine of its own, so that nothing of the
// VTEP ever waits for it.
type teller struct {
	listener func(Event)
	wake     chan struct{} // there is something to do
	done     chan struct{}

	mu     sync.Mutex // guards what follows
	untold []Event
	closed bool
}

func (t *teller) init(listener func(Event)) {
	t.listener = listener
	t.wake, t.done = make(chan struct{}, 1), make(chan struct{})
}

// tell has the listener hear of e, in the order of calls. It does not wait.
func (t *teller) tell(e Event) {
	if t.listener == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	last := len(t.untold) - 1
	switch {
	case t.closed:
		return
	case len(t.untold) >= maxUntold && !e.isFailure() && !t.untold[last].isFailure():
		e.Missed = t.untold[last].Missed + 1
		t.untold[last] = e
	default:
		t.untold = append(t.untold, e)
	}
	nudge(t.wake)
}

// run is the teller's life.
func (t *teller) run() {
	defer close(t.done)
	for range t.wake {
		for {
			e, ok := t.next()
			if !ok {
				break
			}
			t.listener(e)
		}
		if t.ended() {
			return
		}
	}
}

// next takes out the oldest event.
func (t *teller) next() (e Event, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.untold) == 0 {
		t.untold = nil // or what was appended once stays allocated
		return e, false
	}
	e, t.untold = t.untold[0], t.untold[1:]
	return e, true
}

func (t *teller) ended() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.closed && len(t.untold) == 0
}

// close has the listener hear what waits for it, but does not wait for one that is stuck: that
// one's goroutine ends when it returns.
func (t *teller) close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	nudge(t.wake)
	select {
	case <-t.done:
	case <-time.After(lastWords):
		t.mu.Lock()
		t.untold = nil
		t.mu.Unlock()
	}
}
