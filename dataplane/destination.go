package dataplane

import (
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/encap"
)

// destination is where frames for a MAC go: a port of this node, or remotes. Where it
// leads does not change once a table holds it, and a network has one for each port and
// each set of remotes, so that equal destinations are equal pointers.
type destination struct {
	port    *port
	remotes []netip.AddrPort  // one, or for a group MAC any number; empty if port is set
	peers   []*crypto.Peer    // in a sealed network, those at remotes
	paths   []path            // to each of remotes
	counted []*remoteCounters // of each remote
	network *Network          // whose it is; nil if port is set
	bare    []bool            // which of remotes get no UDP checksum; nil if all get one
	device  atomic.Uint32     // index of the interface by which a group is reached; else 0
	trains  trains
}

// trains is what the route to a destination makes of trains. One that refuses them gets
// single datagrams for a while, as it may change.
type trains struct {
	// refusedUntil is in the seconds of the VTEP's clock; 0 if they are taken.
	refusedUntil atomic.Uint32
}

// trainsPause is after how many seconds a route that refused trains is offered one.
const trainsPause = 300

// allowed reports whether a train may be sent.
func (t *trains) allowed(clock *atomic.Uint32) bool {
	until := t.refusedUntil.Load()
	return until == 0 || clock.Load() >= until
}

// refused notes that the underlay did not take a train, and took its datagrams.
func (t *trains) refused(now uint32) { t.refusedUntil.Store(now + trainsPause) }

// taken notes that it took one.
func (t *trains) taken() {
	if t.refusedUntil.Load() != 0 {
		t.refusedUntil.Store(0)
	}
}

// isRemote reports whether d is the one remote at addr, whatever its port: the source
// port of a VXLAN datagram says nothing about where its VTEP listens.
func (d *destination) isRemote(addr netip.Addr) bool {
	return len(d.remotes) == 1 && d.remotes[0].Addr() == addr
}

// hasRemote reports whether the VTEP at addr is one of d's.
func (d *destination) hasRemote(addr netip.Addr) bool {
	return slices.ContainsFunc(d.remotes, func(r netip.AddrPort) bool { return r.Addr() == addr })
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
