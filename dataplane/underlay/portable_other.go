//go:build !linux && !darwin && !freebsd && !windows

package underlay

import (
	"net/netip"
	"syscall"
)

// tune would set DF, for which this system has no option that we know.
func tune(_ uintptr, local netip.Addr) []Feature {
	if local.Is6() {
		return []Feature{{FeatureDF, errPortable}}
	}
	return []Feature{{FeatureDF, errPortable}, {FeatureTOS, errPortable}}
}

// setFragments leaves it to the system.
func setFragments(uintptr, bool, bool) {}

func receiveBufferOf(uintptr) int { return 0 }

// posix is for systems whose errors have other numbers than package syscall's.
func posix(errno syscall.Errno) error { return errno }
