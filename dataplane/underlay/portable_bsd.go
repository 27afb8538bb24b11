//go:build darwin || freebsd

package underlay

import (
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// tune sets on a socket that is not bound yet what golang.org/x/net has no words for.
func tune(fd uintptr, local netip.Addr) []Feature {
	if local.Is6() {
		err := unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_DONTFRAG, 1)
		return []Feature{{FeatureDF, err}, {FeatureZeroChecksum, errPortable}}
	}
	return []Feature{
		{FeatureDF, unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_DONTFRAG, 1)},
		{FeatureTOS, unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_RECVTOS, 1)},
	}
}

// Types of control messages of IPv4.
const (
	messageTOS = unix.IP_RECVTOS
	messageTTL = unix.IP_RECVTTL
)

// setFragments has what a socket sends be fragmented on the way, or not.
func setFragments(fd uintptr, v6, may bool) {
	level, option, value := unix.IPPROTO_IP, unix.IP_DONTFRAG, 1
	if v6 {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_DONTFRAG
	}
	if may {
		value = 0
	}
	_ = unix.SetsockoptInt(int(fd), level, option, value) // as in tune
}

func receiveBufferOf(fd uintptr) int {
	size, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
	if err != nil {
		return 0
	}
	return size
}

// posix is for systems whose errors have other numbers than package syscall's.
func posix(errno syscall.Errno) error { return errno }
