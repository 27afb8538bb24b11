package faults

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Judge says what becomes of a call: an error that it fails with, without having been
// made, or 0. It is called for one call at a time.
type Judge func(Call) unix.Errno

// Start has start start a command that calls [Obey] in the beginning, and has judge judge
// its calls with these numbers. done is closed after the process has ended and been
// waited for.
//
// Calls that cannot be among them: sendmsg, by which this is arranged; close, which would
// leave descriptors open; and what the Go runtime relies on, like futex and mmap.
func Start(cmd *exec.Cmd, start func(*exec.Cmd) error, judge Judge, calls ...int) (done <-chan struct{}, err error) {
	if slices.Contains(calls, unix.SYS_SENDMSG) || slices.Contains(calls, unix.SYS_CLOSE) {
		return nil, errors.New("faults: sendmsg and close cannot be made to fail")
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("faults: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "judge"), os.NewFile(uintptr(pair[1]), "judged")
	defer ours.Close()
	defer theirs.Close()
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	said := fmt.Sprint(append([]int{3 + len(cmd.ExtraFiles)}, calls...))
	cmd.Env = append(cmd.Env, variable+"="+strings.Trim(said, "[]"))
	cmd.ExtraFiles = append(cmd.ExtraFiles, theirs)
	conn, err := net.FileConn(ours)
	if err != nil {
		return nil, fmt.Errorf("faults: %w", err)
	}
	if err := start(cmd); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer conn.Close()
		if listener, err := receive(conn.(*net.UnixConn)); err == nil {
			preside(listener, judge)
			unix.Close(listener)
		}
	}()
	return ended, nil
}

// receive waits for the descriptor that [Obey] sends.
func receive(conn *net.UnixConn) (int, error) {
	oob := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := conn.ReadMsgUnix(make([]byte, 1), oob)
	if err != nil {
		return -1, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) == 0 {
		return -1, errors.Join(err, errors.New("the process ended before its calls could be judged"))
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return -1, err
	}
	return fds[0], nil
}

// notification is struct seccomp_notif, with struct seccomp_data at its end.
type notification struct {
	id         uint64
	pid, flags uint32
	number     int32
	arch       uint32
	pointer    uint64
	args       [6]uint64
}

// response is struct seccomp_notif_resp.
type response struct {
	id    uint64
	value int64
	err   int32 // a negative errno
	flags uint32
}

// preside judges calls until nobody is left who makes any.
func preside(listener int, judge Judge) {
	for {
		wait := []unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}}
		if _, err := unix.Poll(wait, -1); err != nil && err != unix.EINTR {
			return
		}
		if wait[0].Revents&unix.POLLIN == 0 {
			if wait[0].Revents != 0 {
				return
			}
			continue
		}
		var n notification
		// unsafe: the kernel reads and writes the two structs in place.
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(&n))); errno != 0 {
			continue // a signal was quicker: the call comes again
		}
		r := response{id: n.id}
		if errno := judge(Call{Number: int(n.number), Args: n.args}); errno != 0 {
			r.err = -int32(errno)
		} else {
			r.flags = unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE
		}
		// Fails if the process was killed.
		_, _, _ = unix.Syscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&r)))
	}
}
