package tap

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/vxtap/vxtap/encap"
	"golang.org/x/sys/unix"
)

// vnetHeader precedes each frame, both ways.
type vnetHeader = encap.VirtioHeader

const vnetHeaderSize = encap.VirtioHeaderSize

// vnetQueue is a queue of the Linux driver: one descriptor of /dev/net/tun, on which
// each frame travels behind a vnetHeader.
type vnetQueue struct {
	fd    int
	skip  int // bytes of each frame that do not cross: of a TUN, the Ethernet header
	use   usage
	calls syscalls
	uring *uring // what calls.burst uses
	errs  queueErrors

	// Reading, by one goroutine.
	burst   burst
	crowded bool  // the last Read brought all that it had room for
	pending error // of a frame behind those that the last Read returned
	faults  int   // reads that failed since one did not
	missed  atomic.Uint64
	unburst atomic.Pointer[error] // why frames are read one by one

	// Writing, by any number.
	offloads atomic.Uint32 // an encap.OffloadSet: what the kernel has not refused
	proven   atomic.Uint32 // one too: superframes of this kind were taken before
}

// queueErrors are the errors that can come with every frame, made beforehand.
type queueErrors struct {
	name                     string
	closed, gone, down, full error
}

func makeQueueErrors(name string) queueErrors {
	return queueErrors{
		name:   name,
		closed: closedError(name),
		gone:   goneError(name),
		down:   fmt.Errorf("write to %s: the interface is down: %w", name, unix.EIO),
		full:   fmt.Errorf("write to %s: the kernel is out of buffers: %w", name, unix.ENOBUFS),
	}
}

// newVNETQueue takes ownership of fd.
func newVNETQueue(fd int, name string, offloads encap.OffloadSet) *vnetQueue {
	q := &vnetQueue{fd: fd, calls: kernel(), errs: makeQueueErrors(name)}
	q.offloads.Store(uint32(offloads))
	return q
}

// readBursts has several frames read at once where the system does that.
func (q *vnetQueue) readBursts(off bool) {
	err := errSwitchedOff
	if !off {
		q.uring, err = openUring(q.fd)
	}
	if err != nil {
		q.readSingly(err)
		return
	}
	q.calls.burst = q.uring.read
}

func (q *vnetQueue) readSingly(why error) { q.unburst.Store(&why) }

// Offloads returns what the kernel has not refused so far.
func (q *vnetQueue) Offloads() encap.OffloadSet { return encap.OffloadSet(q.offloads.Load()) }

// FD returns the descriptor.
func (q *vnetQueue) FD() int { return q.fd }

// Notify is for queues without a descriptor.
func (q *vnetQueue) Notify(func()) {}

func (q *vnetQueue) single() error {
	if err := q.unburst.Load(); err != nil {
		return *err
	}
	return nil
}

func (q *vnetQueue) lost() uint64 { return q.missed.Load() }

func (q *vnetQueue) leave() {
	if q.use.leave() {
		_ = q.release() // nobody is left to be told
	}
}

func (q *vnetQueue) close() error {
	if !q.use.shut() {
		return nil
	}
	return q.release()
}

// release closes the descriptors.
func (q *vnetQueue) release() error {
	if q.uring != nil {
		q.uring.close()
	}
	if err := unix.Close(q.fd); err != nil {
		return fmt.Errorf("close TAP %s: %w", q.errs.name, err)
	}
	return nil
}

// control lends the descriptor to f.
func (q *vnetQueue) control(f func(fd int) error) error {
	if !q.use.enter() {
		return q.errs.closed
	}
	defer q.leave()
	return f(q.fd)
}

// isGone reports whether errno says that the interface of a descriptor was removed:
// its queue is detached then.
func isGone(errno error) bool {
	return errors.Is(errno, unix.EBADFD) || errors.Is(errno, unix.EBADF) || errors.Is(errno, unix.ENODEV)
}
