package mem

// fifo is a bounded queue of records that own a buffer each. Buffers come from a
// stack of used ones: with a steady load the same few warm ones go round, however
// deep the queue is.
//
// It is guarded by its owner's lock.
type fifo[T any] struct {
	slots []T // a ring
	head  int // the oldest
	n     int // how many are queued
	free  [][]byte
}

func newFIFO[T any](depth int) fifo[T] {
	return fifo[T]{slots: make([]T, depth)}
}

func (q *fifo[T]) full() bool { return q.n == len(q.slots) }

// push queues v. The queue is not full.
func (q *fifo[T]) push(v T) {
	q.slots[(q.head+q.n)%len(q.slots)] = v
	q.n++
}

// front is the oldest record, to look at before pop. The queue is not empty.
func (q *fifo[T]) front() *T { return &q.slots[q.head] }

// pop forgets the oldest record; its buffer, buf, is used again.
func (q *fifo[T]) pop(buf []byte) {
	var zero T
	q.slots[q.head] = zero
	q.head = (q.head + 1) % len(q.slots)
	q.n--
	q.recycle(buf)
}

// buffer returns an empty buffer, with the capacity of its last use.
func (q *fifo[T]) buffer() []byte {
	last := len(q.free) - 1
	if last < 0 {
		return nil
	}
	b := q.free[last]
	q.free = q.free[:last]
	return b
}

func (q *fifo[T]) recycle(b []byte) { q.free = append(q.free, b[:0]) }

// gather appends data and more to dst.
func gather(dst, data []byte, more [][]byte) []byte {
	dst = append(dst, data...)
	for _, b := range more {
		dst = append(dst, b...)
	}
	return dst
}
