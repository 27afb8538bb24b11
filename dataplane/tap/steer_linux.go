package tap

import (
	"fmt"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Left to itself, the kernel sends a flow to the queue that something of its other
// direction was last written to. Between two VTEPs with several queues each that never
// comes to rest for some flows: a flow's queue decides its outer source port, that
// decides the queue at the far end, and that in turn the queue at this end. Each round
// trip such a flow changes its queue, and overtakes itself. So the kernel is given a
// program of ours that knows a flow by its headers and nothing else.

// CanSteer says why the kernel would not take a program that keeps flows on their queue,
// nil if it would. That needs CAP_BPF, or unprivileged BPF to be allowed. Without it a
// device can still have several queues; see [FeatureSteering].
func CanSteer() error {
	program, err := loadSteering(0)
	if err != nil {
		return err
	}
	return unix.Close(program)
}

func loadSteering(skipped int) (int, error) {
	program, err := loadSocketFilter(steering(skipped))
	if err != nil {
		return -1, fmt.Errorf("flows may change their queue, the kernel takes no program to choose it (BPF_PROG_LOAD, CAP_BPF): %w", err)
	}
	return program, nil
}

// steer has the device of fd choose the queue of a frame by [steering].
func steer(fd, skipped int) error {
	program, err := loadSteering(skipped)
	if err != nil {
		return err
	}
	defer unix.Close(program)
	if err := unix.IoctlSetPointerInt(fd, unix.TUNSETSTEERINGEBPF, program); err != nil {
		return fmt.Errorf("flows may change their queue (TUNSETSTEERINGEBPF, Linux 4.16 or later): %w", err)
	}
	return nil
}

// instruction is struct bpf_insn: destination and source register share a byte, in an
// order that is the machine's.
type instruction struct {
	code      uint8
	registers uint8
	offset    int16
	immediate int32
}

// loadSocketFilter has the kernel check and keep a program, and returns its descriptor.
func loadSocketFilter(program []instruction) (int, error) {
	license := &[...]byte{'M', 'I', 'T', 0} // nothing that it calls asks for the GPL
	var pinner runtime.Pinner
	pinner.Pin(license)
	pinner.Pin(unsafe.SliceData(program))
	defer pinner.Unpin()
	// The beginning of union bpf_attr, as BPF_PROG_LOAD has it.
	attr := struct {
		kind         uint32
		count        uint32
		instructions uint64
		license      uint64
		logLevel     uint32
		logSize      uint32
		log          uint64
		version      uint32
		flags        uint32
	}{
		kind:  unix.BPF_PROG_TYPE_SOCKET_FILTER,
		count: uint32(len(program)),
		// unsafe: the kernel wants addresses as numbers, of things that are pinned.
		instructions: uint64(uintptr(unsafe.Pointer(unsafe.SliceData(program)))),
		license:      uint64(uintptr(unsafe.Pointer(license))),
	}
	var fd uintptr
	var errno syscall.Errno
	undisturbed := withoutSignals(func() {
		// unsafe: x/sys has no wrapper for bpf(2).
		fd, _, errno = unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_LOAD, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	})
	if undisturbed != nil {
		return -1, undisturbed
	}
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

// withoutSignals calls f on a thread that no signal interrupts: the verifier gives up with
// EAGAIN when one waits for its thread, and the Go runtime preempts threads by signals.
func withoutSignals(f func()) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, before unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^all.Val[i]
	}
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &all, &before); err != nil {
		return fmt.Errorf("block the signals of a thread: %w", err)
	}
	f()
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil); err != nil {
		return fmt.Errorf("let the signals of a thread through again: %w", err)
	}
	return nil
}
