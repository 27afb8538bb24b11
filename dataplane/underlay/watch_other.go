//go:build !linux

package underlay

import (
	"net"
	"net/netip"
	"sync"
)

// Watch is there for Linux alone: elsewhere nothing is seen to change.
type Watch struct {
	local  netip.Addr
	once   sync.Once
	closed chan struct{}
}

// OpenWatch reads how things are.
func OpenWatch(queues []*Socket, _ *Paths) (*Watch, error) {
	return &Watch{local: queues[0].local.Addr(), closed: make(chan struct{})}, nil
}

// State returns the MTU of the interface with the local address.
func (w *Watch) State() State {
	mtu, err := MTU(w.local)
	if err != nil {
		return State{Trouble: err.Error()}
	}
	return State{MTU: mtu}
}

// Next blocks until Close, and then returns net.ErrClosed.
func (w *Watch) Next() (Change, error) {
	<-w.closed
	return Change{}, net.ErrClosed
}

// Close ends a Next that is under way.
func (w *Watch) Close() error {
	w.once.Do(func() { close(w.closed) })
	return nil
}
