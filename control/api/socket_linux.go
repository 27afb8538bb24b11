package api

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// restrict gives a socket its mode before it is bound, so that not for a moment anyone
// else can connect. Linux makes the file with the mode of the socket, less the umask.
func restrict(_, _ string, c syscall.RawConn) error {
	var chmod error
	err := c.Control(func(fd uintptr) { chmod = unix.Fchmod(int(fd), socketMode) })
	if err != nil {
		return err
	}
	return chmod
}

// peerPID returns the process that listens on the other end, 0 if unknown.
func peerPID(conn *net.UnixConn) int {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0
	}
	pid := 0
	_ = raw.Control(func(fd uintptr) { // which fails if the connection is closed
		cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		if err == nil {
			pid = int(cred.Pid)
		}
	})
	return pid
}

// isEnding reports whether a process, 0 if unknown, is gone, or has been killed: its
// sockets take connections until the kernel gets to close them.
func isEnding(pid int) bool {
	if pid <= 0 {
		return false
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	for line := range bytes.Lines(status) {
		field, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte(":\t"))
		switch string(field) {
		case "State": // proc(5): Z and X are dead, but for other threads perhaps
			if bytes.HasPrefix(value, []byte("Z")) || bytes.HasPrefix(value, []byte("X")) {
				return true
			}
		case "SigPnd", "ShdPnd": // hexadecimal, signal 1 lowest
			pending, err := strconv.ParseUint(string(value), 16, 64)
			if err == nil && pending&(1<<(syscall.SIGKILL-1)) != 0 {
				return true
			}
		}
	}
	return false
}
