package dataplane

import (
	"sync/atomic"

	"github.com/vxtap/vxtap/encap"
)

// offloadState is what a port takes, as a worker can read it without a call through
// an interface. It only ever shrinks.
type offloadState struct{ set atomic.Uint32 }

// load returns what the port takes.
func (s *offloadState) load() encap.OffloadSet { return encap.OffloadSet(s.set.Load()) }

// refresh asks every queue again.
func (s *offloadState) refresh(queues []Queue) {
	set := ^encap.OffloadSet(0)
	for _, q := range queues {
		set &= q.Offloads()
	}
	s.set.Store(uint32(set))
}
