package tap

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// burstSize is the most frames that one system call reads. More would save hardly more, and
// those that are not there cost too.
const burstSize = 16

// A uring reads a burst of frames with one system call, by io_uring(7). Nothing of it outlives the call, as no read waits (RWF_NOWAIT).
//
// It may be used by one goroutine at a time.
type uring struct {
	fd      int
	rings   []byte // what the kernel shares: the submission and the completion ring,
	entries []byte // and the submissions

	sqTail, cqHead, cqTail *uint32
	sqMask, cqMask         uint32
	sqes                   []submission
	cqes                   []completion
}

// submission is struct io_uring_sqe, as far as a read needs it.
type submission struct {
	opcode   uint8
	flags    uint8
	ioprio   uint16
	fd       int32
	offset   uint64
	address  uint64
	length   uint32
	rwFlags  uint32
	userData uint64
	_        [3]uint64
}

// completion is struct io_uring_cqe.
type completion struct {
	userData uint64
	result   int32
	flags    uint32
}

// uringParams is struct io_uring_params. Offsets are into the rings.
type uringParams struct {
	sqEntries, cqEntries, flags, sqThreadCPU, sqThreadIdle, features, wqFD uint32
	_                                                                      [3]uint32
	sq                                                                     struct {
		head, tail, mask, entries, flags, dropped, array, _ uint32
		_                                                   uint64
	}
	cq struct {
		head, tail, mask, entries, overflow, cqes, flags, _ uint32
		_                                                   uint64
	}
}

// From linux/io_uring.h.
const (
	uringRead       = 22          // IORING_OP_READ
	uringSingleMmap = 1           // IORING_FEAT_SINGLE_MMAP
	uringNoDrop     = 2           // IORING_FEAT_NODROP
	uringGetEvents  = 1           // IORING_ENTER_GETEVENTS
	uringSQEs       = 0x1000_0000 // IORING_OFF_SQES
)

// openUring returns a uring that reads from fd, or says why there is none: io_uring is often
// forbidden in containers, and a TUN can be told not to wait (FMODE_NOWAIT) since Linux 6.4.
// It takes nothing from fd, and does not keep it open.
func openUring(fd int) (*uring, error) {
	var p uringParams
	// unsafe: x/sys has no wrappers for io_uring; here as below.
	n, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, burstSize, uintptr(unsafe.Pointer(&p)), 0)
	if errno != 0 {
		return nil, fmt.Errorf("io_uring: %w", errno)
	}
	u := &uring{fd: int(n)}
	if err := u.share(&p); err != nil {
		u.close()
		return nil, err
	}
	for i := range u.sqes {
		u.sqes[i] = submission{opcode: uringRead, fd: int32(fd), rwFlags: unix.RWF_NOWAIT}
	}
	if err := u.try(); err != nil {
		u.close()
		return nil, err
	}
	return u, nil
}

// try reads into no room, which takes nothing away, and says why the kernel refuses such reads.
func (u *uring) try() error {
	b := &burst{}
	b.into[0] = []byte{}
	if err := u.read(b, 1); err != nil {
		return err
	}
	if result := b.results[0]; result < 0 {
		return fmt.Errorf("io_uring: read that does not wait (a TUN's: Linux 6.4 or later): %w", unix.Errno(-result))
	}
	return nil
}

// share maps what the kernel has laid out as p says.
func (u *uring) share(p *uringParams) (err error) {
	if p.features&uringSingleMmap == 0 || p.features&uringNoDrop == 0 {
		return errors.New("io_uring: not as of Linux 5.5 or later")
	}
	size := max(p.sq.array+p.sqEntries*4, p.cq.cqes+p.cqEntries*uint32(unsafe.Sizeof(completion{})))
	const prot, flags = unix.PROT_READ | unix.PROT_WRITE, unix.MAP_SHARED | unix.MAP_POPULATE
	if u.rings, err = unix.Mmap(u.fd, 0, int(size), prot, flags); err != nil {
		return fmt.Errorf("io_uring: map rings: %w", err)
	}
	size = p.sqEntries * uint32(unsafe.Sizeof(submission{}))
	if u.entries, err = unix.Mmap(u.fd, uringSQEs, int(size), prot, flags); err != nil {
		return fmt.Errorf("io_uring: map submissions: %w", err)
	}
	// unsafe: the kernel reads and writes these in place.
	word := func(offset uint32) *uint32 { return (*uint32)(unsafe.Pointer(&u.rings[offset])) }
	u.sqTail, u.sqMask = word(p.sq.tail), *word(p.sq.mask)
	u.cqHead, u.cqTail, u.cqMask = word(p.cq.head), word(p.cq.tail), *word(p.cq.mask)
	u.cqes = unsafe.Slice((*completion)(unsafe.Pointer(&u.rings[p.cq.cqes])), p.cqEntries)
	u.sqes = unsafe.Slice((*submission)(unsafe.Pointer(unsafe.SliceData(u.entries))), p.sqEntries)
	for i, slots := uint32(0), unsafe.Slice(word(p.sq.array), p.sqEntries); i < p.sqEntries; i++ {
		slots[i] = i
	}
	return nil
}

// read reads one frame into each of the first n buffers of b, in order. If the kernel did
// not do so, b says which were read all the same, and there is no use in trying again.
func (u *uring) read(b *burst, n int) error {
	tail := *u.sqTail // only we write it
	for i := range n {
		s := &u.sqes[(tail+uint32(i))&u.sqMask]
		// unsafe: what is on the heap stays where it is, and b keeps it until the call is over.
		s.address, s.length = uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b.into[i])))), uint32(len(b.into[i]))
		s.userData = uint64(i)
		b.results[i] = -int32(unix.EAGAIN)
	}
	atomic.StoreUint32(u.sqTail, tail+uint32(n))
	submitted, err := u.enter(n, 0)
	for taken := u.reap(b); taken < submitted; taken += u.reap(b) {
		// None of them waits, but nor does the kernel promise when it is done.
		if _, again := u.enter(0, submitted-taken); again != nil && !errors.Is(again, unix.EINTR) {
			return again
		}
	}
	runtime.KeepAlive(b)
	if err == nil && submitted < n {
		err = fmt.Errorf("io_uring took %d of %d reads", submitted, n)
	}
	return err
}

// enter submits reads, and waits for as many completions.
func (u *uring) enter(submit, wait int) (int, error) {
	flags := uintptr(0)
	if wait > 0 {
		flags = uringGetEvents
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(u.fd), uintptr(submit), uintptr(wait), flags, 0, 0)
	if errno != 0 {
		return 0, fmt.Errorf("io_uring: %w", errno)
	}
	return int(n), nil
}

// reap takes the completions that are there, and returns how many.
func (u *uring) reap(b *burst) int {
	head, tail := *u.cqHead, atomic.LoadUint32(u.cqTail)
	for i := head; i != tail; i++ {
		c := &u.cqes[i&u.cqMask]
		b.results[c.userData%burstSize] = c.result
	}
	atomic.StoreUint32(u.cqHead, tail)
	return int(tail - head)
}

func (u *uring) close() {
	for _, m := range [][]byte{u.rings, u.entries} {
		if m != nil {
			_ = unix.Munmap(m)
		}
	}
	unix.Close(u.fd)
}
