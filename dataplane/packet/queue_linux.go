package packet

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/encap"
)

// batch is how many frames one system call moves at most.
const batch = 64

// Queue is one queue of a [Device]: a packet socket. It satisfies dataplane.Queue, where
// the contract of each method stands in full.
type Queue struct {
	device *Device
	fd     int
	wire   wire
	calls  syscalls
	errs   queueErrors
	closed atomic.Bool

	in  reader
	out writer

	missed   atomic.Uint64 // frames that could not be read, or were too long
	offloads atomic.Uint32 // an encap.OffloadSet: what the kernel has not refused
	proven   atomic.Uint32 // one too: superframes of this kind were taken before

	watching atomic.Bool // somebody looks whether the interface is gone
	mu       sync.Mutex  // guards what follows
	ready    func()
	dropped  uint64 // by the kernel, as far as it was asked
}

// queueErrors are the errors that can come with every frame, made beforehand.
type queueErrors struct {
	name                             string
	closed, gone, down, full, tooBig error
}

func makeQueueErrors(name string) queueErrors {
	return queueErrors{
		name:   name,
		closed: closedError(name),
		gone:   goneError(name),
		down:   fmt.Errorf("write to %s: the interface is down: %w", name, unix.ENETDOWN),
		full:   fmt.Errorf("write to %s: no room: %w", name, unix.ENOBUFS),
		tooBig: fmt.Errorf("write to %s: longer than its MTU allows: %w", name, unix.EMSGSIZE),
	}
}

// newQueue takes ownership of fd.
func newQueue(d *Device, fd int, w wire, offloads encap.OffloadSet) *Queue {
	q := &Queue{device: d, fd: fd, wire: w, calls: kernel(), errs: makeQueueErrors(d.name), ready: func() {}}
	q.offloads.Store(uint32(offloads))
	q.in.init()
	q.out.init(d.mtu, w.vlan)
	return q
}

// Offloads returns what Write takes. It shrinks if the kernel turns out to refuse.
func (q *Queue) Offloads() encap.OffloadSet { return encap.OffloadSet(q.offloads.Load()) }

// FD returns the descriptor to poll for reading.
func (q *Queue) FD() int { return q.fd }

// Notify sets the function to call for what the descriptor does not show: the interface was
// removed while it was down, or there is more of a frame that is cut up here.
func (q *Queue) Notify(ready func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ready = ready
}

// notify calls what Notify was given.
func (q *Queue) notify() {
	q.mu.Lock()
	ready := q.ready
	q.mu.Unlock()
	ready()
}

// lost is how many frames the kernel dropped as the socket's buffer was full, and how many
// were read and are not there. Asking the kernel sets its count to 0.
func (q *Queue) lost() (uint64, error) {
	q.in.busy.Lock()
	defer q.in.busy.Unlock()
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed.Load() {
		stats, err := unix.GetsockoptTpacketStats(q.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
		if err != nil {
			return 0, fmt.Errorf("PACKET_STATISTICS: %w", err)
		}
		q.dropped += uint64(stats.Drops)
	}
	return q.dropped + q.missed.Load(), nil
}

// close waits for the calls that are under way, and lets no other begin.
func (q *Queue) close() error {
	if q.closed.Swap(true) {
		return nil
	}
	q.in.busy.Lock()
	defer q.in.busy.Unlock()
	q.out.busy.Lock()
	defer q.out.busy.Unlock()
	if err := unix.Close(q.fd); err != nil {
		return fmt.Errorf("close interface %s: %w", q.errs.name, err)
	}
	return nil
}

// downInterval is how often is looked at an interface that is down.
const downInterval = 200 * time.Millisecond

// wentDown deals with an interface that went down, which the socket says once. It may come
// up again, and then all goes on; if it goes while it is down, the socket says nothing.
func (q *Queue) wentDown() {
	if q.watching.Swap(true) {
		return
	}
	q.device.watches.Go(func() {
		tick := time.NewTicker(downInterval)
		defer tick.Stop()
		for q.staysDown() {
			select {
			case <-tick.C:
			case <-q.device.closing:
				return
			}
		}
	})
}

// staysDown reports whether the interface is still to be looked at, and if it is gone tells
// the reader.
func (q *Queue) staysDown() bool {
	q.in.busy.Lock()
	gone := !q.closed.Load() && isGone(q.fd)
	up := !q.closed.Load() && isUp(q.fd)
	q.in.busy.Unlock()
	switch {
	case gone:
		q.in.gone.Store(true)
		q.notify()
		return false
	case up:
		q.watching.Store(false)
		// It may have gone down again before that.
		q.in.busy.Lock()
		still := q.closed.Load() || isUp(q.fd)
		q.in.busy.Unlock()
		return !still && !q.watching.Swap(true)
	}
	return true
}

// unsupported is an offload that the queue does not take; the caller does the work.
func unsupported(name, what string) error {
	return fmt.Errorf("write to %s: %s: %w", name, what, errors.ErrUnsupported)
}
