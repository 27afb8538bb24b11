package dataplane

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vxtap/vxtap/dataplane/fdb"
	"github.com/vxtap/vxtap/encap"
)

// Entry is one line of a network's forwarding table: a MAC, and a port or a remote
// that holds it. A group MAC has a line for each of its remotes.
type Entry struct {
	MAC    encap.MAC
	Class  fdb.Class
	Port   string         // name of a port of this node; if empty:
	Remote netip.AddrPort // a VTEP
	Age    uint32         // seconds since a learned MAC was last heard
}

// ErrUnicast is returned because a unicast MAC is in one place; only the flood list and
// group MACs have several remotes.
var ErrUnicast = errors.New("a unicast MAC has one destination: use replace")

// AddEntry makes a static entry that sends a MAC's frames to a VTEP, unless it has one.
func (n *Network) AddEntry(mac encap.MAC, addr netip.AddrPort) error {
	return n.setEntry(mac, addr, n.table.Add)
}

// ReplaceEntry makes a static entry, in the place of a static one if there is one.
func (n *Network) ReplaceEntry(mac encap.MAC, addr netip.AddrPort) error {
	return n.setEntry(mac, addr, n.table.Set)
}

type setter func(encap.MAC, fdb.Class, *destination) error

func (n *Network) setEntry(mac encap.MAC, addr netip.AddrPort, set setter) error {
	return n.changeRemote(addr, func(addr netip.AddrPort) error {
		if mac.IsMulticast() { // AppendEntry puts another in its place, so it is not shared
			return n.held(set(mac, fdb.Static, n.newDestination(addr)))
		}
		d := n.remote(addr)
		defer n.forget(d)
		return n.held(set(mac, fdb.Static, d))
	})
}

// AppendEntry adds a VTEP to those that the frames of a group MAC are sent to.
func (n *Network) AppendEntry(mac encap.MAC, addr netip.AddrPort) error {
	if !mac.IsMulticast() {
		return fmt.Errorf("%v: %w", mac, ErrUnicast)
	}
	return n.changeRemote(addr, func(addr netip.AddrPort) error {
		grown := n.newDestination(addr)
		if d, _ := n.table.Lookup(mac); d != nil {
			if slices.Contains(d.remotes, addr) {
				return fmt.Errorf("%v dst %v: %w", mac, addr, ErrExists)
			}
			grown = n.newDestination(append(slices.Clone(d.remotes), addr)...)
		}
		return n.held(n.table.Set(mac, fdb.Static, grown))
	})
}

// DeleteEntry removes a MAC's learned or static entry. If addr is valid, only if it
// leads there; of a group MAC's remotes, only that one.
func (n *Network) DeleteEntry(mac encap.MAC, addr netip.AddrPort) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	d, class := n.table.Lookup(mac)
	switch {
	case d == nil:
		return fmt.Errorf("%v on network %d: %w", mac, n.vni, ErrNotFound)
	case class == fdb.Local:
		return fmt.Errorf("%v is port %s of this node: it cannot be deleted", mac, d.port.name)
	case class == fdb.Controlled:
		return fmt.Errorf("%v has a controlled entry: only who made it can delete it", mac)
	case !addr.IsValid():
		n.table.Delete(mac, fdb.Learned, fdb.Static)
		return nil
	}
	addr = n.withPort(addr)
	rest := slices.DeleteFunc(slices.Clone(d.remotes), func(r netip.AddrPort) bool { return r == addr })
	switch {
	case len(rest) == len(d.remotes):
		return fmt.Errorf("%v dst %v on network %d: %w", mac, addr, n.vni, ErrNotFound)
	case len(rest) == 0:
		n.table.Delete(mac, fdb.Learned, fdb.Static)
		return nil
	}
	return n.held(n.table.Set(mac, fdb.Static, n.newDestination(rest...)))
}

// held says ErrExists of an entry that stands in the way.
func (n *Network) held(err error) error {
	var h *fdb.HeldError
	if errors.As(err, &h) {
		return fmt.Errorf("network %d: %w: %w", n.vni, ErrExists, err)
	}
	return err
}

// FlushFilter says which entries to remove: those to which every field that is set
// applies.
type FlushFilter struct {
	Class  fdb.Class  // fdb.Learned or fdb.Static; None means both
	MAC    encap.MAC  // zero means any
	Remote netip.Addr // invalid means any
	Port   string     // empty means any
}

// Flush removes learned and static entries, and returns how many. Ports of this node,
// controlled entries and the flood list stay.
func (n *Network) Flush(f FlushFilter) int {
	remote := bareAddr(f.Remote)
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.table.Flush(func(e fdb.Entry[destination]) bool {
		d := e.Dest
		return (e.Class == fdb.Learned || e.Class == fdb.Static) &&
			(f.Class == fdb.None || f.Class == e.Class) &&
			(f.MAC.IsZero() || f.MAC == e.MAC) &&
			(f.Port == "" || d.port != nil && d.port.name == f.Port) &&
			(!remote.IsValid() || slices.ContainsFunc(d.remotes, func(r netip.AddrPort) bool { return r.Addr() == remote }))
	})
}

// Entries returns the table, by MAC. The flood list is not in it.
func (n *Network) Entries() []Entry {
	now := n.vtep.clock.Load()
	var list []Entry
	for e := range n.table.All() {
		line := Entry{MAC: e.MAC, Class: e.Class}
		if e.Class == fdb.Learned && now > e.Seen {
			line.Age = now - e.Seen
		}
		if e.Dest.port != nil {
			line.Port = e.Dest.port.name
			list = append(list, line)
			continue
		}
		for _, line.Remote = range e.Dest.remotes {
			list = append(list, line)
		}
	}
	slices.SortFunc(list, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.MAC.Uint64(), b.MAC.Uint64()), a.Remote.Compare(b.Remote))
	})
	return list
}
