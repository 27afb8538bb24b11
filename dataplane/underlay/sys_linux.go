package underlay

import (
	"errors"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr is struct mmsghdr of recvmmsg(2). Its padding at the end follows from the
// alignment of the pointers in Msghdr on every architecture.
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32 // out: bytes received or sent
}

// system is the system calls of the hot path, as fields so that their failures can
// be scripted. They never block but for poll.
type system struct {
	recvmmsg func(fd int, msgs []mmsghdr) (int, unix.Errno)
	sendmmsg func(fd int, msgs []mmsghdr) (int, unix.Errno)
	// poll waits until one of fds is ready; a negative timeout is forever.
	poll func(fds []unix.PollFd, timeout time.Duration) (int, unix.Errno)
}

var kernel = system{recvmmsg, sendmmsg, poll}

// recvmmsg and sendmmsg do not tell the Go scheduler, as they never block. Its monitor
// would take the processor away from a busy worker a hundred times a second, and after
// each time look 50 times, every 20 us, for more to take: some thousand wake-ups a second
// of a thread that nobody needs. The price is that a stop of the world waits for the end
// of a batch.
//
// The unsafe pointers are to a slice that the caller keeps alive over the call; x/sys has
// no wrappers for the two.

func recvmmsg(fd int, msgs []mmsghdr) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(msgs))), uintptr(len(msgs)), unix.MSG_DONTWAIT, 0, 0)
	return int(n), errno
}

func sendmmsg(fd int, msgs []mmsghdr) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(msgs))), uintptr(len(msgs)), unix.MSG_DONTWAIT, 0, 0)
	return int(n), errno
}

func poll(fds []unix.PollFd, timeout time.Duration) (int, unix.Errno) {
	ms := -1
	if timeout >= 0 {
		ms = int(timeout.Milliseconds())
	}
	n, err := unix.Poll(fds, ms)
	if err != nil {
		return n, errnoOf(err)
	}
	return n, 0
}

// errnoOf is apart from poll because it allocates.
func errnoOf(err error) (errno unix.Errno) {
	_ = errors.As(err, &errno) // package unix returns nothing else
	return errno
}

// meminfo reads SO_MEMINFO, an array of counters of a socket; x/sys has no getsockopt
// for arrays, so the pointer is passed here.
func meminfo(fd int) (info [unix.SK_MEMINFO_VARS]uint32, err error) {
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return info, errno
	}
	return info, nil
}
