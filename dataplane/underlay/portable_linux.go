package underlay

import (
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// tune sets on a socket that is not bound yet what golang.org/x/net has no words for.
func tune(fd uintptr, local netip.Addr) []Feature {
	if local.Is6() {
		return apply(int(fd), dontFragmentV6, zeroChecksumV6)
	}
	return apply(int(fd), dontFragmentV4, receiveTOSV4)
}

// Types of control messages of IPv4.
const (
	messageTOS = unix.IP_TOS
	messageTTL = unix.IP_TTL
)

func receiveBufferOf(fd uintptr) int { return bufferSize(int(fd)) }

// posix is for systems whose errors have other numbers than package syscall's.
func posix(errno syscall.Errno) error { return errno }
