package main

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"
)

// maxQueuedLog bounds how many bytes of log wait for a reader.
const maxQueuedLog = 256 << 10

// logQueue writes from a goroutine of its own, so that nobody who logs ever waits for whoever
// is to read it: a pipe that is full, a terminal that was stopped with Ctrl-S. What it has no
// room for is left out, and how much that was is said when there is room again.
type logQueue struct {
	w    io.Writer
	wake chan struct{}

	mu     sync.Mutex // guards what follows
	queued bytes.Buffer
	lost   int           // writes that there was no room for
	idle   chan struct{} // closed when nothing is queued, or being written, any more
	busy   bool
	closed bool
}

func newLogQueue(w io.Writer) *logQueue {
	q := &logQueue{w: w, wake: make(chan struct{}, 1), idle: make(chan struct{})}
	close(q.idle)
	go q.run()
	return q
}

// Write takes a line, and never fails.
func (q *logQueue) Write(line []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.queued.Len()+len(line) > maxQueuedLog {
		q.lost++
		return len(line), nil
	}
	q.queued.Write(line)
	if !q.busy {
		q.busy, q.idle = true, make(chan struct{})
	}
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return len(line), nil
}

// run is the life of the queue. What it cannot write nobody can be told of.
func (q *logQueue) run() {
	for range q.wake {
		for lines := q.take(); lines != nil; lines = q.take() {
			_, _ = q.w.Write(lines)
		}
	}
}

// take takes out all that is queued, nil if there is nothing.
func (q *logQueue) take() []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.lost > 0 {
		fmt.Fprintf(&q.queued, "%s\tWARN\t%d lines of the log were left out, as nobody read it\n",
			time.Now().Format("2006-01-02T15:04:05.000Z0700"), q.lost)
		q.lost = 0
	}
	if q.queued.Len() == 0 {
		if q.busy {
			q.busy = false
			close(q.idle)
		}
		return nil
	}
	lines := bytes.Clone(q.queued.Bytes())
	q.queued.Reset()
	return lines
}

// close waits until all is written, but only so long.
func (q *logQueue) close(wait time.Duration) {
	q.mu.Lock()
	idle := q.idle
	q.mu.Unlock()
	select {
	case <-idle:
	case <-time.After(wait):
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.closed = true
		close(q.wake)
	}
}
