package api

import (
	"net/netip"

	"github.com/vxtap/vxtap/encap"
)

// Backend is what the server asks. Its methods are called from many goroutines at once
// and must not wait for the network. Requests reach it checked: the VNI is valid, the
// operation and class are known, a change has a destination.
//
// An error that wraps [ErrInvalid], [ErrNotFound] or [ErrExists], or is an [*Error], is
// answered with its status; any other with 500. Its text is shown to the user as it is.
type Backend interface {
	Capturer
	// Node describes the node as it is now.
	Node() Node
	// Stats reads all counters.
	Stats() Stats
	// FDB lists a network's table: the flood list, then entries by MAC.
	FDB(vni encap.VNI) ([]FDBEntry, error)
	// ChangeFDB makes a static entry, or with the zero MAC changes the flood list.
	ChangeFDB(vni encap.VNI, c FDBChange) error
	// DeleteFDB removes a MAC's learned or static entry; if dst is valid, only one that
	// leads there, and its port 0 is the agent's own. With the zero MAC, dst is valid
	// and leaves the flood list.
	DeleteFDB(vni encap.VNI, mac encap.MAC, dst netip.AddrPort) error
	// FlushFDB removes the learned and static entries that the filter names, and says
	// how many.
	FlushFDB(vni encap.VNI, f FDBFlush) (int, error)
	// Keys describes the keys of sealed networks, and tells none.
	Keys() Keys
	// RotateKeys begins to change the keys shared with the peers to whom every field that
	// is set applies, and says how many they are; none at all is not found.
	RotateKeys(which KeysRotate) (int, error)
	// Network describes one network.
	Network(vni encap.VNI) (Network, error)
	// Up makes a network as the words of vxtap up say.
	Up(words Words) (Held, error)
	// RemoveNetwork takes a network down, whoever made it.
	RemoveNetwork(vni encap.VNI) error
	// AddPort makes a device and puts it on a network. If it fails, nothing of it is left.
	AddPort(vni encap.VNI, spec PortSpec) (Port, error)
	// RemovePort removes a port that AddPort made, and its device.
	RemovePort(vni encap.VNI, name string) error
	// Reload reads the configuration anew, and says what changed; with an error, nothing did.
	Reload() (Reloaded, error)
	// Events returns what happens from now on, until stop is called or the agent ends, which
	// closes the channel. An agent does not wait for a reader.
	Events() (events <-chan Event, stop func())
}
