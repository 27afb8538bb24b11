package api

import (
	"net/netip"
	"time"

	"github.com/vxtap/vxtap/encap"
)

// EventKind is what kind of thing happened.
type EventKind string

// The kinds of events.
const (
	EventNetworkUp      EventKind = "network_up"
	EventNetworkDown    EventKind = "network_down"
	EventNetworkChanged EventKind = "network_changed" // its remotes or static entries, by a reload
	EventPortUp         EventKind = "port_up"         // one was added to a network
	EventPortDown       EventKind = "port_down"       // one that was added was removed
	EventPortMoved      EventKind = "port_moved"      // one that was handed over is up where it was taken
	EventPortGone       EventKind = "port_gone"       // a device failed or was removed, or its namespace
	EventSession        EventKind = "session"         // with a peer of sealed networks: up, renewed, gone
	EventRemote         EventKind = "remote"          // a route is slower than others
	EventPath           EventKind = "path"            // the path MTU to a remote was found out, or forgotten
	EventUnderlay       EventKind = "underlay"        // the interface, the address or its MTU changed
	EventMAC            EventKind = "mac"             // one that moves to and fro is held
	EventReloaded       EventKind = "reloaded"
	EventReloadFailed   EventKind = "reload_failed" // what ran before still does
	EventFailed         EventKind = "failed"        // the agent cannot go on
)

// Event is something that happened to an agent.
type Event struct {
	Time    time.Time  `json:"time"`
	Kind    EventKind  `json:"kind"`
	VNI     encap.VNI  `json:"vni,omitempty"`
	Port    string     `json:"port,omitempty"`
	Device  string     `json:"device,omitempty"` // of a port that was moved: its name there
	Remote  netip.Addr `json:"remote,omitzero"`
	MAC     encap.MAC  `json:"mac,omitzero"`
	MTU     int        `json:"mtu,omitempty"` // of what it is about, in bytes of IP packet
	Message string     `json:"message"`       // one line for people
	// Missed is how many events before this one were not told, as they were read too
	// slowly.
	Missed uint64 `json:"missed,omitempty"`
}

// Reloaded is what a reload did, in VNIs. A network that is in none of the lists goes on
// as it was.
type Reloaded struct {
	Added   []encap.VNI `json:"added,omitempty"`
	Removed []encap.VNI `json:"removed,omitempty"`
	Changed []encap.VNI `json:"changed,omitempty"` // while frames flowed
	Remade  []encap.VNI `json:"remade,omitempty"`  // taken down and made again
	// Unchanged is how many others there are in the file.
	Unchanged int `json:"unchanged"`
	// Kept names the words whose new values are for the next start of the agent.
	Kept []string `json:"kept,omitempty"`
	// Failed says what could not be done.
	Failed []string `json:"failed,omitempty"`
}

// Done reports whether all of the file is in force.
func (r *Reloaded) Done() bool { return len(r.Kept) == 0 && len(r.Failed) == 0 }

// Held is a network that was made through the API.
type Held struct {
	Network Network
	Gone    <-chan struct{} // closed when it is no more
	Remove  func() error    // takes it down, unless it is gone
}
