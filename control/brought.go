package control

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/encap"
)

// Networks that ports bring with them. The first port that asks for one has it made, and it
// goes with the last, so that whoever adds ports one by one, as runtimes of containers do,
// has no network to look after: between two steps of his there is never one without a port.

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

// parseBrought is parse for a network that a port brings along: unless a device of its own or
// its address is named, it has none.
func (a *Agent) parseBrought(vni encap.VNI, words api.Words) (NetworkSpec, error) {
	words = maps.Clone(words)
	if _, said := words["vni"]; !said {
		words["vni"] = []string{vni.String()}
	}
	if words["tap"] == nil && words["address"] == nil {
		words["tap"] = []string{"none"}
	}
	spec, err := a.parse(words)
	if err == nil && spec.VNI != vni {
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
	table := Words(nil)
	for _, name := range slices.Sorted(maps.Keys(words)) {
		w := FindWord(table, name)
		if w.Of.Has(OfNetwork) && w.Name != "peer" && !w.same(saying{network: &n.spec}, saying{network: &spec}) {
			return &api.Error{Status: statusConflict, Message: fmt.Sprintf(
				"network %d is there already, and %s %s contradicts it: leave that out, or say what the network was made with",
				n.spec.VNI, name, strings.Join(words[name], ","))}
		}
	}
	return nil
}

// removeIdle takes a network down that ports brought along and none needs any more; a.mu is
// held.
func (a *Agent) removeIdle(n *network) {
	if n.origin != fromPort || len(n.addedPorts()) > 0 {
		return
	}
	if err := a.remove(n); err != nil {
		a.log.Error("a network without ports could not be taken down", zap.Stringer("vni", n.spec.VNI), zap.Error(err))
	}
}
