package api

import (
	"net/netip"
	"time"

	"github.com/vxtap/vxtap/encap"
)

// Node is what GET /v1/node answers: the agent, its underlay, and its networks.
type Node struct {
	Version  string       `json:"version"` // of the agent's program
	Local    netip.Addr   `json:"local"`   // underlay address
	Port     uint16       `json:"port"`    // UDP port of the VTEP
	Started  time.Time    `json:"started"`
	Underlay UnderlayInfo `json:"underlay"`
	Second   *Endpoint    `json:"second,omitempty"` // nil if the node has addresses of one family
	Networks []Network    `json:"networks"`         // by VNI
}

// Endpoint is the node's VTEP of its other address family, with the same port.
type Endpoint struct {
	Local    netip.Addr   `json:"local"`
	Underlay UnderlayInfo `json:"underlay"`
}

// UnderlayInfo describes the UDP side of a node.
type UnderlayInfo struct {
	Driver string `json:"driver"` // "linux" or "portable"
	Queues int    `json:"queues"` // workers in each direction
	// Interface has the local address; empty if none has, or it is not known.
	Interface string `json:"interface,omitempty"`
	MTU       int    `json:"mtu,omitempty"` // of it, in bytes of IP packet
	// Trouble says what keeps datagrams from being sent or received, and what to do about it.
	Trouble string `json:"trouble,omitempty"`
	// ReceiveBuffer is what the kernel granted each receiving socket, in bytes, and
	// ReceiveBufferWanted what it was asked for.
	ReceiveBuffer       int       `json:"receive_buffer"`
	ReceiveBufferWanted int       `json:"receive_buffer_wanted"`
	Offloads            []Offload `json:"offloads"`
	// TrainsRefused is to how many remotes datagrams are sent one by one for now, as a
	// route to them takes no trains.
	TrainsRefused int `json:"trains_refused"`
	// Paths are those to remotes that are narrower than the underlay's interface.
	Paths []Path `json:"paths"`
}

// Path is the way to a remote.
type Path struct {
	Remote netip.Addr `json:"remote"`
	MTU    int        `json:"mtu"` // bytes of IP packet that fit its narrowest link
	// HoldsSeconds is after how long it is found out whether it has become wider.
	HoldsSeconds uint32 `json:"holds_seconds"`
}

// Offload is work that the kernel can do for the dataplane.
type Offload struct {
	Name    string `json:"name"`
	InForce bool   `json:"in_force"`
	Why     string `json:"why,omitempty"` // if not in force: the reason
}

// Network describes one overlay network on a node.
type Network struct {
	VNI      encap.VNI `json:"vni"`
	MTU      int       `json:"mtu"` // bytes of IP packet that fit its frames
	Learning bool      `json:"learning"`
	Closed   bool      `json:"closed"`    // only remotes of the table are heard
	MSSClamp bool      `json:"mss_clamp"` // TCP connections announce no larger segments than fit
	// AgeingSeconds is how long a learned MAC is kept after its last frame; 0 is for
	// ever.
	AgeingSeconds uint32 `json:"ageing_seconds"`
	MaxMACs       int    `json:"max_macs"` // bound on learned entries
	TTL           uint8  `json:"ttl"`      // of outer packets
	TOS           TOS    `json:"tos"`      // of outer packets
	ReservedBits  Mask   `json:"reserved_bits"`
	Sealed        bool   `json:"sealed"`           // frames cross the underlay encrypted
	Cipher        string `json:"cipher,omitempty"` // with what, if sealed

	Group       netip.Addr `json:"group,omitzero"` // on the flood list too
	GroupDevice string     `json:"group_device,omitempty"`
	// NoChecksum names those to whom no outer UDP checksum is sent, and so no trains; "all"
	// is the network.
	NoChecksum []string `json:"no_udp_checksum,omitempty"`

	// Passing: a port brought it along, and it goes with the last port.
	Passing bool `json:"passing,omitempty"`

	Remotes []netip.AddrPort `json:"remotes"` // the flood list
	Ports   []Port           `json:"ports"`
	Learned int              `json:"learned"` // entries now in the table
	Static  int              `json:"static"`
}
