package docker

import (
	"errors"
	"fmt"
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
	r, err := parseNetwork(q.Options, d.local)
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
	if err := d.checkRoutes(n.Subnets); err != nil {
		return reply, err
	}
	held, err := d.agent.Hold(d.state.wordsOf(n))
	if err != nil {
		return reply, err
	}
	err = d.change(func(s *state) error {
		s.Networks[q.NetworkID] = n
		return nil
	})
	if err != nil {
		return reply, errors.Join(err, held.Remove())
	}
	d.held[q.NetworkID] = held
	return reply, nil
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

// checkRoutes says which subnet is one that the host reaches otherwise. Pools of our own
// were looked at when they were made.
func (d *Driver) checkRoutes(subnets []netip.Prefix) error {
	if d.routes == nil {
		return nil
	}
	routes, err := d.routes()
	if err != nil {
		return err
	}
	for _, s := range subnets {
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
	for id, e := range d.state.Endpoints {
		if e.Network != q.NetworkID {
			continue
		}
		if err := d.agent.RemovePort(n.VNI, short(id)); err != nil && !errors.Is(err, api.ErrNotFound) {
			return reply, err
		}
	}
	if held, made := d.held[q.NetworkID]; made {
		if err := held.Remove(); err != nil {
			return reply, err
		}
		delete(d.held, q.NetworkID)
	}
	return reply, d.change(func(s *state) error {
		delete(s.Networks, q.NetworkID)
		for id, e := range s.Endpoints {
			if e.Network == q.NetworkID {
				delete(s.Endpoints, id)
			}
		}
		return nil
	})
}

// allocateNetwork chooses, on a manager of a swarm, what all its nodes need to agree on.
func (d *Driver) allocateNetwork(q allocateNetwork) (allocated, error) {
	for _, option := range []string{"vni", optionVNIs} {
		if q.Options[option] != "" {
			return allocated{}, nil
		}
	}
	return allocated{map[string]string{"vni": strconv.Itoa(int(vniOf(q.NetworkID)))}}, nil
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
	if addr = addr.Unmap(); !d.swarm || q.DiscoveryType != discoveredNode || q.DiscoveryData.Self || err != nil || addr == d.local {
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
	for _, n := range d.state.Networks {
		if !n.Discovered {
			continue
		}
		if err := change(n.VNI, addr); err != nil && !errors.Is(err, already) {
			d.log.Warn("a node of the swarm is no remote", zap.Stringer("vni", n.VNI), zap.Stringer("node", addr), zap.Error(err))
		}
	}
	return nil
}
