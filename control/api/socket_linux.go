package api

import (
	"net"
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
