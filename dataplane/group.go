package dataplane

import (
	"fmt"
	"net/netip"
)

// A network with a multicast group floods to it instead of to each VTEP (RFC 7348
// section 4.2): the group stands on the flood list as a remote does, and the MACs of
// those who answer are learned behind their own addresses. That it is heard is the
// underlay's business.

// CheckGroup says whether addr can be the group of a VTEP at local.
func CheckGroup(local, addr netip.Addr) error {
	switch {
	case !addr.IsMulticast():
		return fmt.Errorf("group %v is no multicast address", addr)
	case addr.Is4() != local.Is4():
		return fmt.Errorf("group %v and local %v are of different address families", addr, local)
	case addr.IsInterfaceLocalMulticast():
		return fmt.Errorf("group %v never leaves this host: its scope is the interface (RFC 4291)", addr)
	}
	return nil
}

// checkGroup says why the network cannot have its group.
func (c *NetworkConfig) checkGroup(local netip.Addr) error {
	if !c.Group.IsValid() {
		return nil
	}
	switch err := CheckGroup(local, c.Group); {
	case err != nil:
		return err
	case c.Sealed:
		return fmt.Errorf("network %d is sealed and has a group: keys are those of two VTEPs", c.VNI)
	case c.Closed:
		return fmt.Errorf("network %d is closed and has a group: who is in it is not known", c.VNI)
	}
	return nil
}

// setGroup puts the network's group on its flood list.
func (n *Network) setGroup() {
	if !n.cfg.Group.IsValid() {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.group = n.newDestination(netip.AddrPortFrom(bareAddr(n.cfg.Group), n.vtep.cfg.Port))
	n.group.device.Store(n.cfg.GroupInterface)
	n.table.AddFlood(n.group)
}

// SetGroupInterface says that the interface by which the group is reached has another index.
func (n *Network) SetGroupInterface(index uint32) {
	if n.group != nil {
		n.group.device.Store(index)
	}
}

// flooding returns a flood list of the remote d, and of the group if there is one.
func (n *Network) flooding(d *destination) []*destination {
	if n.group == nil {
		return []*destination{d}
	}
	return []*destination{n.group, d}
}

// sums reports whether what goes to addr is to have a UDP checksum.
func (n *Network) sums(addr netip.Addr) bool {
	if sum, said := n.cfg.ChecksumTo[addr]; said {
		return sum
	}
	return !n.cfg.NoChecksum
}
