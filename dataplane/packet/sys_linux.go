package packet

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr is struct mmsghdr of recvmmsg(2). Its padding at the end follows from the
// alignment of the pointers in Msghdr on every architecture.
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32 // out: bytes received or sent
}

// auxdata is the control message that comes with each frame (packet(7), PACKET_AUXDATA),
// as the kernel lays it out, with room to spare.
type auxdata struct {
	header unix.Cmsghdr
	packet unix.TpacketAuxdata
	_      [8]byte
}

// tag returns the VLAN tag that the kernel took off a frame. Before Linux 3.14 it did not
// say of which protocol it was.
func (a *auxdata) tag(controllen int) (tpid, tci uint16, tagged bool) {
	const wanted = unix.TP_STATUS_VLAN_VALID | unix.TP_STATUS_VLAN_TPID_VALID
	if controllen < unix.CmsgLen(int(unsafe.Sizeof(a.packet))) || a.header.Level != unix.SOL_PACKET || a.header.Type != unix.PACKET_AUXDATA {
		return 0, 0, false
	}
	return a.packet.Vlan_tpid, a.packet.Vlan_tci, a.packet.Status&wanted == wanted
}

// syscalls are the two calls that move frames, as fields so that a test can script their
// failures; [kernel] is the real thing. They never block, and so do not tell the Go
// scheduler of the call: see the same in the underlay.
type syscalls struct {
	recvmmsg func(fd int, msgs []mmsghdr) (int, unix.Errno)
	sendmmsg func(fd int, msgs []mmsghdr) (int, unix.Errno)
}

func kernel() syscalls { return syscalls{recvmmsg, sendmmsg} }

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

// point points a vector at b.
func point(v *unix.Iovec, b []byte) {
	v.Base = unsafe.SliceData(b)
	v.SetLen(len(b))
}
