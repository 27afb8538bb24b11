package dataplane

import (
	"errors"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// errorsAtOnce is how many errors in a row an in-worker takes without a pause: a
	// system reports troubles of the past this way, each once.
	errorsAtOnce = batchSize
	// errorPause is what lies between further errors, lest the worker spin.
	errorPause = 10 * time.Millisecond
	// lastingErrors in a row, five seconds of nothing else, are an underlay that has
	// failed.
	lastingErrors = errorsAtOnce + 500
)

// receiveErrors is what an in-worker knows of the errors of its underlay.
type receiveErrors struct {
	total   atomic.Uint64
	inARow  int // since something was received
	serious int // of these, not about other hosts and links
}

// over notes that something was received.
func (e *receiveErrors) over() { e.inARow, e.serious = 0, 0 }

// lasts counts an error, and reports whether there is no hope that it passes.
func (e *receiveErrors) lasts(err error) bool {
	e.total.Add(1)
	e.inARow++
	if !passes(err) {
		e.serious++
	}
	if e.inARow > errorsAtOnce {
		time.Sleep(errorPause)
	}
	return e.serious >= lastingErrors
}

// passes reports whether an error is an ICMP answer to something sent earlier, or says
// that a link is down or memory is short: that ends, if perhaps not soon.
func passes(err error) bool {
	for _, passing := range []error{
		syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EHOSTUNREACH, syscall.EHOSTDOWN,
		syscall.ENETUNREACH, syscall.ENETDOWN, syscall.EMSGSIZE, syscall.ENOBUFS, syscall.ENOMEM,
	} {
		if errors.Is(err, passing) {
			return true
		}
	}
	return false
}
