package tap

import (
	"errors"
	"fmt"
	"net"
)

// What [Open] and [Device.Move] can be refused for, where a caller may want to act on
// it. Errors wrap these beside the system's own, and their text says what to do.
var (
	// ErrExists: an interface of that name is there, and it is not ours.
	ErrExists = errors.New("interface exists")
	// ErrName: the system could not give an interface that name.
	ErrName = errors.New("bad interface name")
	// ErrNoTUN: the system has no TUN/TAP driver, or does not let us see it.
	ErrNoTUN = errors.New("no TUN/TAP driver")
	// ErrNoNamespace: there is no network namespace of that name or path.
	ErrNoNamespace = errors.New("no network namespace")
	// ErrPermission: making or changing interfaces is not allowed to this process.
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

// closedError is what a queue of the interface returns once it was closed.
func closedError(name string) error {
	return fmt.Errorf("TAP %s: %w", name, net.ErrClosed)
}

// goneError is what a queue returns once the interface is gone that nobody closed.
func goneError(name string) error {
	return refuse(net.ErrClosed, nil, "interface %s was removed by someone else, or with its network namespace", name)
}

// unsupported is an offload that a queue does not take; the caller does the work.
func unsupported(name, what string) error {
	return fmt.Errorf("write to %s: %s: %w", name, what, errors.ErrUnsupported)
}

// maxFaults is how many reads in a row may fail, each for a frame's own reasons, before
// there is something wrong that does not pass.
const maxFaults = 64

func tooManyFaults(name string, err error) error {
	return fmt.Errorf("read from %s: failed %d times in a row: %w", name, maxFaults, err)
}
