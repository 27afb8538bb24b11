package control

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/dataplane/fdb"
	"github.com/vxtap/vxtap/encap"
)

var _ api.Backend = (*Agent)(nil)

// list returns the networks by VNI.
func (a *Agent) list() []*network {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := make([]*network, 0, len(a.networks))
	for _, n := range a.networks {
		list = append(list, n)
	}
	slices.SortFunc(list, func(x, y *network) int { return cmp.Compare(x.spec.VNI, y.spec.VNI) })
	return list
}

func (a *Agent) network(vni encap.VNI) (*network, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := a.networks[vni]
	if n == nil {
		return nil, fmt.Errorf("network %d: %w", vni, api.ErrNotFound)
	}
	return n, nil
}

// Node describes the node.
func (a *Agent) Node() api.Node {
	node := api.Node{
		Version: a.version, Local: a.node.Local, Port: a.node.Port, Started: a.started,
		Underlay: a.first().describe(),
		Networks: []api.Network{},
	}
	for _, e := range a.endpoints[1:] {
		node.Second = &api.Endpoint{Local: e.node.Local, Underlay: e.describe()}
	}
	for _, n := range a.list() {
		node.Networks = append(node.Networks, a.describe(n))
	}
	return node
}

func (a *Agent) describe(n *network) api.Network {
	cfg, stats := n.vtep.Config(), n.vtep.Stats()
	net := api.Network{
		VNI: cfg.VNI, MTU: int(n.mtu.Load()),
		Learning: !cfg.NoLearning, Closed: cfg.Closed, MSSClamp: cfg.MSSClamp,
		AgeingSeconds: uint32(max(cfg.Ageing, 0) / time.Second), MaxMACs: cfg.MaxMACs,
		TTL: cfg.TTL, TOS: api.TOS{Fixed: cfg.FixedTOS, Value: cfg.TOS}, ReservedBits: api.Mask(cfg.ReservedBits),
		Sealed: n.spec.Sealed, Passing: n.origin == fromPort && !n.held,
		Group: n.spec.Group, GroupDevice: n.spec.groupDevice(), NoChecksum: n.spec.withoutSums(),
		Remotes: n.vtep.Remotes(),
		Learned: stats.Learned, Static: stats.Static,
		Ports: []api.Port{},
	}
	for _, p := range n.portList() {
		net.MTU = min(net.MTU, int(p.mtu.Load()))
		net.Ports = append(net.Ports, describePort(p))
	}
	if net.Sealed {
		net.Cipher = a.node.Seal.Suite.String()
	}
	return net
}

func offloads(features []Feature) []api.Offload {
	list := make([]api.Offload, 0, len(features))
	for _, f := range features {
		list = append(list, api.Offload(f))
	}
	return list
}

// Stats reads all counters.
func (a *Agent) Stats() api.Stats {
	s := api.Stats{Networks: []api.NetworkStats{}}
	var stray dataplane.Counts
	for _, e := range a.endpoints {
		v := e.vtep.Stats()
		stray.Add(&v.Stray)
		s.UnderlayDrops += v.UnderlayDrops
		s.ReceiveErrors += v.ReceiveErrors
		s.Unlearned += v.Unlearned
		s.HandshakesLost += v.HandshakesLost
	}
	s.Stray = direction(stray)
	for _, n := range a.list() {
		c := n.vtep.Stats()
		line := api.NetworkStats{
			VNI: n.spec.VNI, Out: direction(c.Out), In: direction(c.In), MACsRefused: c.Refused, MovesHeld: c.MovesHeld,
			PortDrops: map[string]uint64{},
		}
		for _, p := range n.portList() {
			if drops, err := p.device.Drops(); err == nil { // a device that is gone has none
				line.PortDrops[p.spec.Name] = drops
			}
		}
		for _, r := range c.Remotes {
			line.Remotes = append(line.Remotes, api.RemoteStats(r))
		}
		s.Networks = append(s.Networks, line)
	}
	return s
}

func direction(c dataplane.Counts) api.Direction {
	d := api.Direction{
		Frames: c.Frames, Bytes: c.Bytes, Forwarded: c.Forwarded, ForwardedBytes: c.ForwardedBytes,
		Copies: c.Copies, Answers: c.Answers, Dropped: c.Dropped(), Drops: map[string]uint64{},
	}
	for _, why := range dataplane.Drops() {
		d.Drops[why.String()] = c.Drops[why]
	}
	return d
}

// FDB lists the flood list and then the table of a network.
func (a *Agent) FDB(vni encap.VNI) ([]api.FDBEntry, error) {
	n, err := a.network(vni)
	if err != nil {
		return nil, err
	}
	list := []api.FDBEntry{}
	for _, r := range n.vtep.Remotes() {
		list = append(list, api.FDBEntry{Class: api.ClassFlood, Dst: r.Addr(), DstPort: r.Port()})
	}
	for _, e := range n.vtep.Entries() {
		list = append(list, api.FDBEntry{
			MAC: e.MAC, Class: api.Class(e.Class.String()), Port: e.Port,
			Dst: e.Remote.Addr(), DstPort: e.Remote.Port(), AgeSeconds: e.Age,
		})
	}
	return list, nil
}

// ChangeFDB makes a static entry, or changes the flood list.
func (a *Agent) ChangeFDB(vni encap.VNI, c api.FDBChange) error {
	n, err := a.network(vni)
	if err != nil {
		return err
	}
	dst := netip.AddrPortFrom(c.Dst, c.DstPort)
	if err := dataplane.CheckRemote(n.home.node.Local, dst.Addr().Unmap()); err != nil {
		return fmt.Errorf("%w: %w", api.ErrInvalid, err)
	}
	return refusal(change(n.vtep, c, dst))
}

// change is what the kernel's bridge fdb does with a VXLAN device, but that add takes the place of
// a learned entry, that replace does of several remotes, and that append does not pretend to
// give a unicast MAC a second one. The zero MAC is the flood list, of which add makes the first
// remote, append one more, and replace the only one.
func change(n *dataplane.Network, c api.FDBChange, dst netip.AddrPort) error {
	switch zero := c.MAC.IsZero(); {
	case zero && c.Op == api.OpReplace:
		return n.SetRemote(dst)
	case zero && c.Op == api.OpAppend:
		return unlessThere(n.AddRemote(dst))
	case zero && len(n.Remotes()) > 0:
		return fmt.Errorf("the flood list of network %d: %w: use append for one more VTEP", n.VNI(), dataplane.ErrExists)
	case zero:
		return n.AddRemote(dst)
	case c.Op == api.OpReplace:
		return n.ReplaceEntry(c.MAC, dst)
	case c.Op == api.OpAppend && c.MAC.IsMulticast():
		return unlessThere(n.AppendEntry(c.MAC, dst))
	case c.Op == api.OpAppend:
		err := n.AddEntry(c.MAC, dst)
		if errors.Is(err, dataplane.ErrExists) {
			return n.AppendEntry(c.MAC, dst) // which says what to do
		}
		return err
	}
	return n.AddEntry(c.MAC, dst)
}

// unlessThere is err, unless it says that what was to be appended is there.
func unlessThere(err error) error {
	if errors.Is(err, dataplane.ErrExists) {
		return nil
	}
	return err
}

// DeleteFDB removes an entry, or a VTEP from the flood list.
func (a *Agent) DeleteFDB(vni encap.VNI, mac encap.MAC, dst netip.AddrPort) error {
	n, err := a.network(vni)
	if err != nil {
		return err
	}
	if mac.IsZero() {
		return refusal(n.vtep.RemoveRemote(dst))
	}
	return refusal(n.vtep.DeleteEntry(mac, dst))
}

// FlushFDB removes the learned and static entries that the filter names.
func (a *Agent) FlushFDB(vni encap.VNI, f api.FDBFlush) (int, error) {
	n, err := a.network(vni)
	if err != nil {
		return 0, err
	}
	filter := dataplane.FlushFilter{MAC: f.MAC, Remote: f.Dst.Unmap(), Port: f.Port}
	switch f.Class {
	case api.ClassLearned:
		filter.Class = fdb.Learned
	case api.ClassStatic:
		filter.Class = fdb.Static
	}
	return n.vtep.Flush(filter), nil
}

// refusal gives an error of the dataplane the status that the API has for it.
func refusal(err error) error {
	status := http.StatusBadRequest
	switch {
	case err == nil:
		return nil
	case errors.Is(err, dataplane.ErrNotFound):
		status = http.StatusNotFound
	case errors.Is(err, dataplane.ErrExists):
		status = http.StatusConflict
	}
	return &api.Error{Status: status, Message: err.Error()}
}
