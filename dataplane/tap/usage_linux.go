package tap

import "sync/atomic"

// usage keeps a descriptor open while calls are using it: closing it under them would
// let its number be taken by an unrelated file, and their frames go there. The last
// one out closes; that may be the one who asked for it. The zero usage is open.
type usage struct {
	// state is twice the number of calls under way, plus shut.
	state atomic.Int64
}

const (
	usageShut = 1
	usageCall = 2
)

// enter announces a call, unless shut was called. If true, leave must follow.
func (u *usage) enter() bool {
	for {
		s := u.state.Load()
		if s&usageShut != 0 {
			return false
		}
		if u.state.CompareAndSwap(s, s+usageCall) {
			return true
		}
	}
}

// leave ends a call and reports whether the caller is to close the descriptor.
func (u *usage) leave() (last bool) {
	return u.state.Add(-usageCall) == usageShut
}

// shut lets no further call in, and reports whether the caller is to close the
// descriptor. To shut twice is to shut once.
func (u *usage) shut() (last bool) {
	return u.state.Or(usageShut) == 0
}
