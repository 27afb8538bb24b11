package tap

import "github.com/vxtap/vxtap/encap"

// MaxSlices is the most slices that a frame's More may have for [Queue.Write]: a
// superframe of 64 segments, each in a buffer of its own, with room to spare for
// headers. A frame of more is refused with an error that wraps
// [errors.ErrUnsupported].
const MaxSlices = 66

// Queue is one queue of a [Device]. It satisfies dataplane.Queue, where the contract
// of each method stands in full.
type Queue struct {
	driver driver
}

// driver is what the Linux and the portable driver each do for one queue. It is called
// once a batch.
type driver interface {
	Read(frames []encap.Frame) (int, error)
	Write(frames []encap.Frame) (int, error)
	Offloads() encap.OffloadSet
	FD() int
	Notify(ready func())

	// single is why each frame is read by a call of its own; nil if several are by one.
	single() error
	// lost is how many frames could not be read, or did not fit the reader's buffer.
	lost() uint64
	// close releases the queue; the last one takes the interface with it.
	close() error
}

// Read fills up to len(frames) waiting frames, without blocking, and returns how many.
// Only one goroutine reads. A frame longer than its buffer is dropped, and counted in
// [Device.Drops].
func (q *Queue) Read(frames []encap.Frame) (int, error) { return q.driver.Read(frames) }

// Write hands frames to the system in order and returns how many it took; an error is
// about the one behind them. Any number of goroutines may write.
//
// Errors wrap [net.ErrClosed] when the device is gone, [errors.ErrUnsupported] when
// the caller should do the frame's offloads itself, otherwise the system's error: EIO
// while the interface is down.
func (q *Queue) Write(frames []encap.Frame) (int, error) { return q.driver.Write(frames) }

// Offloads returns what Write takes. It shrinks if the kernel turns out to refuse.
func (q *Queue) Offloads() encap.OffloadSet { return q.driver.Offloads() }

// FD returns the descriptor to poll for reading, or -1 if the queue calls what
// [Queue.Notify] was given instead.
func (q *Queue) FD() int { return q.driver.FD() }

// Notify sets the function to call when the queue goes from empty to readable, or has
// failed. Queues with a descriptor ignore it.
func (q *Queue) Notify(ready func()) { q.driver.Notify(ready) }
