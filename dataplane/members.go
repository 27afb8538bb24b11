package dataplane

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vxtap/vxtap/crypto"
)

// ErrNotMember is returned for a remote of a sealed network that is none of its peers.
var ErrNotMember = errors.New("not a peer of this sealed network")

// setPeers makes peers the members of a sealed network. What comes from others, however
// authentic, is not for it.
func (n *Network) setPeers(peers []*crypto.Peer) {
	n.peers = make(map[netip.Addr]*crypto.Peer, len(peers))
	for _, p := range peers {
		a := p.VTEP().Addr()
		if i, found := n.members.find(a); !found {
			n.members = slices.Insert(n.members, i, a)
		}
		n.peers[a] = p
	}
}

// refuses says why a packet may not enter the network. It is here that a sealed network
// fails closed: what is in clear text, from whomever, is not for it. What comes from this
// VTEP's own address came back from a group, or was forged.
func (n *Network) refuses(a *arrival) Drop {
	switch sealed := a.key != nil; {
	case a.from == n.vtep.self:
		return DropLoop
	case n.cfg.Sealed && !sealed:
		return DropClear
	case sealed && !n.cfg.Sealed:
		return DropSealed
	case sealed && !n.members.has(a.from):
		return DropNotMember
	}
	return dropNone
}

// checkMember says why a remote cannot be one of a sealed network.
func (n *Network) checkMember(addr netip.AddrPort) error {
	if !n.cfg.Sealed {
		return nil
	}
	switch p := n.peers[addr.Addr()]; {
	case p == nil:
		return fmt.Errorf("remote %v of network %d: %w", addr, n.vni, ErrNotMember)
	case p.VTEP() != addr:
		return fmt.Errorf("remote %v of network %d: the peer there is at %v: %w", addr, n.vni, p.VTEP(), ErrNotMember)
	}
	return nil
}

// newDestination returns a destination for remotes that were named, by a user or by control; in
// a sealed network all are members.
func (n *Network) newDestination(remotes ...netip.AddrPort) *destination {
	n.roomFor(remotes)
	return n.newLearned(remotes...)
}

// newLearned is newDestination for a remote that was only heard of.
func (n *Network) newLearned(remotes ...netip.AddrPort) *destination {
	d := &destination{remotes: remotes, paths: make([]path, len(remotes)), network: n}
	for i, r := range remotes {
		at := r.Addr()
		d.counted = append(d.counted, n.counted(at))
		switch {
		case n.cfg.Sealed:
			d.peers = append(d.peers, n.peers[at])
		case !n.sums(at):
			if d.bare == nil {
				d.bare = make([]bool, len(remotes))
			}
			d.bare[i] = true
		}
	}
	n.vtep.paths.tell(d)
	return d
}
