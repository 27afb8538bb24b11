package mem

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
)

// Poller waits for ports in memory. They announce themselves: give [Port.Notify] a
// function that calls [Poller.Wake].
type Poller struct {
	mu     sync.Mutex
	woken  sync.Cond
	ready  []int // tokens in the order of their Wake, each once
	closed bool
}

// NewPoller returns a Poller with no token ready.
func NewPoller() *Poller {
	p := &Poller{}
	p.woken.L = &p.mu
	return p
}

// Add refuses every descriptor: nothing in memory has one.
func (p *Poller) Add(fd, token int) error {
	return fmt.Errorf("watch descriptor %d as token %d: %w: ports in memory have none, use Notify", fd, token, errors.ErrUnsupported)
}

// Remove refuses every descriptor, since none was added.
func (p *Poller) Remove(fd int) error {
	return fmt.Errorf("stop watching descriptor %d: %w: it was never added", fd, errors.ErrUnsupported)
}

// Wake marks token as ready, from any goroutine. A token that is ready already is
// ready once.
func (p *Poller) Wake(token int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	// A worker has tens of tokens at most; looking through them beats a set.
	if p.closed || slices.Contains(p.ready, token) {
		return
	}
	p.ready = append(p.ready, token)
	p.woken.Signal()
}

// Wait blocks until a token is ready and returns how many it has put in ready, in the
// order in which they were woken. Those that do not fit are returned by the next
// call. After Close the error is [net.ErrClosed].
func (p *Poller) Wait(ready []int) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.ready) == 0 && !p.closed {
		p.woken.Wait()
	}
	return p.take(ready)
}

// Poll is Wait that does not block: it returns 0 if no token is ready.
func (p *Poller) Poll(ready []int) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.take(ready)
}

// take moves tokens to ready; p.mu is held.
func (p *Poller) take(ready []int) (int, error) {
	if p.closed {
		return 0, net.ErrClosed
	}
	n := copy(ready, p.ready)
	p.ready = slices.Delete(p.ready, 0, n)
	return n, nil
}

// Close ends a Wait that is under way and all later ones. It may be called again.
func (p *Poller) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.woken.Broadcast()
	return nil
}
