package dataplane

import (
	"net/netip"
	"sync/atomic"

	"github.com/vxtap/vxtap/encap"
)

// destination is where frames for a MAC go: a port of this node, or remotes. Where it
// leads does not change once a table holds it, and a network has one for each port and
// each set of remotes, so that equal destinations are equal pointers.
type destination struct {
	port    *port
	remotes []netip.AddrPort // one, or for a group MAC any number; empty if port is set
	// single: the underlay has refused a train to here, and took its datagrams.
	single atomic.Bool
}

// isRemote reports whether d is the one remote at addr, whatever its port: the source
// port of a VXLAN datagram says nothing about where its VTEP listens.
func (d *destination) isRemote(addr netip.Addr) bool {
	return len(d.remotes) == 1 && d.remotes[0].Addr() == addr
}

// port is a device of a network, as workers see it.
type port struct {
	network *Network
	name    string
	mac     encap.MAC
	mtu     int
	queues  []Queue
	token   int // its name in every poller
	close   func() error
	dest    *destination
	offload offloadState
	failure atomic.Pointer[error] // the first for which it could not be read
}
