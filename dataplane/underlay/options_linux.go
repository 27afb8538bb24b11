package underlay

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// option is a socket option that makes a feature.
type option struct {
	feature              string
	name                 string // as in the manual page, for errors
	level, option, value int
}

var receiveTOSV4 = option{FeatureTOS, "IP_RECVTOS", unix.IPPROTO_IP, unix.IP_RECVTOS, 1}

var optionsV4 = []option{
	receiveTOSV4,
	{FeatureTTL, "IP_RECVTTL", unix.IPPROTO_IP, unix.IP_RECVTTL, 1},
}

var optionsV6 = []option{
	{FeatureTOS, "IPV6_RECVTCLASS", unix.IPPROTO_IPV6, unix.IPV6_RECVTCLASS, 1},
	{FeatureTTL, "IPV6_RECVHOPLIMIT", unix.IPPROTO_IPV6, unix.IPV6_RECVHOPLIMIT, 1},
	zeroChecksumV6,
}

// zeroChecksumV6 takes what RFC 6935 section 5 lets tunnels send; IPv4 needs no leave
// for it.
var zeroChecksumV6 = option{FeatureZeroChecksum, "UDP_NO_CHECK6_RX", unix.IPPROTO_UDP, unix.UDP_NO_CHECK6_RX, 1}

// DF, and EMSGSIZE for what does not fit the device, or the path as the kernel knows it.
// For IPv6 this says all that IPV6_DONTFRAG would.
var (
	dontFragmentV4 = option{FeatureDF, "IP_MTU_DISCOVER", unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DO}
	dontFragmentV6 = option{FeatureDF, "IPV6_MTU_DISCOVER", unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_DO}
)

// dontFragment is the option that every socket to send from needs.
func dontFragment(a netip.Addr) option {
	if a.Is6() {
		return dontFragmentV6
	}
	return dontFragmentV4
}

// optionsOf are the options of a listening socket.
func optionsOf(local netip.Addr) []option {
	options := optionsV4
	if local.Is6() {
		options = optionsV6
	}
	return append(options[:len(options):len(options)], dontFragment(local))
}

// apply sets options and returns the features that they make. A kernel that lacks one
// loses that feature only.
func apply(fd int, options ...option) []Feature {
	var features []Feature
	for _, o := range options {
		err := unix.SetsockoptInt(fd, o.level, o.option, o.value)
		if err != nil {
			err = fmt.Errorf("setting %s: %w", o.name, err)
		}
		features = append(features, Feature{o.feature, err})
	}
	return features
}

// force sets a buffer to size bytes, as far as the system lets us: beyond its limit
// with CAP_NET_ADMIN, and up to it without. What came of it is read back.
func force(fd, forced, ordinary, size int) {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, forced, size) != nil {
		// Never fails: the kernel lowers the size to its limit.
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, ordinary, size)
	}
}

// receiveTrains has what arrives together received in one piece.
var receiveTrains = option{FeatureGRO, "UDP_GRO", unix.IPPROTO_UDP, unix.UDP_GRO, 1}

// errSwitchedOff is why a feature is not in force that the user does not want.
var errSwitchedOff = errors.New("switched off by --offload")

// trains asks for trains both ways, unless they are not wanted. Sending them is a matter
// of each message; here the kernel only says that it knows UDP_SEGMENT, which may still
// fail for a route.
func trains(fd int, off bool) []Feature {
	if off {
		return []Feature{{FeatureGRO, errSwitchedOff}, {FeatureGSO, errSwitchedOff}}
	}
	_, err := unix.GetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_SEGMENT)
	if err != nil {
		err = fmt.Errorf("reading UDP_SEGMENT: %w", err)
	}
	return append(apply(fd, receiveTrains), Feature{FeatureGSO, err})
}
