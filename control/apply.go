package control

import (
	"fmt"
	"slices"

	"go.uber.org/zap"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/encap"
)

// PeerKeeper is what Keys implement whose peers may be others after a reload.
type PeerKeeper interface {
	// SetPeers makes the node's peers those of the spec, or says why it cannot, and
	// leaves them.
	SetPeers(NodeSpec) error
}

// Apply makes the networks of the configuration what spec says, and touches no other. What
// is the same goes on without a frame lost; where remotes or static entries alone differ,
// they are changed while frames flow; other networks are taken down and made again. Of the
// node, only its peers can change: other words are kept, and named in the result.
//
// With an error, nothing has changed. What fails later is in the result, and leaves the
// rest alone.
func (a *Agent) Apply(spec Spec) (api.Reloaded, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var r api.Reloaded
	r.Kept = a.keepNode(&spec.Node)
	if err := spec.Check(); err != nil {
		return r, err
	}
	if err := a.checkTaken(&spec); err != nil {
		return r, err
	}
	old := a.node
	if !slices.Equal(old.Seal.Peers, spec.Node.Seal.Peers) {
		if err := a.setPeers(spec.Node); err != nil {
			return r, err
		}
	}
	plan := a.plan(&spec, old)
	plan.run(a, &r)
	return r, nil
}

// keepNode puts back the words of the node that cannot change, and names those that would
// have.
func (a *Agent) keepNode(node *NodeSpec) (kept []string) {
	if node.Port == 0 {
		node.Port = dataplane.DefaultPort
	}
	for _, w := range Words(nil) {
		if w.Of == OfNode && !w.same(saying{node: node}, saying{node: &a.node}) {
			kept = append(kept, w.Name)
		}
	}
	peers := node.Seal.Peers
	*node = a.node
	node.Seal.Peers = peers
	return kept
}

// checkTaken says which network of the configuration is there already and is none of the
// configuration's.
func (a *Agent) checkTaken(spec *Spec) error {
	for i := range spec.Networks {
		n := &spec.Networks[i]
		for _, other := range a.networks {
			switch {
			case other.origin == fromConfig:
			case other.spec.VNI == n.VNI:
				return fmt.Errorf("network %d was made by a command on this agent: end that first", n.VNI)
			case other.spec.sameDevice(n):
				return fmt.Errorf("network %d: device %s is that of network %d, which a command made", n.VNI, n.ownPort().Device, other.spec.VNI)
			}
		}
		if n.Sealed && a.first().sealing == nil {
			return fmt.Errorf("network %d is to be sealed, and this node was started without keys: start it anew", n.VNI)
		}
	}
	return nil
}

func (a *Agent) setPeers(node NodeSpec) error {
	if s := a.first().sealing; s != nil { // the others have the same keys, or none for peers
		if k, ok := s.keys.(PeerKeeper); ok {
			if err := k.SetPeers(node); err != nil {
				return err
			}
		}
	}
	a.node.Seal.Peers = node.Seal.Peers
	for i, one := range a.node.endpoints() {
		a.endpoints[i].node.Seal.Peers = one.Seal.Peers
	}
	return nil
}

// plan is the way from what runs to what is wanted.
type plan struct {
	remove []*network    // gone for good, or to be made again
	add    []NetworkSpec // new, or made again
	update []update
	remade map[encap.VNI]NetworkSpec // those in both, as they were
	ports  map[encap.VNI][]PortSpec  // that were added to those
	same   int
}

// update is a network that goes on with other remotes or entries.
type update struct {
	network *network
	spec    NetworkSpec
}

// plan compares; a.mu is held. The node was old, and is a.node by now.
func (a *Agent) plan(spec *Spec, old NodeSpec) *plan {
	p := &plan{remade: make(map[encap.VNI]NetworkSpec), ports: make(map[encap.VNI][]PortSpec)}
	wanted := make(map[encap.VNI]bool)
	for _, now := range spec.Networks {
		wanted[now.VNI] = true
		n := a.networks[now.VNI]
		switch {
		case n == nil:
			p.add = append(p.add, now)
			continue
		case !canUpdate(&n.spec, &now, old, a.node):
			p.remove, p.add = append(p.remove, n), append(p.add, now)
			p.remade[now.VNI], p.ports[now.VNI] = n.spec, n.addedPorts()
		case slices.Equal(n.spec.Remotes, now.Remotes) && slices.Equal(n.spec.Static, now.Static):
			p.same++
		default:
			p.update = append(p.update, update{n, now})
		}
	}
	for vni, n := range a.networks {
		if n.origin == fromConfig && !wanted[vni] {
			p.remove = append(p.remove, n)
		}
	}
	return p
}

// canUpdate reports whether a network can become what is wanted while frames flow: as
// nothing differs but its remotes and entries, nor, if it is sealed, who its members are.
func canUpdate(was, now *NetworkSpec, before, after NodeSpec) bool {
	for _, w := range Words(nil) {
		inPlace := w.Name == "remote" || w.Name == "fdb"
		if w.Of == OfNetwork && !inPlace && !w.same(saying{network: was}, saying{network: now}) {
			return false
		}
	}
	if before.facing(was).Local != after.facing(now).Local {
		return false // it comes to another VTEP
	}
	if !was.Sealed {
		return true
	}
	members := was.members(before)
	others := now.members(after)
	if len(members) != len(others) {
		return false
	}
	for _, m := range members {
		if !slices.Contains(others, m) || before.keyOf(m) != after.keyOf(m) {
			return false
		}
	}
	return true
}

// run carries a plan out: what goes first makes room for what comes.
func (p *plan) run(a *Agent, r *api.Reloaded) {
	r.Unchanged = p.same
	failed := func(err error) { r.Failed = append(r.Failed, oneLine(err)) }
	for _, n := range p.remove {
		if err := a.remove(n); err != nil {
			failed(err)
		}
		if _, again := p.remade[n.spec.VNI]; !again {
			r.Removed = append(r.Removed, n.spec.VNI)
		}
	}
	for _, c := range p.update {
		if err := a.update(c); err != nil {
			failed(fmt.Errorf("network %d: %w", c.spec.VNI, err))
		}
		r.Changed = append(r.Changed, c.spec.VNI)
	}
	for _, spec := range p.add {
		was, again := p.remade[spec.VNI]
		_, err := a.add(spec, fromConfig)
		switch {
		case err == nil && again:
			r.Remade = append(r.Remade, spec.VNI)
		case err == nil:
			r.Added = append(r.Added, spec.VNI)
		case again:
			failed(fmt.Errorf("network %d: %w", spec.VNI, a.restore(was, err)))
		default:
			failed(fmt.Errorf("network %d: %w", spec.VNI, err))
		}
		for _, err := range a.addAgain(spec.VNI, p.ports[spec.VNI]) {
			failed(err)
		}
	}
	slices.Sort(r.Removed)
}

// restore makes a network again as it was, since what was wanted failed with err.
func (a *Agent) restore(was NetworkSpec, err error) error {
	was.Peers = nil // of the sessions that it had
	if _, again := a.add(was, fromConfig); again != nil {
		return fmt.Errorf("%w; and it could not be made again as it was: %w", err, again)
	}
	return fmt.Errorf("%w; it is as it was", err)
}

// addAgain puts the ports that were added to a network on the one that came in its place.
func (a *Agent) addAgain(vni encap.VNI, ports []PortSpec) (failed []error) {
	n := a.networks[vni]
	for _, spec := range ports {
		if n == nil {
			failed = append(failed, fmt.Errorf("network %d: port %s is gone with it", vni, spec.Name))
			continue
		}
		if _, err := a.addPort(n, spec); err != nil {
			failed = append(failed, fmt.Errorf("network %d: port %s could not be made again: %w", vni, spec.Name, err))
		}
	}
	return failed
}

// AddConfigured is AddNetwork for a network of the configuration, which Apply may change or
// remove.
func (a *Agent) AddConfigured(spec NetworkSpec) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, err := a.add(spec, fromConfig)
	return err
}

// Reload reads the configuration anew and applies it. If that fails, what ran before goes
// on.
func (a *Agent) Reload() (api.Reloaded, error) {
	if a.load == nil {
		return api.Reloaded{}, &api.Error{Status: statusConflict, Message: "this agent has no configuration file: vxtap run -c FILE starts one that has"}
	}
	spec, err := a.load()
	var r api.Reloaded
	if err == nil {
		r, err = a.Apply(spec)
	}
	if err != nil {
		a.report(zap.ErrorLevel, api.Event{Kind: api.EventReloadFailed, Message: "reload failed; everything stays as it was"}, err)
		return r, &api.Error{Status: statusUnprocessable, Message: oneLine(err)}
	}
	a.reportReload(&r)
	return r, nil
}
