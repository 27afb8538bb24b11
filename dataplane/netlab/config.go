package netlab

import (
	"net"
	"net/netip"
	"time"
)

// LinkConfig says what a cable between two hosts is like. The zero LinkConfig is a veth
// pair as the kernel makes it, without addresses.
type LinkConfig struct {
	// MTU of both ends; 0 is the kernel's 1500.
	MTU int
	// A and B are the addresses of the two ends, with the length of their prefix.
	A, B []netip.Prefix
	// Underlay is what offloads both ends have; "" is Super.
	Underlay Underlay
	// Offloads are features of both ends by their ethtool name, on or off. They come
	// on top of Underlay, and a feature that the kernel does not have is an error.
	Offloads map[string]bool
}

// VXLANConfig says what a VXLAN device of the kernel is like.
type VXLANConfig struct {
	// Name of the device.
	Name string
	// VNI is the network, below 2^24.
	VNI uint32
	// Local is the outer source address.
	Local netip.Addr
	// Remotes is the flood list: who gets broadcasts, and unknown destinations.
	Remotes []netip.Addr
	// Group is a multicast group to flood to, in the place of Remotes, by the interface
	// GroupDevice.
	Group       netip.Addr
	GroupDevice string
	// Port is the UDP port, of this end and of the remotes; 0 is 4789.
	Port uint16
	// Addresses of the device inside the overlay, with the length of their prefix.
	Addresses []netip.Prefix
	// MTU of the device. 0 is the kernel's choice, which knows the underlay only if
	// there is a route to the first remote, so rather name it.
	MTU int
	// MAC of the device; nil is the kernel's choice.
	MAC net.HardwareAddr
	// TTL is the outer TTL; 0 is the system's.
	TTL uint8
	// TOS is the outer TOS; 1 inherits the inner one.
	TOS uint8
	// NoLearning turns learning from the tunnel off.
	NoLearning bool
}

// DefaultVXLANPort is the port that IANA gave VXLAN (RFC 7348 section 5).
const DefaultVXLANPort = 4789

// TransferConfig says how much [Transfer] carries: Bytes, or as much as goes through in
// Duration. Exactly one of them is set.
type TransferConfig struct {
	Bytes    int64
	Duration time.Duration
	// Verify compares every byte that arrives with what was sent.
	Verify bool
	// Progress, if set, is called by the receiver with the bytes so far, after every
	// read: thousands of times a second.
	Progress func(bytes int64)
}

// Result is what a [Transfer] carried.
type Result struct {
	Bytes   int64
	Elapsed time.Duration // from the first byte sent to the last received
}

// Rate is the goodput in bits per second.
func (r Result) Rate() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Bytes) * 8 / r.Elapsed.Seconds()
}

// Frame is one frame of a [Capture].
type Frame struct {
	// Data is the frame from its destination address on, VLAN tags included.
	Data []byte
	// Time is when it was read from the kernel.
	Time time.Time
	// Outgoing: the host sent it; otherwise it came in.
	Outgoing bool
	// PartialChecksum: the sender left the transport checksum to the hardware, and
	// its field holds no more than the sum of the pseudo-header.
	PartialChecksum bool
}
