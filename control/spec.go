package control

import (
	"net/netip"

	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/encap"
)

// NodeSpec is what a user asks of the node as a whole.
type NodeSpec struct {
	// Local is the underlay address that the VTEP answers from.
	Local netip.Addr
	// Port is the UDP port of this VTEP and, unless they say otherwise, of its remotes;
	// 0 means 4789.
	Port uint16
	// Portable uses the portable drivers, one frame a system call.
	Portable bool
}

// NetworkSpec is what a user asks of one overlay network.
type NetworkSpec struct {
	dataplane.NetworkConfig
	// TAP is the name of the network's device on this node; empty means vx<VNI>.
	TAP string
	// NetNS is the namespace for the device, a name or a path; empty means the agent's.
	NetNS string
	// Addresses are put on the device.
	Addresses []netip.Prefix
	// MTU of the device in bytes of IP packet; 0 means what the underlay leaves.
	MTU int
	// MAC of the device; zero derives it from its first address, or else from the
	// node's, so that it is the same after a restart.
	MAC encap.MAC
	// Static are table entries to begin with.
	Static []StaticEntry
}

// StaticEntry sends a MAC's frames to a VTEP. A port of 0 means the node's.
type StaticEntry struct {
	MAC    encap.MAC
	Remote netip.AddrPort
}

// deriveMAC gives a device an address that is the same after every restart.
func (s *NetworkSpec) deriveMAC(node NodeSpec) encap.MAC {
	switch {
	case !s.MAC.IsZero():
		return s.MAC
	case len(s.Addresses) > 0:
		return encap.MACFromAddr(s.Addresses[0].Addr())
	}
	return encap.MACFromAddr(node.Local)
}
