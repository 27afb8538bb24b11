package traffic

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32 // out: bytes received or sent
}

// x/sys has no wrappers for these two. The unsafe pointers are to slices that the caller
// keeps alive over the call, and so is what the headers in them point to.

func recvmmsg(fd int, msgs []mmsghdr, flags int) (int, unix.Errno) {
	n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(msgs))), uintptr(len(msgs)), uintptr(flags), 0, 0)
	return int(n), errno
}

func sendmmsg(fd int, msgs []mmsghdr) (int, unix.Errno) {
	n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(msgs))), uintptr(len(msgs)), 0, 0, 0)
	return int(n), errno
}

// socketDrops is how many datagrams did not fit a socket's buffer (SO_MEMINFO, an array,
// for which x/sys has no getsockopt).
func socketDrops(fd int) uint64 {
	var info [unix.SK_MEMINFO_VARS]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 { // before Linux 4.12 nobody knows
		return 0
	}
	return uint64(info[unix.SK_MEMINFO_DROPS])
}

// messages are preallocated headers for many datagrams in one system call, each with a
// buffer of its own and room for an address.
type messages struct {
	headers []mmsghdr
	iovecs  []unix.Iovec
	buffers [][]byte
	names   []unix.RawSockaddrInet6 // large enough for IPv4, too
}

func newMessages(count, size int) *messages {
	m := &messages{
		headers: make([]mmsghdr, count),
		iovecs:  make([]unix.Iovec, count),
		buffers: make([][]byte, count),
		names:   make([]unix.RawSockaddrInet6, count),
	}
	for i := range m.headers {
		m.buffers[i] = make([]byte, size)
		m.iovecs[i].Base = unsafe.SliceData(m.buffers[i])
		m.iovecs[i].SetLen(size)
		m.headers[i].hdr.Iov = &m.iovecs[i]
		m.headers[i].hdr.SetIovlen(1)
	}
	return m
}

// withNames has the headers point to the addresses, which are of that length.
func (m *messages) withNames(length int) {
	for i := range m.headers {
		m.headers[i].hdr.Name = (*byte)(unsafe.Pointer(&m.names[i]))
		m.headers[i].hdr.Namelen = uint32(length)
	}
}

// setName4 writes an IPv4 address into the room for an address of message i.
func (m *messages) setName4(i int, name unix.RawSockaddrInet4) {
	*(*unix.RawSockaddrInet4)(unsafe.Pointer(&m.names[i])) = name
}

// shortSleep is how late a sleep may end, so that it ends that much early and the
// rest is spent awake.
const shortSleep = 15 * time.Microsecond

// wakeSharply has sleeps of this thread, which has to stay the caller's, end on time
// and not up to 50 µs late.
func wakeSharply() error { return unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) }

// pause waits d. It sleeps, so that what is measured may have the processor, and spins
// where sleeping would be late.
func pause(d time.Duration) {
	start := time.Now()
	if d > 2*shortSleep {
		t := unix.NsecToTimespec(int64(d - shortSleep))
		_ = unix.Nanosleep(&t, nil) // a signal may end it early
	}
	for time.Since(start) < d {
	}
}
