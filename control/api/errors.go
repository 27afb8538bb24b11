package api

import (
	"errors"
	"net/http"
)

// What went wrong, for [errors.Is]: a [Backend] returns errors that wrap one of these,
// and a [Client] gives errors of which the same is true.
var (
	ErrInvalid  = errors.New("invalid request") // status 400
	ErrNotFound = errors.New("not found")       // status 404
	ErrExists   = errors.New("already exists")  // status 409
)

// sentinels have a status each.
var sentinels = map[error]int{
	ErrInvalid:  http.StatusBadRequest,
	ErrNotFound: http.StatusNotFound,
	ErrExists:   http.StatusConflict,
}

// Error is an answer that is not a success. A backend may return one to choose status
// and words itself; a client returns one for whatever the agent refused.
type Error struct {
	Status  int    // HTTP status
	Message string // one line
	Cause   error  // what a backend had it from, or nil; it is not told
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is makes an Error with the status of a sentinel be that sentinel.
func (e *Error) Is(target error) bool {
	status, ok := sentinelStatus(target)
	return ok && e.Status == status
}

func sentinelStatus(target error) (status int, ok bool) {
	status, ok = sentinels[target]
	return status, ok
}

// statusOf maps an error of a backend or a decoder to the status of the answer.
func statusOf(err error) int {
	var e *Error
	if errors.As(err, &e) && e.Status >= http.StatusBadRequest {
		return e.Status
	}
	for _, target := range []error{ErrInvalid, ErrNotFound, ErrExists} {
		if errors.Is(err, target) {
			status, _ := sentinelStatus(target)
			return status
		}
	}
	return http.StatusInternalServerError
}
