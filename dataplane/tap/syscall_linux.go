package tap

import (
	"unsafe"

	"github.com/vxtap/vxtap/encap"
	"golang.org/x/sys/unix"
)

// syscalls are the two calls that move frames. They are fields so that a test can
// script their failures; [kernel] is the real thing. They do not block, and so do not tell
// the Go scheduler of the call: see the same in the underlay.
//
// The header is passed by value to write, and the vectors are made inside, because
// what goes through a function value by pointer would escape to the heap.
type syscalls struct {
	// read fills h and data with one frame and returns the bytes of both; more than
	// fit if the frame was longer.
	read func(fd int, h *vnetHeader, data []byte) (int, unix.Errno)
	// write hands over h and f, but for the first skip bytes of its Data, and returns the
	// bytes of both.
	write func(fd int, h vnetHeader, f *encap.Frame, skip int) (int, unix.Errno)
}

func kernel() syscalls { return syscalls{read: readFrame, write: writeFrame} }

// readFrame reads one frame with readv. The kernel cuts a frame to the space it is
// given without saying so; a spare byte behind data makes that visible.
func readFrame(fd int, h *vnetHeader, data []byte) (int, unix.Errno) {
	var spare byte
	iov := [3]unix.Iovec{
		// unsafe: the kernel writes the header's fields in place.
		{Base: (*byte)(unsafe.Pointer(h))},
		{Base: unsafe.SliceData(data)},
		{Base: &spare},
	}
	iov[0].SetLen(vnetHeaderSize)
	iov[1].SetLen(len(data))
	iov[2].SetLen(1)
	// unsafe: unix.Readv would build the vector on the heap.
	n, _, errno := unix.RawSyscall(unix.SYS_READV, uintptr(fd), uintptr(unsafe.Pointer(&iov)), uintptr(len(iov)))
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
	// unsafe: as in readFrame.
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
