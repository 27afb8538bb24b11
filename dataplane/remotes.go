package dataplane

import (
	"fmt"
	"net/netip"
)

// AddRemote appends a VTEP to the flood list. A port of 0 means the VTEP's own.
func (n *Network) AddRemote(addr netip.AddrPort) error {
	return n.changeRemote(addr, func(addr netip.AddrPort) error {
		if !n.table.AddFlood(n.remote(addr)) {
			return fmt.Errorf("remote %v of network %d: %w", addr, n.vni, ErrExists)
		}
		return nil
	})
}

// SetRemote makes the flood list this one VTEP, and the network's group if it has one.
func (n *Network) SetRemote(addr netip.AddrPort) error {
	return n.changeRemote(addr, func(addr netip.AddrPort) error {
		n.table.SetFlood(n.flooding(n.remote(addr)))
		return nil
	})
}

// RemoveRemote takes a VTEP off the flood list. What was learned behind it stays until
// it ages.
func (n *Network) RemoveRemote(addr netip.AddrPort) error {
	addr = n.withPort(addr)
	n.mu.Lock()
	defer n.mu.Unlock()
	d := n.remotes[addr]
	if d == nil || !n.table.RemoveFlood(d) {
		return fmt.Errorf("remote %v of network %d: %w", addr, n.vni, ErrNotFound)
	}
	return nil
}

// Remotes returns the flood list, a group among it.
func (n *Network) Remotes() []netip.AddrPort {
	var list []netip.AddrPort
	for _, d := range n.table.Flood() {
		list = append(list, d.remotes...)
	}
	return list
}

// withPort fills in the port that a remote was given without, and brings its address
// into the form of a received datagram's.
func (n *Network) withPort(addr netip.AddrPort) netip.AddrPort {
	port, bare := addr.Port(), bareAddr(addr.Addr())
	if p := n.peers[bare]; p != nil && port == 0 {
		return p.VTEP()
	}
	if port == 0 {
		port = n.vtep.cfg.Port
	}
	return netip.AddrPortFrom(bare, port)
}

// bareAddr returns an address as received ones are: IPv4 not mapped, and without a zone, as
// the zone of every link-local remote is that of the VTEP's own address.
func bareAddr(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// changeRemote checks and completes the address of a remote, and makes a change that is
// about it under n.mu.
func (n *Network) changeRemote(addr netip.AddrPort, change func(netip.AddrPort) error) error {
	addr = n.withPort(addr)
	if err := CheckRemote(n.vtep.cfg.Local, addr.Addr()); err != nil {
		return err
	}
	if err := n.checkMember(addr); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return change(addr)
}

// remote returns the destination for addr, which was named: the same pointer for the same
// address as long as the table uses it; n.mu is held.
func (n *Network) remote(addr netip.AddrPort) *destination {
	return n.remoteBy(addr, n.newDestination)
}

// learnedRemote is remote for one that was only heard of.
func (n *Network) learnedRemote(addr netip.AddrPort) *destination {
	return n.remoteBy(addr, n.newLearned)
}

func (n *Network) remoteBy(addr netip.AddrPort, made func(...netip.AddrPort) *destination) *destination {
	d := n.remotes[addr]
	if d == nil {
		d = made(addr)
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
