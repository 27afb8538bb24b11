package underlay

import (
	"net/netip"
	"syscall"

	"golang.org/x/sys/windows"
)

// From ws2ipdef.h and winsock2.h; golang.org/x/sys has no names for them.
const (
	ipDontFragment   = 14
	ipv6DontFragment = 14
	exclusiveAddrUse = -5 // the complement of SO_REUSEADDR
)

// tune sets on a socket that is not bound yet what golang.org/x/net has no words for.
// Without exclusive use another socket could take the address over.
func tune(fd uintptr, local netip.Addr) []Feature {
	s := windows.Handle(fd)
	_ = windows.SetsockoptInt(s, windows.SOL_SOCKET, exclusiveAddrUse, 1)
	if local.Is6() {
		err := windows.SetsockoptInt(s, windows.IPPROTO_IPV6, ipv6DontFragment, 1)
		return []Feature{{FeatureDF, err}, {FeatureZeroChecksum, errPortable}}
	}
	return []Feature{{FeatureDF, windows.SetsockoptInt(s, windows.IPPROTO_IP, ipDontFragment, 1)}, {FeatureTOS, errPortable}}
}

// setFragments leaves it to the system.
func setFragments(uintptr, bool, bool) {}

func receiveBufferOf(fd uintptr) int {
	size, err := windows.GetsockoptInt(windows.Handle(fd), windows.SOL_SOCKET, windows.SO_RCVBUF)
	if err != nil {
		return 0
	}
	return size
}

// posix returns the error under the name that package syscall gives it everywhere:
// here those constants are made up, and Winsock returns its own numbers.
func posix(errno syscall.Errno) error {
	switch errno {
	case windows.WSAEACCES:
		return syscall.EACCES
	case windows.WSAEADDRINUSE:
		return syscall.EADDRINUSE
	case windows.WSAEADDRNOTAVAIL:
		return syscall.EADDRNOTAVAIL
	case windows.WSAEAFNOSUPPORT:
		return syscall.EAFNOSUPPORT
	case windows.WSAEMSGSIZE:
		return syscall.EMSGSIZE
	case windows.WSAENETUNREACH:
		return syscall.ENETUNREACH
	case windows.WSAEHOSTUNREACH:
		return syscall.EHOSTUNREACH
	case windows.WSAENOBUFS:
		return syscall.ENOBUFS
	}
	return errno
}
