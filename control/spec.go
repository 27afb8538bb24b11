package control

import (
	"cmp"
	"fmt"
	"net/netip"

	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/encap"
)

// MaxQueues is the most queues that a node can have.
const MaxQueues = 16

// Spec is what a user asks of an agent that has many networks.
type Spec struct {
	Node     NodeSpec
	Networks []NetworkSpec
}

// NodeSpec is what a user asks of the node as a whole.
type NodeSpec struct {
	// Local is the underlay address that the VTEP answers from.
	Local netip.Addr
	// Port is the UDP port of this VTEP and, unless they say otherwise, of its remotes;
	// 0 means 4789.
	Port uint16
	// Queues is how many workers there are in each direction, each with a queue of every
	// device and a socket of its own, up to MaxQueues; 0 leaves it to the drivers.
	Queues int
	// Offload says what the drivers are to make use of.
	Offload Offload
	// Seal is about its sealed networks.
	Seal SealSpec
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
	// GroupDevice is the interface by which the group is reached, unless its zone says so.
	GroupDevice string
	// Checksums says for which VTEPs outer UDP checksums are sent; without, for all.
	Checksums []Checksum
	// Static are table entries to begin with.
	Static []StaticEntry
}

// StaticEntry sends a MAC's frames to a VTEP. A port of 0 means the node's.
type StaticEntry struct {
	MAC    encap.MAC
	Remote netip.AddrPort
}

// tapName returns the name of the network's device.
func (s *NetworkSpec) tapName() string {
	return cmp.Or(s.TAP, fmt.Sprintf("vx%d", s.VNI))
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
