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

// setFragments has what a socket sends be fragmented on the way, or not.
func setFragments(fd uintptr, v6, may bool) {
	how := unix.IP_PMTUDISC_DO
	if may {
		how = fragmenting(v6)
	}
	_ = setPathMTU(int(fd), v6, how) // before Linux 3.15 it has none fragmented
}

func receiveBufferOf(fd uintptr) int { return bufferSize(int(fd)) }

// posix is for systems whose errors have other numbers than package syscall's.
func posix(errno syscall.Errno) error { return errno }
