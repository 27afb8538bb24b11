package api

import (
	"net/netip"

	"github.com/vxtap/vxtap/encap"
)

// Stats is a reading of every counter of a node. All of them start at zero with the
// agent and only grow.
type Stats struct {
	Networks []NetworkStats `json:"networks"` // by VNI
	// Stray is what came in that belongs to no network; it is all dropped.
	Stray Direction `json:"stray"`
	// UnderlayDrops is what the kernel dropped before the agent read it, because the
	// receive buffer of a socket was full.
	UnderlayDrops uint64 `json:"underlay_drops"`
	// ReceiveErrors is how often a socket could not be received from.
	ReceiveErrors uint64 `json:"receive_errors"`
	// Unlearned is how often a new or moved MAC was put off because too many came at
	// once.
	Unlearned uint64 `json:"unlearned"`
	// HandshakesLost is how many messages of handshakes were not looked at because too
	// many came at once.
	HandshakesLost uint64 `json:"handshakes_lost"`
}

// NetworkStats is what one network counts.
type NetworkStats struct {
	VNI encap.VNI `json:"vni"`
	Out Direction `json:"out"` // from ports to the underlay or other ports
	In  Direction `json:"in"`  // from the underlay to ports
	// MACsRefused is how often a MAC was not learned because the limit was reached.
	MACsRefused uint64 `json:"macs_refused"`
	// MovesHeld is how often a MAC was not followed to another VTEP because it moves to and
	// fro.
	MovesHeld uint64 `json:"moves_held"`
	// PortDrops is what the kernel dropped at each port before the agent read it, by
	// the port's name.
	PortDrops map[string]uint64 `json:"port_drops"`
	// Remotes is what went to and came from each, by address; the last may be all others.
	Remotes []RemoteStats `json:"remotes,omitempty"`
}

// RemoteStats is what a network has to do with one VTEP.
type RemoteStats struct {
	// Addr is the VTEP's. It is left out for all those together that are not counted by
	// themselves, as there are too many, or were once.
	Addr netip.Addr `json:"addr,omitzero"`
	// Frames that were sent to it, and that were let in from it whatever became of them then.
	OutFrames uint64 `json:"out_frames"`
	OutBytes  uint64 `json:"out_bytes"`
	InFrames  uint64 `json:"in_frames"`
	InBytes   uint64 `json:"in_bytes"`
}

// Direction is what one direction of a network counts, in frames of wire size: a
// superframe counts as its segments. Frames = Forwarded + Dropped, up to what is under
// way while the counters are read.
type Direction struct {
	Frames         uint64 `json:"frames"` // received
	Bytes          uint64 `json:"bytes"`  // received, from the Ethernet header on
	Forwarded      uint64 `json:"forwarded"`
	ForwardedBytes uint64 `json:"forwarded_bytes"`
	Copies         uint64 `json:"copies"`  // further copies that flooding made
	Answers        uint64 `json:"answers"` // ICMP errors that told of frames too big for the tunnel
	Dropped        uint64 `json:"dropped"` // the sum of Drops
	// Drops counts each reason by its name. Every reason is there, also at zero.
	Drops map[string]uint64 `json:"drops"`
}
