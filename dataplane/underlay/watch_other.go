//go:build !linux

package underlay

import (
	"errors"
	"fmt"
	"net"
	"runtime"
)

// Watch is there for Linux alone.
type Watch struct{}

// OpenWatch says that there is none.
func OpenWatch([]*Socket, *Paths) (*Watch, error) {
	return nil, fmt.Errorf("following the underlay on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

// State is not known.
func (w *Watch) State() State { return State{} }

// Next returns net.ErrClosed.
func (w *Watch) Next() (Change, error) { return Change{}, net.ErrClosed }

// Close does nothing.
func (w *Watch) Close() error { return nil }
