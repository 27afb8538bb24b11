package dataplane

import "sync/atomic"

// A ring is a bounded queue from one worker to one other goroutine. Neither side blocks.
// The zero ring has no room.
type ring[T any] struct {
	head  atomic.Uint64 // next to take; written by the taker
	_     [cacheLine]byte
	tail  atomic.Uint64 // next to put; written by the worker
	lost  atomic.Uint64
	_     [cacheLine]byte
	slots []T
}

// put adds v and reports true, or counts it as lost when the ring is full.
func (r *ring[T]) put(v *T) bool {
	tail, head := r.tail.Load(), r.head.Load()
	if tail-head == uint64(len(r.slots)) {
		r.lost.Add(1)
		return false
	}
	r.slots[tail%uint64(len(r.slots))] = *v
	r.tail.Store(tail + 1)
	return true
}

// take removes the oldest.
func (r *ring[T]) take() (v T, ok bool) {
	head := r.head.Load()
	if head == r.tail.Load() {
		return v, false
	}
	var none T
	slot := &r.slots[head%uint64(len(r.slots))]
	v, *slot = *slot, none // let go of what it points to
	r.head.Store(head + 1)
	return v, true
}

// full reports whether there is no room for another; the worker's question.
func (r *ring[T]) full() bool { return r.tail.Load()-r.head.Load() == uint64(len(r.slots)) }

// waiting reports whether there is anything to take.
func (r *ring[T]) waiting() bool { return r.head.Load() != r.tail.Load() }
