package packet

import (
	"errors"
	"fmt"
	"net"
)

// What [Open] can be refused for, where a caller may want to act on it. Errors wrap these
// beside the system's own, and their text says what to do.
var (
	// ErrNotFound: there is no interface of that name.
	ErrNotFound = errors.New("no such interface")
	// ErrUnfit: the interface cannot be a port.
	ErrUnfit = errors.New("unfit interface")
	// ErrPermission: packet sockets are not allowed to this process.
	ErrPermission = errors.New("not permitted")
)

// refusal is a reason that a caller may act on, with a line for people.
type refusal struct {
	kind  error // one of the above, or net.ErrClosed
	cause error // the system's error, or nil
	text  string
}

func refuse(kind, cause error, format string, args ...any) error {
	return &refusal{kind, cause, fmt.Sprintf(format, args...)}
}

// Error returns the line for people; it says what kind and cause would.
func (r *refusal) Error() string { return r.text }

// Unwrap makes both the kind and the cause visible to errors.Is.
func (r *refusal) Unwrap() []error {
	if r.cause == nil {
		return []error{r.kind}
	}
	return []error{r.kind, r.cause}
}

// closedError is what a queue returns once it was closed.
func closedError(name string) error {
	return fmt.Errorf("interface %s: %w", name, net.ErrClosed)
}

// goneError is what a queue returns once the interface is gone.
func goneError(name string) error {
	return refuse(net.ErrClosed, nil, "interface %s was removed, or moved to another network namespace", name)
}
