package dataplane

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/vxtap/vxtap/dataplane/fdb"
)

// AddRemote appends a VTEP to the flood list. A port of 0 means the VTEP's own.
func (n *Network) AddRemote(addr netip.AddrPort) error {
	addr, err := n.checkRemote(addr)
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	defer n.setHeard()
	if !n.table.AddFlood(n.remote(addr)) {
		return fmt.Errorf("remote %v of network %d: %w", addr, n.vni, ErrExists)
	}
	return nil
}

// SetRemote makes the flood list this one VTEP.
func (n *Network) SetRemote(addr netip.AddrPort) error {
	addr, err := n.checkRemote(addr)
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	defer n.setHeard()
	n.table.SetFlood([]*destination{n.remote(addr)})
	return nil
}

// RemoveRemote takes a VTEP off the flood list. What was learned behind it stays until
// it ages.
func (n *Network) RemoveRemote(addr netip.AddrPort) error {
	addr = n.withPort(addr)
	n.mu.Lock()
	defer n.mu.Unlock()
	defer n.setHeard()
	d := n.remotes[addr]
	if d == nil || !n.table.RemoveFlood(d) {
		return fmt.Errorf("remote %v of network %d: %w", addr, n.vni, ErrNotFound)
	}
	return nil
}

// Remotes returns the flood list.
func (n *Network) Remotes() []netip.AddrPort {
	var list []netip.AddrPort
	for _, d := range n.table.Flood() {
		list = append(list, d.remotes...)
	}
	return list
}

// withPort fills in the port that a remote was given without.
func (n *Network) withPort(addr netip.AddrPort) netip.AddrPort {
	port := addr.Port()
	if port == 0 {
		port = n.vtep.cfg.Port
	}
	return netip.AddrPortFrom(addr.Addr().Unmap(), port)
}

func (n *Network) checkRemote(addr netip.AddrPort) (netip.AddrPort, error) {
	addr = n.withPort(addr)
	return addr, CheckRemote(n.vtep.cfg.Local, addr.Addr())
}

// remote returns the destination for addr, the same pointer for the same address as
// long as the table uses it; n.mu is held.
func (n *Network) remote(addr netip.AddrPort) *destination {
	d := n.remotes[addr]
	if d == nil {
		d = &destination{remotes: []netip.AddrPort{addr}}
		n.remotes[addr] = d
	}
	return d
}

// released forgets a destination that the table no longer uses. The table calls it
// within a change that was made under n.mu.
func (n *Network) released(d *destination) {
	if len(d.remotes) == 1 && n.remotes[d.remotes[0]] == d {
		delete(n.remotes, d.remotes[0])
	}
}

// forget drops d if the table did not take it; n.mu is held.
func (n *Network) forget(d *destination) {
	if n.table.References(d) == 0 {
		n.released(d)
	}
}

// setHeard works out whom a closed network listens to: the flood list, and every
// remote that an entry names which was not learned. n.mu is held.
func (n *Network) setHeard() {
	if !n.cfg.Closed {
		return
	}
	var addrs []netip.Addr
	add := func(d *destination) {
		for _, r := range d.remotes {
			addrs = append(addrs, r.Addr())
		}
	}
	for _, d := range n.table.Flood() {
		add(d)
	}
	for e := range n.table.All() {
		if e.Class > fdb.Learned {
			add(e.Dest)
		}
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	set := addrSet(slices.Compact(addrs))
	n.heard.Store(&set)
}

// addrSet is a sorted set of addresses, replaced whole when it changes.
type addrSet []netip.Addr

func (s addrSet) has(a netip.Addr) bool {
	_, found := slices.BinarySearchFunc(s, a, netip.Addr.Compare)
	return found
}
