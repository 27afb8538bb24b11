package control

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"path/filepath"
	"slices"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/encap"
)

// Up makes a network as the words say, until it is removed. Words about the node must agree
// with how it runs.
func (a *Agent) Up(words api.Words) (api.Held, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	spec, err := a.parse(words)
	if err != nil {
		return api.Held{}, err
	}
	n, err := a.add(spec, fromAPI)
	if err != nil {
		return api.Held{}, conflict(err)
	}
	return api.Held{Network: a.describe(n), Gone: n.gone, Remove: func() error {
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.remove(n)
	}}, nil
}

// parse turns words into the spec of a network on this node; a.mu is held.
func (a *Agent) parse(words api.Words) (spec NetworkSpec, err error) {
	table := Words(a.drivers.CheckName)
	var own NodeSpec // takes the peers
	for _, name := range slices.Sorted(maps.Keys(words)) {
		w := FindWord(table, name)
		switch {
		case w == nil:
			return spec, invalid(fmt.Errorf("unknown word %q: want those of vxtap up", name))
		case !w.List && len(words[name]) != 1:
			return spec, invalid(fmt.Errorf("%s: want one value, not %d", name, len(words[name])))
		}
		for _, value := range words[name] {
			if err := w.checkAbsolute(value); err != nil {
				return spec, invalid(err)
			}
			if err := w.Set(&own, &spec, value); err != nil {
				return spec, invalid(fmt.Errorf("%s: %w", name, err))
			}
		}
		if w.Of == OfNode {
			if err := a.agrees(w, &own, words[name][0]); err != nil {
				return spec, err
			}
		}
	}
	for _, p := range own.Seal.Peers {
		if !a.node.hasPeer(a.node.vtepOf(p.VTEP)) || a.node.keyOf(a.node.vtepOf(p.VTEP)) != p.Public {
			return spec, &api.Error{Status: statusConflict, Message: fmt.Sprintf("peer %v is none of the running agent's with that key: add it to the agent's configuration, or stop that agent first", p.VTEP.Addr())}
		}
	}
	node := a.node
	spec.TakePeers(&node, own.Seal.Peers)
	if spec.Sealed && a.first().sealing == nil {
		return spec, &api.Error{Status: statusConflict, Message: fmt.Sprintf("network %d is to be sealed, and the agent was started without keys: stop it, or start a second one with --socket", spec.VNI)}
	}
	if err := spec.Check(a.node); err != nil {
		return spec, invalid(err)
	}
	return spec, a.checkDeviceFree(&spec)
}

// agrees says where a word about the node contradicts how it runs.
func (a *Agent) agrees(w *Word, own *NodeSpec, value string) error {
	running := a.node
	if w.Name == "local" && !own.Other.IsValid() && own.Local == running.Other {
		return nil // one of two
	}
	if !own.Other.IsValid() {
		running.Other = own.Other
	}
	running.Queues = a.first().vtep.Workers()
	if w.same(saying{node: own}, saying{node: &running}) {
		return nil
	}
	return &api.Error{Status: statusConflict, Message: fmt.Sprintf(
		"--%s %s contradicts the agent that runs at %v: leave it out, or start a second agent with --socket",
		w.Name, value, a.node.withPort(netip.AddrPortFrom(a.node.Local, 0)))}
}

// checkAbsolute refuses the path of a file that whoever names it has in his directory, and
// not in ours.
func (w *Word) checkAbsolute(value string) error {
	abs, err := w.Absolute(value)
	if err != nil || abs != value && abs != filepath.Clean(value) {
		return fmt.Errorf("%s: bad path %q: want one from the root on, as the agent has a directory of its own", w.Name, value)
	}
	return nil
}

// checkDeviceFree says which network has a device of that name.
func (a *Agent) checkDeviceFree(spec *NetworkSpec) error {
	for _, other := range a.networks {
		if other.spec.VNI != spec.VNI && other.spec.sameDevice(spec) {
			return &api.Error{Status: statusConflict, Message: fmt.Sprintf("device %s is that of network %d: choose another name with --tap", spec.ownPort().Device, other.spec.VNI)}
		}
	}
	return nil
}

// Network describes one network.
func (a *Agent) Network(vni encap.VNI) (api.Network, error) {
	n, err := a.network(vni)
	if err != nil {
		return api.Network{}, err
	}
	return a.describe(n), nil
}

func invalid(err error) error {
	return &api.Error{Status: http.StatusBadRequest, Message: err.Error(), Cause: err}
}

// conflict gives an error of a network that is there already its status.
func conflict(err error) error {
	if errors.Is(err, dataplane.ErrExists) {
		return refusal(err)
	}
	return err
}
