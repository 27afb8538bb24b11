package control

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

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
	// Other is one of the other address family, for a second VTEP: each network belongs to
	// that of the family of its remotes. Invalid means that there is none.
	Other netip.Addr
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
	// Port is the network's own device on this node, whose name is vx<VNI> unless it has
	// another; so is the port's. Its MTU is that of ports that are added without one, too; 0
	// means what the underlay leaves. Without a MAC and addresses, its MAC derives from the
	// node's address.
	Port PortSpec
	// NoPort: the network has no device of its own, and of Port the MTU alone counts.
	NoPort bool
	// BridgeTo are interfaces that the host has, or VLANs on them, which the network is
	// bridged to: each a port beside its own.
	BridgeTo []string
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

// endpoints are the node as each of its VTEPs is: with one address, and the peers of its
// family.
func (s NodeSpec) endpoints() []NodeSpec {
	if !s.Other.IsValid() {
		return []NodeSpec{s}
	}
	return []NodeSpec{s.at(s.Local), s.at(s.Other)}
}

// locals are the addresses of all of them.
func (s NodeSpec) locals() (list []netip.Addr) {
	for _, one := range s.endpoints() {
		list = append(list, one.Local)
	}
	return list
}

// at is the node as one of its VTEPs is.
func (s NodeSpec) at(local netip.Addr) NodeSpec {
	s.Local, s.Other = local, netip.Addr{}
	s.Seal.Peers = slices.DeleteFunc(slices.Clone(s.Seal.Peers), func(p PeerKey) bool {
		return p.VTEP.Addr().Is4() != local.Is4()
	})
	return s
}

// facing is the node as that of its VTEPs is to which a network belongs: by the first other
// VTEP, or group, that it names.
func (s NodeSpec) facing(n *NetworkSpec) NodeSpec {
	switch a := n.names(); {
	case !s.Other.IsValid():
		return s
	case a.IsValid() && a.Is4() == s.Other.Is4():
		return s.at(s.Other)
	}
	return s.at(s.Local)
}

// names is the first address that the network names, invalid if it names none.
func (s *NetworkSpec) names() netip.Addr {
	switch {
	case len(s.Remotes) > 0:
		return s.Remotes[0].Addr()
	case s.Group.IsValid():
		return s.Group
	case len(s.Static) > 0:
		return s.Static[0].Remote.Addr()
	}
	return netip.Addr{}
}

// ownPort returns the port that comes with the network.
func (s *NetworkSpec) ownPort() PortSpec {
	p := s.Port
	p.Device = cmp.Or(p.Device, fmt.Sprintf("vx%d", s.VNI))
	p.Name = cmp.Or(p.Name, p.Device)
	return p
}

// sameDevice reports whether the own ports of two networks would be one device.
func (s *NetworkSpec) sameDevice(other *NetworkSpec) bool {
	p, q := s.ownPort(), other.ownPort()
	return !s.NoPort && !other.NoPort && p.Device == q.Device && p.NetNS == q.NetNS && p.PID == q.PID
}
