package dataplane

import (
	"net/netip"
	"slices"

	"github.com/vxtap/vxtap/dataplane/fdb"
)

// namedRemote is a remote of the flood list, or of entries that were not learned.
type namedRemote struct {
	addr netip.AddrPort
	uses int // destinations that have it, a group MAC's among them
}

// setNamed keeps n.named, and whom a closed network hears. The table calls it within a
// change that was made under n.mu.
func (n *Network) setNamed(d *destination, named bool) {
	for _, r := range d.remotes {
		a := r.Addr()
		list := n.named[a]
		i := slices.IndexFunc(list, func(k namedRemote) bool { return k.addr == r })
		switch {
		case named && i >= 0:
			list[i].uses++
		case named:
			n.named[a] = append(list, namedRemote{r, 1})
			n.hear(a)
			n.relearn(r)
		case list[i].uses > 1:
			list[i].uses--
		case len(list) == 1:
			delete(n.named, a)
			n.ignore(a)
		default:
			n.named[a] = slices.Delete(list, i, i+1)
			n.relearn(r)
		}
	}
}

// listener returns where the VTEP at an address listens: datagrams come from ports that
// do not say so. It is the port under which the address is named, on the flood list if
// entries name others; and if there is none, or no telling, this VTEP's own.
func (n *Network) listener(a netip.Addr) netip.AddrPort {
	if p := n.peers[a]; p != nil {
		return p.VTEP()
	}
	var found []netip.AddrPort
	switch list := n.named[a]; len(list) {
	case 0:
	case 1:
		return list[0].addr
	default:
		for _, r := range n.Remotes() {
			if r.Addr() == a {
				found = append(found, r)
			}
		}
	}
	if len(found) == 1 {
		return found[0]
	}
	return netip.AddrPortFrom(a, n.vtep.cfg.Port)
}

// relearn drops what was learned behind the address of r under a port that is no longer
// the one to send to: what its VTEP sends would keep it alive.
func (n *Network) relearn(r netip.AddrPort) {
	a := r.Addr()
	right := n.listener(a)
	stale := make(map[*destination]bool)
	add := func(r netip.AddrPort) {
		if d := n.remotes[r]; d != nil && r != right {
			stale[d] = true
		}
	}
	add(r)
	add(netip.AddrPortFrom(a, n.vtep.cfg.Port))
	for _, k := range n.named[a] {
		add(k.addr)
	}
	if len(stale) > 0 {
		n.table.Flush(func(e fdb.Entry[destination]) bool { return e.Class == fdb.Learned && stale[e.Dest] })
	}
}

// addrSet is a sorted set of addresses, replaced whole when it changes.
type addrSet []netip.Addr

func (s addrSet) find(a netip.Addr) (int, bool) {
	return slices.BinarySearchFunc(s, a, netip.Addr.Compare)
}

func (s addrSet) has(a netip.Addr) bool {
	_, found := s.find(a)
	return found
}

// hear has a closed network listen to an address.
func (n *Network) hear(a netip.Addr) {
	old := *n.heard.Load()
	if i, found := old.find(a); n.cfg.Closed && !found {
		set := slices.Insert(slices.Clone(old), i, a)
		n.heard.Store(&set)
	}
}

// ignore is the opposite of hear.
func (n *Network) ignore(a netip.Addr) {
	old := *n.heard.Load()
	if i, found := old.find(a); found {
		set := slices.Delete(slices.Clone(old), i, i+1)
		n.heard.Store(&set)
	}
}
