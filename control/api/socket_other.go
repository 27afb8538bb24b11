//go:build !linux

package api

import (
	"net"
	"syscall"
)

// restrict does nothing: only Linux lets the mode be set before the socket is bound.
func restrict(_, _ string, _ syscall.RawConn) error { return nil }

// peerPID returns 0, unknown: SO_PEERCRED is Linux's.
func peerPID(*net.UnixConn) int { return 0 }

// isEnding is not known on this system.
func isEnding(int) bool { return false }
