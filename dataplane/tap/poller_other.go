//go:build !linux

package tap

// Poller waits for any of several queues to have frames. Without epoll it knows only
// queues that announce themselves, as those of the portable driver do.
type Poller = WakePoller

// NewPoller returns a Poller that watches nothing yet. The error is always nil here.
func NewPoller() (*Poller, error) { return NewWakePoller(), nil }

// NewParkingPoller is NewPoller: a WakePoller waits as goroutines do.
func NewParkingPoller() (*Poller, error) { return NewPoller() }
