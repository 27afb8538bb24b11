//go:build linux || darwin || windows

package tap

// ring is a queue of frames in buffers that are made once. One slot at a time is filled
// outside of it: next lends it, push returns it with a frame.
type ring struct {
	slots [][]byte
	sizes []int // of the frame in each slot, bytes
	head  int   // the oldest frame
	count int   // of frames
}

// The ring has as many slots as fit ringBytes, within bounds: enough to read on while a
// worker is busy, and not megabytes for a jumbo MTU.
const (
	ringBytes = 1 << 20
	minSlots  = 16
	maxSlots  = 256
)

// newRing returns a ring for frames of up to size bytes. Slots are one byte longer, to
// tell a frame that fits from one that was cut.
func newRing(size int) ring {
	size++
	n := min(max(ringBytes/size, minSlots), maxSlots)
	r := ring{slots: make([][]byte, n), sizes: make([]int, n)}
	memory := make([]byte, n*size)
	for i := range r.slots {
		r.slots[i] = memory[i*size : (i+1)*size : (i+1)*size]
	}
	return r
}

func (r *ring) empty() bool { return r.count == 0 }

func (r *ring) full() bool { return r.count == len(r.slots) }

func (r *ring) tail() int { return (r.head + r.count) % len(r.slots) }

// next returns the slot for the next frame. The ring must not be full.
func (r *ring) next() []byte { return r.slots[r.tail()] }

// push adds the frame of n bytes that was put in next.
func (r *ring) push(n int) {
	r.sizes[r.tail()] = n
	r.count++
}

// pop takes the oldest frame, which stays valid until the ring is locked again. The
// ring must not be empty.
func (r *ring) pop() []byte {
	frame := r.slots[r.head][:r.sizes[r.head]]
	r.head = (r.head + 1) % len(r.slots)
	r.count--
	return frame
}
