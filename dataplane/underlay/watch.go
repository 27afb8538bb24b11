package underlay

import "net/netip"

// FeatureNetlink has changes of addresses, links and routes followed; see [OpenWatch].
const FeatureNetlink = "netlink"

// State is what has become of the interface with the local address.
type State struct {
	// Interface has the address; empty if none has.
	Interface string
	// MTU of it, in bytes of IP packet; 0 without an interface.
	MTU int
	// Trouble says in one line what keeps datagrams from being sent or received, and what to
	// do about it; empty if nothing is known to.
	Trouble string
}

// Change is what has changed in the network namespace of a VTEP's sockets.
type Change struct {
	// State is what it is now, whether or not it has changed.
	State State
	// Routes are the destinations to which the route may be another.
	Routes []netip.Prefix
	// Links are the interfaces that came, went, or are in another state.
	Links []Link
}

// Link is an interface that has changed.
type Link struct {
	Name  string
	Index uint32
	Up    bool // it is there, and takes packets
	MTU   int  // in bytes of IP packet; 0 if it is gone
	// Err is why sockets that are bound to it, for a group or a link-local address, could not
	// be moved to it as it is now.
	Err error
}
