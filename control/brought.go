package control

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"go.uber.org/zap"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/encap"
)

// Networks that ports bring with them. The first port that asks for one has it made, and it
// goes with the last, so that whoever adds ports one by one, as runtimes of containers do,
// has no network to look after: between two steps of his there is never one without a port.
// Who has networks to look after, as container engines do, shares them with those.

// Hold makes a network as the words say, without a device of its own unless they name one, or
// takes part in one that ports brought along and that is just so. It is there until Remove,
// whether there are ports or not, and after that as long as there are.
func (a *Agent) Hold(words api.Words) (api.Held, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	spec, err := a.parseBrought(0, words)
	if err != nil {
		return api.Held{}, err
	}
	n := a.networks[spec.VNI]
	if n != nil && n.origin == fromPort && !n.held {
		err = n.isAs(spec)
	} else {
		n, err = a.add(spec, fromPort)
	}
	if err != nil {
		return api.Held{}, conflict(err)
	}
	n.held = true
	return api.Held{Network: a.describe(n), Gone: n.gone, Remove: sync.OnceValue(func() error { return a.letGoOf(n) })}, nil
}

// letGoOf is the end of Hold.
func (a *Agent) letGoOf(n *network) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	n.held = false
	if len(n.addedPorts()) > 0 {
		return nil
	}
	return a.remove(n)
}

// networkFor returns the network for a port, which brings it along if words say how; a.mu is
// held.
func (a *Agent) networkFor(vni encap.VNI, words api.Words) (*network, error) {
	n := a.networks[vni]
	switch {
	case n != nil && words != nil:
		return n, a.agreesWith(n, words)
	case n != nil:
		return n, nil
	case words == nil:
		return nil, fmt.Errorf("network %d: %w", vni, api.ErrNotFound)
	}
	spec, err := a.parseBrought(vni, words)
	if err != nil {
		return nil, err
	}
	return a.add(spec, fromPort)
}

// parseBrought is parse for a network that a port brings along, or of any VNI if that is 0:
// unless a device of its own or its address is named, it has none.
func (a *Agent) parseBrought(vni encap.VNI, words api.Words) (NetworkSpec, error) {
	words = maps.Clone(words)
	if _, said := words["vni"]; !said && vni != 0 {
		words["vni"] = []string{vni.String()}
	}
	if words["tap"] == nil && words["address"] == nil {
		words["tap"] = []string{"none"}
	}
	spec, err := a.parse(words)
	if err == nil && vni != 0 && spec.VNI != vni {
		err = invalid(fmt.Errorf("a port of network %d cannot bring network %d", vni, spec.VNI))
	}
	return spec, err
}

// agreesWith says which words contradict a network that is there; a.mu is held.
func (a *Agent) agreesWith(n *network, words api.Words) error {
	spec, err := a.parseBrought(n.spec.VNI, words)
	if err != nil {
		return err
	}
	for _, w := range n.differs(spec) {
		if values, said := words[w]; said {
			return &api.Error{Status: statusConflict, Message: fmt.Sprintf(
				"network %d is there already, and %s %s contradicts it: leave that out, or say what the network was made with",
				n.spec.VNI, w, strings.Join(values, ","))}
		}
	}
	return nil
}

// isAs says where a network that is there differs from one that is to be made; a.mu is held.
func (n *network) isAs(spec NetworkSpec) error {
	if words := n.differs(spec); len(words) > 0 {
		return &api.Error{Status: statusConflict, Message: fmt.Sprintf(
			"network %d is there already, and differs in %s", n.spec.VNI, strings.Join(words, ", "))}
	}
	return nil
}

// differs returns the words about a network in which n is unlike spec, but for peers, who are
// the node's. The order of remotes says nothing.
func (n *network) differs(spec NetworkSpec) (words []string) {
	is := n.spec
	is.Remotes, spec.Remotes = sorted(is.Remotes), sorted(spec.Remotes)
	for _, w := range Words(nil) {
		if w.Of.Has(OfNetwork) && w.Name != "peer" && !w.same(saying{network: &is}, saying{network: &spec}) {
			words = append(words, w.Name)
		}
	}
	return words
}

func sorted(list []netip.AddrPort) []netip.AddrPort {
	return slices.SortedFunc(slices.Values(list), netip.AddrPort.Compare)
}

// removeIdle takes a network down that ports brought along and none needs any more; a.mu is
// held.
func (a *Agent) removeIdle(n *network) {
	if n.origin != fromPort || n.held || len(n.addedPorts()) > 0 {
		return
	}
	if err := a.remove(n); err != nil {
		a.log.Error("a network without ports could not be taken down", zap.Stringer("vni", n.spec.VNI), zap.Error(err))
	}
}
