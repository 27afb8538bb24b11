package dataplane

import (
	"net/netip"

	"github.com/vxtap/vxtap/encap"
)

// sighting is a source MAC that a worker saw where the table does not have it: on a
// port, or behind a remote when port is nil.
type sighting struct {
	network *Network
	mac     encap.MAC
	port    *port
	remote  netip.Addr
}

// ringSize is how many sightings a worker can have waiting. A MAC that is not learned
// because the ring was full is seen again with its next frame.
const ringSize = 1024
