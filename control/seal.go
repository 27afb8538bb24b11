package control

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/dataplane"
)

// SealSpec is what a user asks of the sealed networks of a node, who it is in them and who
// the others are. That is the same in all of its networks. The zero value is of a node
// that has none.
type SealSpec struct {
	// KeyFile holds the node's private key. If it is empty, the node's identity and its
	// peers' are derived from the secret in PSKFile and their VTEPs' addresses.
	KeyFile string
	// PSKFile holds a secret that is shared with all peers; beside KeyFile it may be left
	// out.
	PSKFile string
	// Peers are the other nodes, with KeyFile.
	Peers []PeerKey
	// Suite seals frames; peers must agree on it.
	Suite crypto.Suite
	// NAT is for a node behind one: everything is sent from the port on which it listens,
	// and often enough that the way back stays open.
	NAT bool
	// Keepalive is how often something is sent to every peer at least; 0 is never, or what
	// most NATs want.
	Keepalive time.Duration
}

// PeerKey says whose key the VTEP at an address has. A port of 0 means the node's.
type PeerKey struct {
	VTEP   netip.AddrPort
	Public crypto.PublicKey
}

// minKeepalive is as often as a NAT may need it, with some to spare.
const minKeepalive = time.Second

// checkSeal says what is wrong with the node's part of sealed networks.
func (s *NodeSpec) checkSeal() error {
	switch seal := &s.Seal; {
	case seal.KeyFile == "" && len(seal.Peers) > 0 && seal.PSKFile != "":
		return errors.New("--peer with --psk-file alone: without --key, keys are derived from the file; name the others with --remote")
	case seal.KeyFile == "" && len(seal.Peers) > 0:
		return errors.New("--peer without --key: give the file of this node's own private key with --key")
	case seal.Keepalive != 0 && seal.Keepalive < minKeepalive:
		return fmt.Errorf("bad keepalive %v: want at least %v", seal.Keepalive, minKeepalive)
	}
	for i, p := range s.Seal.Peers {
		if err := dataplane.CheckRemote(s.Local, p.VTEP.Addr()); err != nil {
			return fmt.Errorf("peer %v: %w; give the addresses and keys of other nodes with --peer", p.VTEP.Addr(), err)
		}
		for _, other := range s.Seal.Peers[:i] {
			switch {
			case p.Public == other.Public:
				return fmt.Errorf("peers %v and %v have the same public key %v: every node has one of its own", other.VTEP.Addr(), p.VTEP.Addr(), p.Public)
			case p.VTEP.Addr().WithZone("") == other.VTEP.Addr().WithZone(""):
				return fmt.Errorf("peer %v is given twice: a node has one public key", p.VTEP.Addr())
			}
		}
	}
	return nil
}

// checkSealed says what is wrong with a sealed network. Who each of its VTEPs is has to be
// known before anything is sent there.
func (s *NetworkSpec) checkSealed(node NodeSpec) error {
	if !s.Sealed {
		return nil
	}
	if node.Seal.KeyFile == "" && node.Seal.PSKFile == "" {
		return errors.New("a sealed network without keys: give --key FILE and --peer ADDR=PUBKEY, or --psk-file FILE")
	}
	members := s.members(node)
	if len(members) == 0 {
		return errors.New("a sealed network without peers, from which nothing is heard: give --peer ADDR=PUBKEY with --key, or --remote ADDR with --psk-file alone")
	}
	for i, m := range members {
		if node.Seal.KeyFile != "" && !node.hasPeer(m) {
			return fmt.Errorf("%v is no peer, and a sealed network sends nothing to others: give its public key with --peer %v=PUBKEY", m, m)
		}
		if j := slices.IndexFunc(members[:i], func(o netip.AddrPort) bool { return o.Addr() == m.Addr() }); j >= 0 {
			return fmt.Errorf("%v and %v are the same node of a sealed network: it has one port", members[j], m)
		}
	}
	return nil
}

// members are the VTEPs that a network is to reach, each once.
func (s *NetworkSpec) members(node NodeSpec) (list []netip.AddrPort) {
	add := func(m netip.AddrPort) {
		if m = node.vtepOf(m); !slices.Contains(list, m) {
			list = append(list, m)
		}
	}
	for _, r := range s.Remotes {
		add(r)
	}
	for _, e := range s.Static {
		add(e.Remote)
	}
	return list
}

// vtepOf brings the address of a VTEP into one form: with a port, which a peer may have
// from elsewhere, and without a zone, which is that of the node's own address.
func (s *NodeSpec) vtepOf(r netip.AddrPort) netip.AddrPort {
	bare := r.Addr().Unmap().WithZone("")
	for _, p := range s.Seal.Peers {
		if r.Port() == 0 && p.VTEP.Addr().WithZone("") == bare {
			r = p.VTEP
		}
	}
	return netip.AddrPortFrom(bare, s.withPort(r).Port())
}

func (s *NodeSpec) hasPeer(vtep netip.AddrPort) bool {
	return slices.ContainsFunc(s.Seal.Peers, func(p PeerKey) bool { return s.vtepOf(p.VTEP) == vtep })
}

// keyOf returns the public key of the peer at a VTEP, zero if it is none.
func (s *NodeSpec) keyOf(vtep netip.AddrPort) (k crypto.PublicKey) {
	for _, p := range s.Seal.Peers {
		if s.vtepOf(p.VTEP) == vtep {
			k = p.Public
		}
	}
	return k
}

// FloodPeers puts all peers of the node on the network's flood list that are not there, of
// the family of its VTEP.
func (s *NetworkSpec) FloodPeers(node NodeSpec) {
	peers := node.facing(s).Seal.Peers
	if len(peers) == 0 && !s.names().IsValid() {
		peers = node.Seal.Peers
	}
	s.flood(node, peers)
}

func (s *NetworkSpec) flood(node NodeSpec, peers []PeerKey) {
	for _, p := range peers {
		on := func(r netip.AddrPort) bool { return node.vtepOf(r) == node.vtepOf(p.VTEP) }
		if !slices.ContainsFunc(s.Remotes, on) {
			s.Remotes = append(s.Remotes, p.VTEP)
		}
	}
}

// TakePeers makes the peers that were named for one network peers of the node, and remotes
// of the network. A sealed network that names no VTEP at all reaches every peer.
func (s *NetworkSpec) TakePeers(node *NodeSpec, named []PeerKey) {
	for _, p := range named {
		if !slices.Contains(node.Seal.Peers, p) {
			node.Seal.Peers = append(node.Seal.Peers, p)
		}
	}
	s.flood(*node, named)
	if s.Sealed && len(s.Remotes) == 0 && len(s.Static) == 0 {
		s.FloodPeers(*node)
	}
}
