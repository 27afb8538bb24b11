package tap

import (
	"unsafe"

	"github.com/vxtap/vxtap/encap"
	"golang.org/x/sys/unix"
)

// syscalls are the calls that move frames. They are fields so that a test can
// script their failures; [kernel] is the real thing. They do not block, and so do not tell
// the Go scheduler of the call: see the same in the underlay.
//
// The header is passed by value to write, and the vectors are made inside, because
// what goes through a function value by pointer would escape to the heap.
type syscalls struct {
	// read fills b with a vnetHeader and a frame, as far as they fit, and returns the bytes.
	read func(fd int, b []byte) (int, unix.Errno)
	// burst is read for the first n of several. An error is about the call, and the last of
	// them. nil: there is no such call.
	burst func(b *burst, n int) error
	// write hands over h and f, but for the first skip bytes of its Data, and returns the
	// bytes of both.
	write func(fd int, h vnetHeader, f *encap.Frame, skip int) (int, unix.Errno)
}

func kernel() syscalls { return syscalls{read: readFrame, write: writeFrame} }

// readFrame reads one frame.
func readFrame(fd int, b []byte) (int, unix.Errno) {
	// unsafe: unix.Read tells the scheduler.
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return int(n), errno
}

// writeFrame writes one frame with writev. Frames in one piece, the common ones, do
// not pay for clearing a long vector.
func writeFrame(fd int, h vnetHeader, f *encap.Frame, skip int) (int, unix.Errno) {
	if len(f.More) > 0 {
		return gatherFrame(fd, h, f, skip)
	}
	iov := [2]unix.Iovec{
		// unsafe: the kernel reads the header's fields in place.
		{Base: (*byte)(unsafe.Pointer(&h))},
		{Base: unsafe.SliceData(f.Data[skip:])},
	}
	iov[0].SetLen(vnetHeaderSize)
	iov[1].SetLen(len(f.Data) - skip)
	// unsafe: unix.Writev would build the vector on the heap.
	n, _, errno := unix.RawSyscall(unix.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(&iov)), uintptr(len(iov)))
	return int(n), errno
}

// gatherFrame is writeFrame for frames in at most MaxSlices more pieces.
func gatherFrame(fd int, h vnetHeader, f *encap.Frame, skip int) (int, unix.Errno) {
	var iov [2 + MaxSlices]unix.Iovec
	// unsafe: as in writeFrame.
	iov[0].Base = (*byte)(unsafe.Pointer(&h))
	iov[0].SetLen(vnetHeaderSize)
	iov[1].Base = unsafe.SliceData(f.Data[skip:])
	iov[1].SetLen(len(f.Data) - skip)
	used := 2
	for _, b := range f.More {
		iov[used].Base = unsafe.SliceData(b)
		iov[used].SetLen(len(b))
		used++
	}
	n, _, errno := unix.RawSyscall(unix.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(&iov)), uintptr(used))
	return int(n), errno
}
