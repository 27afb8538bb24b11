package faults

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// variable tells a child what to do: the number of a descriptor, and those of the calls.
const variable = "VXTAP_FAULTS"

// Obey has the calls of this process, of all its threads from now on, be judged by whoever
// started it with [Start]; otherwise it does nothing.
func Obey() error {
	said := os.Getenv(variable)
	if said == "" {
		return nil
	}
	os.Unsetenv(variable) // it is not for what this process starts
	var numbers []int
	for s := range strings.SplitSeq(said, " ") {
		n, err := strconv.Atoi(s)
		if err != nil {
			return fmt.Errorf("%s is %q: %w", variable, said, err)
		}
		numbers = append(numbers, n)
	}
	file := os.NewFile(uintptr(numbers[0]), "faults")
	defer file.Close()
	// A connection of package net, so that the runtime's own poller is there before the
	// first call can fail: the runtime does not survive a failure of that.
	conn, err := net.FileConn(file)
	if err != nil {
		return fmt.Errorf("reach the judge of system calls: %w", err)
	}
	defer conn.Close()
	listener, err := install(numbers[1:])
	if err != nil {
		return err
	}
	defer unix.Close(listener)
	if _, _, err := conn.(*net.UnixConn).WriteMsgUnix([]byte{0}, unix.UnixRights(listener), nil); err != nil {
		return fmt.Errorf("hand system calls to their judge: %w", err)
	}
	return nil
}

// install sets up a filter for the calls, and returns the descriptor to judge them with.
func install(numbers []int) (int, error) {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return -1, fmt.Errorf("PR_SET_NO_NEW_PRIVS: %w", err)
	}
	filter := filterOf(numbers)
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	// A signal must not have a call that was judged made, and judged, again: the runtime
	// sends many. Before Linux 5.19 that cannot be said.
	const flags = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV |
		unix.SECCOMP_FILTER_FLAG_TSYNC | unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH
	// unsafe: x/sys has no wrapper for seccomp(2).
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&program)))
	runtime.KeepAlive(filter)
	if errno != 0 {
		return -1, fmt.Errorf("SECCOMP_SET_MODE_FILTER (Linux 5.19): %w", errno)
	}
	return int(fd), nil
}

// filterOf is a program over struct seccomp_data, which begins with the call's number.
func filterOf(numbers []int) []unix.SockFilter {
	filter := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}}
	for i, n := range numbers {
		filter = append(filter, unix.SockFilter{
			Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(n),
			Jt: uint8(len(numbers) - i), // over those that follow, and the one that allows
		})
	}
	return append(filter,
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF})
}
