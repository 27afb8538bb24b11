package dataplane

import (
	"net/netip"
	"sync/atomic"

	"github.com/vxtap/vxtap/encap"
)

// sighting is a source MAC that a worker saw where the table does not have it: on a
// port, or behind a remote when port is nil.
type sighting struct {
	network *Network
	mac     encap.MAC
	port    *port
	remote  netip.Addr
}

// ringSize is how many sightings a worker can have waiting. A MAC that is not learned
// because the ring was full is seen again with its next frame.
const ringSize = 1024

// sightings is a bounded ring from one worker to the keeper. Neither side blocks.
type sightings struct {
	head atomic.Uint64 // next to take; written by the keeper
	_    [cacheLine]byte
	tail atomic.Uint64 // next to put; written by the worker
	lost atomic.Uint64
	_    [cacheLine]byte
	ring [ringSize]sighting
}

// put adds s and reports true, or counts it as lost when the ring is full.
func (r *sightings) put(s sighting) bool {
	tail, head := r.tail.Load(), r.head.Load()
	if tail-head == ringSize {
		r.lost.Add(1)
		return false
	}
	r.ring[tail%ringSize] = s
	r.tail.Store(tail + 1)
	return true
}

// take removes the oldest sighting.
func (r *sightings) take() (sighting, bool) {
	head := r.head.Load()
	if head == r.tail.Load() {
		return sighting{}, false
	}
	s := r.ring[head%ringSize]
	r.ring[head%ringSize] = sighting{} // let go of what it points to
	r.head.Store(head + 1)
	return s, true
}

// waiting reports whether there is anything to take.
func (r *sightings) waiting() bool { return r.head.Load() != r.tail.Load() }
