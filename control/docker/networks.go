package docker

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"

	"go.uber.org/zap"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/control/ipam"
	"github.com/vxtap/vxtap/encap"
)

// createNetwork makes a network. It is there before it is written down: whoever is killed in
// between leaves nothing of either.
func (d *Driver) createNetwork(q createNetwork) (reply nothing, err error) {
	if q.NetworkID == "" {
		return reply, errors.New("a network without an ID")
	}
	r, err := parseNetwork(q.Options, d.locals)
	if err != nil {
		return reply, err
	}
	n := &network{VNI: r.vni, Words: r.words, Internal: r.internal, Discovered: d.swarm && r.remotes == nil}
	if n.VNI == 0 {
		n.VNI = vniOf(q.NetworkID)
	}
	n.Words["vni"] = []string{strconv.Itoa(int(n.VNI))}
	if n.Subnets, err = subnets(q.IPv4Data, q.IPv6Data); err != nil {
		return reply, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.state.Networks[q.NetworkID] != nil {
		return reply, nil // it asked before, and did not hear the answer
	}
	if err := d.checkSubnets(n); err != nil {
		return reply, err
	}
	held, err := d.agent.Hold(d.state.wordsOf(n))
	if err != nil {
		return reply, d.whose(n.VNI, err)
	}
	err = d.change(func(s *state) error {
		s.forgetVNI(n.VNI)
		s.Networks[q.NetworkID] = n
		return nil
	})
	if err != nil {
		return reply, errors.Join(err, held.Remove())
	}
	d.held[q.NetworkID] = held
	return reply, nil
}

// whose says of a network that is there already whom it belongs to.
func (d *Driver) whose(vni encap.VNI, err error) error {
	if _, gone := d.agent.Network(vni); gone != nil || !errors.Is(err, api.ErrExists) {
		return err
	}
	for id, n := range d.state.Networks {
		if n.VNI == vni && d.has(id) {
			return fmt.Errorf("%w, for the engine's network %s; choose another with -o vni=N, or, if docker network ls has none of that ID, take it down by the API", err, short(id))
		}
	}
	return fmt.Errorf("%w, and is no engine's; choose another with -o vni=N", err)
}

// has reports whether a network is there that was made for an engine: there may be none, or
// one of that VNI which is somebody else's. d.mu is held.
func (d *Driver) has(id string) bool {
	held, made := d.held[id]
	if !made {
		return false
	}
	select {
	case <-held.Gone:
		return false
	default:
		return true
	}
}

// ensure makes a network again that is not there, as it could not be made at the start, or was
// taken down by others. d.mu is held.
func (d *Driver) ensure(id string) error {
	n := d.state.Networks[id]
	if n == nil || d.has(id) {
		return nil
	}
	held, err := d.agent.Hold(d.state.wordsOf(n))
	if err != nil {
		return d.whose(n.VNI, err)
	}
	d.held[id] = held
	return nil
}

func subnets(data ...[]ipamData) (list []netip.Prefix, err error) {
	for _, family := range data {
		for _, each := range family {
			p, err := netip.ParsePrefix(each.Pool)
			if err != nil {
				return nil, fmt.Errorf("bad subnet %q: want one like 10.1.0.0/24", each.Pool)
			}
			list = append(list, p.Masked())
		}
	}
	return list, nil
}

// checkSubnets says which subnet is another network's of another address manager, as each
// knows its own only, or one that the host reaches otherwise. Pools of our own were looked at
// when they were made.
func (d *Driver) checkSubnets(n *network) error {
	ours := func(s netip.Prefix) bool { return d.state.Book.Pools[s.String()] != nil }
	for id, other := range d.state.Networks {
		if other.VNI == n.VNI && !d.has(id) {
			continue // about to be forgotten
		}
		for _, s := range n.Subnets {
			for _, t := range other.Subnets {
				if s.Overlaps(t) && ours(s) != ours(t) {
					return fmt.Errorf("subnet %v: %w: the engine's network %s has %v; choose another with --subnet", s, ipam.ErrOverlap, short(id), t)
				}
			}
		}
	}
	if d.routes == nil {
		return nil
	}
	routes, err := d.routes()
	if err != nil {
		return err
	}
	for _, s := range n.Subnets {
		if d.state.Book.Pools[s.String()] != nil {
			continue
		}
		for _, r := range routes {
			if r.Overlaps(s) {
				return fmt.Errorf("subnet %v: %w: this host has a route to %v; choose another with --subnet", s, ipam.ErrOverlap, r)
			}
		}
	}
	return nil
}

// deleteNetwork removes a network, and what may be left of its endpoints. Others on this host
// who share it keep it.
func (d *Driver) deleteNetwork(q networkID) (reply nothing, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.state.Networks[q.NetworkID]
	if n == nil {
		return reply, nil
	}
	if d.has(q.NetworkID) {
		if err := d.takeAllOff(q.NetworkID, n.VNI); err != nil {
			return reply, err
		}
		if err := d.held[q.NetworkID].Remove(); err != nil {
			return reply, err
		}
	}
	delete(d.held, q.NetworkID)
	return reply, d.change(func(s *state) error {
		s.forgetNetwork(q.NetworkID)
		return nil
	})
}

// takeAllOff removes what is left of a network's endpoints. d.mu is held.
func (d *Driver) takeAllOff(network string, vni encap.VNI) error {
	for id, e := range d.state.Endpoints {
		if e.Network != network {
			continue
		}
		if err := d.agent.RemovePort(vni, short(id)); err != nil && !errors.Is(err, api.ErrNotFound) {
			return err
		}
	}
	return nil
}

// allocateNetwork chooses, on a manager of a swarm, what all its nodes need to agree on. Nodes
// are told the options of the answer, and no others that the user gave.
func (d *Driver) allocateNetwork(q allocateNetwork) (allocated, error) {
	options := map[string]string{}
	maps.Copy(options, q.Options)
	if options["vni"] == "" && options[optionVNIs] == "" {
		options["vni"] = strconv.Itoa(int(vniOf(q.NetworkID)))
	}
	return allocated{options}, nil
}

// discoverNew takes a node that joined the engine's swarm for a remote of the networks that
// have no others.
func (d *Driver) discoverNew(q discovery) (nothing, error) {
	keep := func(nodes []netip.Addr, node netip.Addr) []netip.Addr {
		if slices.Contains(nodes, node) {
			return nodes
		}
		return append(nodes, node)
	}
	return nothing{}, d.discovered(q, keep, func(vni encap.VNI, node netip.Addr) error {
		return d.agent.ChangeFDB(vni, api.FDBChange{Op: api.OpAppend, Dst: node})
	}, api.ErrExists)
}

func (d *Driver) discoverDelete(q discovery) (nothing, error) {
	keep := func(nodes []netip.Addr, node netip.Addr) []netip.Addr {
		return slices.DeleteFunc(nodes, func(a netip.Addr) bool { return a == node })
	}
	return nothing{}, d.discovered(q, keep, func(vni encap.VNI, node netip.Addr) error {
		return d.agent.DeleteFDB(vni, encap.MAC{}, netip.AddrPortFrom(node, 0))
	}, api.ErrNotFound)
}

// discovered changes which nodes are kept, and the remotes of networks, by what an engine has
// found. An error of the given kind says that they are so already.
func (d *Driver) discovered(q discovery, keep func([]netip.Addr, netip.Addr) []netip.Addr, change func(encap.VNI, netip.Addr) error, already error) error {
	addr, err := netip.ParseAddr(q.DiscoveryData.Address)
	if addr = addr.Unmap(); !d.swarm || q.DiscoveryType != discoveredNode || q.DiscoveryData.Self || err != nil || slices.Contains(d.locals, addr) {
		return nil
	}
	if !slices.ContainsFunc(d.locals, func(local netip.Addr) bool { return local.Is4() == addr.Is4() }) {
		d.log.Warn("a node of the swarm cannot be reached: give vxtap a --local of its family", zap.Stringer("node", addr))
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	err = d.change(func(s *state) error {
		s.Nodes = keep(s.Nodes, addr)
		return nil
	})
	if err != nil {
		return err
	}
	for id, n := range d.state.Networks {
		if !n.Discovered || !d.has(id) {
			continue
		}
		if err := change(n.VNI, addr); err != nil && !errors.Is(err, already) {
			d.log.Warn("a node of the swarm is no remote", zap.Stringer("vni", n.VNI), zap.Stringer("node", addr), zap.Error(err))
		}
	}
	return nil
}
