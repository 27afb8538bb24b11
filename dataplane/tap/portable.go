//go:build linux || darwin || windows

package tap

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"

	"github.com/songgao/water"

	"github.com/vxtap/vxtap/encap"
)

// deviceType is what water calls the kind of device.
func (c *Config) deviceType() water.DeviceType {
	if c.TUN {
		return water.TUN
	}
	return water.TAP
}

// portableQueue is a queue of the portable driver. Its device blocks in Read, so a
// goroutine, the pump, reads ahead into a ring of buffers, and Read takes from there
// without blocking. While the ring is full the pump does not read: frames that find no
// room are dropped by the system, which counts them.
type portableQueue struct {
	name string
	skip int                // bytes of each frame that do not cross: of a TUN, the Ethernet header
	dev  io.ReadWriteCloser // one frame a call
	done chan struct{}      // closed when the pump has ended

	missed atomic.Uint64

	mu    sync.Mutex // guards the following
	ring  ring
	room  sync.Cond // the ring has room again, or closed
	shut  bool
	err   error // why the pump ended
	ready func()

	writing sync.Mutex // guards dev.Write and gather
	gather  []byte
}

// newPortableQueue takes ownership of dev and starts to read from it. size is the
// length of the longest frame, of which skip bytes do not cross.
func newPortableQueue(name string, dev io.ReadWriteCloser, size, skip int) *portableQueue {
	q := &portableQueue{
		name:   name,
		skip:   skip,
		dev:    dev,
		done:   make(chan struct{}),
		ring:   newRing(size),
		ready:  func() {},
		gather: make([]byte, 0, size),
	}
	q.room.L = &q.mu
	go q.pump()
	return q
}

// pump moves frames from the device to the ring until one of them ends. A read that
// fails is a lost frame, unless one after another does.
func (q *portableQueue) pump() {
	defer close(q.done)
	for faults := 0; ; {
		slot := q.awaitSlot()
		if slot == nil {
			return
		}
		n, err := q.dev.Read(slot[q.skip:])
		if err != nil {
			if faults++; q.ends(err) || faults == maxFaults {
				q.fail(err)
				return
			}
			q.missed.Add(1)
			continue
		}
		faults = 0
		if n += q.skip; n == len(slot) { // it holds one byte more than the longest frame
			q.missed.Add(1)
			continue
		}
		if q.skip > 0 {
			blankEthernet(slot)
		}
		q.push(n)
	}
}

// awaitSlot returns the buffer for the next frame, which is the pump's until push; nil
// when the queue is closed.
func (q *portableQueue) awaitSlot() []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.ring.full() && !q.shut {
		q.room.Wait()
	}
	if q.shut {
		return nil
	}
	return q.ring.next()
}

// push makes the frame of n bytes in the slot readable.
func (q *portableQueue) push(n int) {
	q.mu.Lock()
	first := q.ring.empty()
	q.ring.push(n)
	ready := q.ready
	q.mu.Unlock()
	if first {
		ready()
	}
}

// ends reports whether no read can follow one that failed so.
func (q *portableQueue) ends(err error) bool {
	return errors.Is(q.translate("read from", err), net.ErrClosed)
}

// fail makes err what Read returns behind the frames that are in the ring. Whatever it
// is, nothing is read any more: the device is closed for whoever asks.
func (q *portableQueue) fail(err error) {
	err = q.translate("read from", err)
	if !errors.Is(err, net.ErrClosed) {
		err = fmt.Errorf("%w: %w", err, net.ErrClosed)
	}
	q.mu.Lock()
	if q.err == nil {
		q.err = err
	}
	ready := q.ready
	q.mu.Unlock()
	ready()
}

// Read copies frames out of the ring. If an error is behind them it announces itself
// again, as nothing else will.
func (q *portableQueue) Read(frames []encap.Frame) (int, error) {
	q.mu.Lock()
	n, err := q.drain(frames)
	again := n > 0 && q.err != nil
	ready := q.ready
	q.mu.Unlock()
	if again {
		ready()
	}
	return n, err
}

// drain is Read with the lock held.
func (q *portableQueue) drain(frames []encap.Frame) (int, error) {
	if q.shut {
		return 0, q.err
	}
	n := 0
	for n < len(frames) && !q.ring.empty() {
		if take(&frames[n], q.ring.pop()) {
			n++
		} else {
			q.missed.Add(1)
		}
	}
	q.room.Signal()
	if n == 0 && q.ring.empty() {
		return 0, q.err
	}
	return n, nil
}

// take copies a frame into f's buffer, and is false if it does not fit.
func take(f *encap.Frame, frame []byte) bool {
	if len(frame) > len(f.Data) {
		return false
	}
	f.Data = f.Data[:copy(f.Data, frame)]
	f.More = nil
	f.Offload = encap.Offload{}
	return true
}

// Write writes frame by frame until one is refused.
func (q *portableQueue) Write(frames []encap.Frame) (int, error) {
	q.writing.Lock()
	defer q.writing.Unlock()
	for n := range frames {
		if err := q.writeFrom(&frames[n]); err != nil {
			return n, err
		}
	}
	return len(frames), nil
}

func (q *portableQueue) writeFrom(f *encap.Frame) error {
	if f.Offload.NeedsCSUM || f.Offload.GSO != encap.GSONone {
		return unsupported(q.name, "the portable driver takes no offloads")
	}
	if len(f.Data) <= q.skip && q.skip > 0 {
		return encap.RefusalNotIP
	}
	data := f.Data[q.skip:]
	if len(f.More) > 0 {
		q.gather = append(q.gather[:0], data...)
		for _, b := range f.More {
			q.gather = append(q.gather, b...)
		}
		data = q.gather
	}
	n, err := q.dev.Write(data)
	if err != nil {
		return q.translate("write to", err)
	}
	if n != len(data) {
		return fmt.Errorf("write %d bytes to %s: took %d: %w", len(data), q.name, n, io.ErrShortWrite)
	}
	return nil
}

// translate gives errors of the device the meaning that the contract asks for.
func (q *portableQueue) translate(doing string, err error) error {
	switch {
	case errors.Is(err, os.ErrClosed), errors.Is(err, net.ErrClosed):
		return closedError(q.name)
	case isGone(err), errors.Is(err, io.EOF):
		return goneError(q.name)
	}
	return fmt.Errorf("%s %s: %w", doing, q.name, err)
}

// Offloads returns none: frames come and go complete.
func (q *portableQueue) Offloads() encap.OffloadSet { return 0 }

// FD returns -1: readiness is announced through Notify.
func (q *portableQueue) FD() int { return -1 }

// Notify sets ready, and calls it if there is something to read already.
func (q *portableQueue) Notify(ready func()) {
	q.mu.Lock()
	q.ready = ready
	due := !q.ring.empty() || q.err != nil
	q.mu.Unlock()
	if due {
		ready()
	}
}

func (q *portableQueue) single() error { return errPortable }

func (q *portableQueue) lost() uint64 { return q.missed.Load() }

// close closes the device, which ends a read that is under way, and waits for the pump.
func (q *portableQueue) close() error {
	q.mu.Lock()
	if q.shut {
		q.mu.Unlock()
		return nil
	}
	q.shut = true
	q.err = closedError(q.name)
	q.mu.Unlock()
	q.room.Broadcast()
	err := q.dev.Close()
	<-q.done
	if err != nil {
		return fmt.Errorf("close TAP %s: %w", q.name, err)
	}
	return nil
}
