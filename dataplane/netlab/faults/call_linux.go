package faults

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Call is a system call that a process is about to make.
type Call struct {
	Number int // unix.SYS_…
	Args   [6]uint64
}

// names are of those calls that a test is likely to ask for.
var names = map[int]string{
	unix.SYS_BIND:           "bind",
	unix.SYS_BPF:            "bpf",
	unix.SYS_CONNECT:        "connect",
	unix.SYS_EPOLL_CREATE1:  "epoll_create1",
	unix.SYS_EPOLL_CTL:      "epoll_ctl",
	unix.SYS_EPOLL_PWAIT:    "epoll_pwait",
	unix.SYS_EVENTFD2:       "eventfd2",
	unix.SYS_FCNTL:          "fcntl",
	unix.SYS_GETSOCKNAME:    "getsockname",
	unix.SYS_GETSOCKOPT:     "getsockopt",
	unix.SYS_IO_URING_ENTER: "io_uring_enter",
	unix.SYS_IO_URING_SETUP: "io_uring_setup",
	unix.SYS_IOCTL:          "ioctl",
	unix.SYS_LISTEN:         "listen",
	unix.SYS_OPENAT:         "openat",
	unix.SYS_PPOLL:          "ppoll",
	unix.SYS_READ:           "read",
	unix.SYS_RECVFROM:       "recvfrom",
	unix.SYS_RECVMMSG:       "recvmmsg",
	unix.SYS_RECVMSG:        "recvmsg",
	unix.SYS_SENDMMSG:       "sendmmsg",
	unix.SYS_SENDTO:         "sendto",
	unix.SYS_SETNS:          "setns",
	unix.SYS_SETSOCKOPT:     "setsockopt",
	unix.SYS_SOCKET:         "socket",
	unix.SYS_WRITEV:         "writev",
}

// Name is the call's name, with what it asks for if that is a number of its own, as in
// "setsockopt(17, 104)": a level and an option.
func (c Call) Name() string {
	name := names[c.Number]
	if name == "" {
		name = fmt.Sprintf("call %d", c.Number)
	}
	switch c.Number {
	case unix.SYS_SETSOCKOPT, unix.SYS_GETSOCKOPT:
		return fmt.Sprintf("%s(%d, %d)", name, c.Args[1], c.Args[2])
	case unix.SYS_SOCKET:
		return fmt.Sprintf("%s(%d, %#x, %d)", name, c.Args[0], c.Args[1], c.Args[2])
	case unix.SYS_IOCTL:
		return fmt.Sprintf("%s(%#x)", name, c.Args[1])
	case unix.SYS_EPOLL_CTL, unix.SYS_FCNTL:
		return fmt.Sprintf("%s(%d)", name, c.Args[1])
	}
	return name
}

// Option reports whether the call sets or reads this option of a socket.
func (c Call) Option(level, option int) bool {
	return (c.Number == unix.SYS_SETSOCKOPT || c.Number == unix.SYS_GETSOCKOPT) &&
		c.Args[1] == uint64(level) && c.Args[2] == uint64(option)
}
