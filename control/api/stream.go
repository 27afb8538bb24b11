package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// stream is an answer that goes on: a JSON value a line, until the caller hangs up.
type stream func(l *lines)

func isStream(answer any) bool {
	_, ok := answer.(stream)
	return ok
}

// lineTimeout bounds the wait for a caller who does not read.
const lineTimeout = 10 * time.Second

// lines writes the values of a stream.
type lines struct {
	ctx     context.Context // ends when the caller hangs up, or the server stops
	out     http.ResponseWriter
	control *http.ResponseController
}

// newLines begins a stream. Its connection may be silent for as long as it likes.
func newLines(w http.ResponseWriter, r *http.Request) *lines {
	l := &lines{ctx: r.Context(), out: w, control: http.NewResponseController(w)}
	_ = l.control.SetReadDeadline(time.Time{}) // or its passing would look like a hang-up
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	_ = l.flush()
	return l
}

// write sends one value, and reports whether there is any use in sending more.
func (l *lines) write(v any) bool {
	body, err := json.Marshal(v)
	if err != nil || l.ctx.Err() != nil {
		return false
	}
	_ = l.control.SetWriteDeadline(time.Now().Add(lineTimeout)) // the next write says if it failed
	if _, err := l.out.Write(append(body, '\n')); err != nil {
		return false
	}
	return l.flush() == nil
}

func (l *lines) flush() error {
	_ = l.control.SetWriteDeadline(time.Now().Add(lineTimeout))
	return l.control.Flush()
}

// follow writes events until they or their reader end.
func (l *lines) follow(events <-chan Event) {
	for {
		select {
		case e, open := <-events:
			if !open || !l.write(e) {
				return
			}
		case <-l.ctx.Done():
			return
		}
	}
}

func (h handler) events(http.ResponseWriter, *http.Request) (any, error) {
	events, stop := h.backend.Events() // before the answer begins: what follows it is told
	return stream(func(l *lines) {
		defer stop()
		l.follow(events)
	}), nil
}
