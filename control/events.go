package control

import (
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/vxtap/vxtap/control/api"
)

// backlog is how many events wait for one who listens and does not read. Further ones are
// counted, so that nobody who stopped reading can stop the agent.
const backlog = 256

// hub hands events to whoever listens. Its zero value has no listeners.
type hub struct {
	mu        sync.Mutex
	listeners map[*listener]struct{}
	closed    bool
}

// listener is one who listens.
type listener struct {
	events chan api.Event
	missed uint64 // since the last event that there was room for
}

// listen returns the events from now on, until stop is called or the hub closes.
func (h *hub) listen() (events <-chan api.Event, stop func()) {
	l := &listener{events: make(chan api.Event, backlog)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		close(l.events)
		return l.events, func() {}
	}
	if h.listeners == nil {
		h.listeners = make(map[*listener]struct{})
	}
	h.listeners[l] = struct{}{}
	return l.events, func() { h.leave(l) }
}

func (h *hub) leave(l *listener) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.listeners, l)
}

// tell hands e to every listener that has room, and waits for none.
func (h *hub) tell(e api.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for l := range h.listeners {
		e.Missed = l.missed
		select {
		case l.events <- e:
			l.missed = 0
		default:
			l.missed++
		}
	}
}

// close ends every listener's events.
func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for l := range h.listeners {
		close(l.events)
	}
	h.listeners = nil
}

// skip counts events that the agent itself was too slow for.
func (h *hub) skip(n uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for l := range h.listeners {
		l.missed += n
	}
}

// report logs what happened, if there was not too much of the kind, and tells it to whoever
// listens. The message of e is that of the log, with an error behind it.
func (a *Agent) report(level zapcore.Level, e api.Event, err error, fields ...zap.Field) {
	if err != nil {
		fields = append(fields, zap.Error(err))
	}
	if a.limits.allow(a.log, e.Kind, level) {
		a.log.Log(level, e.Message, fields...)
	}
	if err != nil {
		e.Message += ": " + err.Error()
	}
	e.Time = time.Now()
	a.hub.tell(e)
}

// Events returns what happens from now on. What a listener has no room for is counted in
// the next event that it gets. The channel closes with the agent; stop ends it before.
func (a *Agent) Events() (events <-chan api.Event, stop func()) { return a.hub.listen() }
