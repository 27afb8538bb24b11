package docker

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/control/ipam"
	"github.com/vxtap/vxtap/encap"
)

// state is what has to be known again after a restart.
type state struct {
	Networks  map[string]*network  // by the engine's ID
	Endpoints map[string]*endpoint // likewise
	Book      ipam.Book
	// Nodes are the others of the engine's swarm.
	Nodes []netip.Addr
}

// network is an engine's network.
type network struct {
	VNI      encap.VNI
	Words    api.Words      // that made it
	Subnets  []netip.Prefix // of the engine
	Internal bool
	// Discovered: its remotes are the nodes that the engine tells of, as nobody named any.
	Discovered bool
}

// endpoint is a container's place on a network.
type endpoint struct {
	Network   string // the engine's ID
	MAC       encap.MAC
	Addresses []netip.Prefix
	// Sandbox is the path of the container's network namespace, empty while it is in none.
	Sandbox string `json:",omitempty"`
	// Device is the name of its interface there, once that is known.
	Device string `json:",omitempty"`
}

func (s *state) init() {
	if s.Networks == nil {
		s.Networks = make(map[string]*network)
	}
	if s.Endpoints == nil {
		s.Endpoints = make(map[string]*endpoint)
	}
}

// forgetNetwork forgets a network, and what is left of its endpoints.
func (s *state) forgetNetwork(id string) {
	delete(s.Networks, id)
	maps.DeleteFunc(s.Endpoints, func(_ string, e *endpoint) bool { return e.Network == id })
}

// forgetVNI forgets the networks with a VNI of which there is none: an engine that was killed
// while it made one does not know it.
func (s *state) forgetVNI(vni encap.VNI) {
	for id, n := range s.Networks {
		if n.VNI == vni {
			s.forgetNetwork(id)
		}
	}
}

// check says what a state lacks that somebody else has written.
func (s *state) check() error {
	for id, n := range s.Networks {
		if n == nil || n.Words == nil {
			return fmt.Errorf("what was kept of network %s is damaged", short(id))
		}
	}
	for id, e := range s.Endpoints {
		if e == nil {
			return fmt.Errorf("what was kept of endpoint %s is damaged", short(id))
		}
	}
	for id, p := range s.Book.Pools {
		if p == nil {
			return fmt.Errorf("what was kept of pool %s is damaged", id)
		}
	}
	return nil
}

// clone returns a state that shares nothing with s.
func (s *state) clone() (*state, error) {
	text, err := json.Marshal(s)
	c := &state{}
	if err == nil {
		err = json.Unmarshal(text, c)
	}
	c.init()
	return c, err
}

// change changes the state and keeps it on disk; with an error, nothing has changed. d.mu is
// held.
func (d *Driver) change(f func(*state) error) error {
	next, err := d.state.clone()
	if err != nil {
		return err
	}
	if err := f(next); err != nil {
		return err
	}
	if err := d.file.Save(*next); err != nil {
		return err
	}
	d.state = next
	return nil
}

// update is change for who does not hold d.mu.
func (d *Driver) update(f func(*state) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.change(f)
}

// view looks at the state.
func (d *Driver) view(f func(*state)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f(d.state)
}

// find returns copies of an endpoint and its network.
func (d *Driver) find(id endpointID) (n network, e endpoint, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	found := d.state.Endpoints[id.EndpointID]
	switch {
	case d.state.Networks[id.NetworkID] == nil:
		return n, e, fmt.Errorf("network %s is none of vxtap's: remove it with docker network rm, and create it again", short(id.NetworkID))
	case found == nil:
		return n, e, fmt.Errorf("endpoint %s on network %s is not known", short(id.EndpointID), short(id.NetworkID))
	}
	return *d.state.Networks[id.NetworkID], *found, nil
}

// wordsOf returns the words that make a network now.
func (s *state) wordsOf(n *network) api.Words {
	words := maps.Clone(n.Words)
	if n.Discovered {
		for _, node := range s.Nodes {
			words["remote"] = append(words["remote"], node.String())
		}
	}
	return words
}

// networkOf returns the VNI of the network that has a subnet, 0 if there is none yet.
func (s *state) networkOf(subnet netip.Prefix) encap.VNI {
	for _, n := range s.Networks {
		if slices.Contains(n.Subnets, subnet) {
			return n.VNI
		}
	}
	return 0
}

// short is how engines show an ID to people. It names the endpoint's port, too.
func short(id string) string { return id[:min(len(id), 12)] }
