package tap

import (
	"errors"
	"fmt"
	"net"
)

// WakePoller is a poller for queues without descriptors: it only knows tokens that are
// woken. It runs on every system, and where there is no [Poller] of the system's own it
// is that.
type WakePoller struct {
	marks   marks
	woken   chan struct{} // one slot: there are marks
	closing chan struct{}
	backlog backlog
	scratch []int
}

// NewWakePoller returns a WakePoller without tokens.
func NewWakePoller() *WakePoller {
	return &WakePoller{woken: make(chan struct{}, 1), closing: make(chan struct{})}
}

// Add always fails: descriptors cannot be watched. The error wraps
// [errors.ErrUnsupported].
func (p *WakePoller) Add(fd, token int) error {
	return fmt.Errorf("poll descriptor %d for token %d: only queues without descriptors can be waited for: %w", fd, token, errors.ErrUnsupported)
}

// Remove always fails, like Add.
func (p *WakePoller) Remove(fd int) error {
	return fmt.Errorf("stop polling descriptor %d: it was never added: %w", fd, errors.ErrUnsupported)
}

// Wake marks token, 0 or more, and ends a Wait. Any goroutine may call it; a token that
// is marked already costs next to nothing.
func (p *WakePoller) Wake(token int) {
	if !p.marks.add(token) {
		return
	}
	select {
	case p.woken <- struct{}{}:
	default: // an earlier one was not seen yet; whoever sees it takes all marks
	}
}

// Wait blocks until a token was woken and returns how many it put in ready, each once.
// After Close the error is [net.ErrClosed]. One goroutine waits.
func (p *WakePoller) Wait(ready []int) (int, error) {
	if len(ready) == 0 {
		return 0, nil
	}
	for p.backlog.empty() {
		select {
		case <-p.closing:
		case <-p.woken:
		}
		p.scratch = p.marks.take(p.scratch[:0])
		for _, t := range p.scratch {
			p.backlog.add(t)
		}
		if p.marks.isClosed() {
			return 0, net.ErrClosed
		}
	}
	if p.marks.isClosed() {
		return 0, net.ErrClosed
	}
	return p.backlog.deliver(ready), nil
}

// Poll is Wait that does not block: it returns 0 if no token was woken.
func (p *WakePoller) Poll(ready []int) (int, error) {
	if p.backlog.empty() {
		select {
		case <-p.woken:
			p.scratch = p.marks.take(p.scratch[:0])
			for _, t := range p.scratch {
				p.backlog.add(t)
			}
		default:
		}
	}
	if p.marks.isClosed() {
		return 0, net.ErrClosed
	}
	return p.backlog.deliver(ready), nil
}

// Close ends a Wait that is under way and all later ones. To close twice is to close
// once.
func (p *WakePoller) Close() error {
	if p.marks.close() {
		close(p.closing)
	}
	return nil
}
