package keys

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/crypto"
)

// Static is the keys that a user configured. They stay as they are.
type Static struct {
	identity crypto.PrivateKey
	psk      crypto.PSK // zero if there is none
	// peers are known by the address of their VTEP; nil if the secret knows them all.
	peers map[netip.Addr]crypto.PublicKey
}

var _ control.Keys = (*Static)(nil)

// Load reads the key files that a node's spec names, and checks what only their contents
// can tell.
func Load(node control.NodeSpec) (*Static, error) {
	s := &Static{}
	var err error
	if node.Seal.PSKFile != "" {
		if s.psk, err = ReadPSK(node.Seal.PSKFile); err != nil {
			return nil, err
		}
	}
	switch {
	case node.Seal.KeyFile == "" && s.psk.IsZero():
		return nil, errors.New("no file with a key is named: give one with --key or --psk-file")
	case node.Seal.KeyFile == "":
		s.identity = s.psk.Identity(node.Local)
		return s, nil
	}
	if s.identity, err = ReadPrivateKey(node.Seal.KeyFile); err != nil {
		return nil, err
	}
	return s, s.setPeers(node.Seal)
}

func (s *Static) setPeers(seal control.SealSpec) error {
	own := s.identity.Public()
	s.peers = make(map[netip.Addr]crypto.PublicKey)
	for _, p := range seal.Peers {
		if p.Public == own {
			return fmt.Errorf("peer %v has the public key of this node's own %s: give the key of the other node", p.VTEP.Addr(), seal.KeyFile)
		}
		s.peers[bare(p.VTEP.Addr())] = p.Public
	}
	return nil
}

func bare(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// Identity implements [control.Keys].
func (s *Static) Identity() crypto.PrivateKey { return s.identity }

// Peer implements [control.Keys].
func (s *Static) Peer(vtep netip.Addr) (crypto.PeerConfig, bool) {
	vtep = bare(vtep)
	if s.peers == nil {
		return crypto.PeerConfig{Public: s.psk.Identity(vtep).Public(), PSK: s.psk}, true
	}
	public, ok := s.peers[vtep]
	return crypto.PeerConfig{Public: public, PSK: s.psk}, ok
}

// Changed implements [control.Keys]: nothing ever does.
func (s *Static) Changed() <-chan struct{} { return nil }
