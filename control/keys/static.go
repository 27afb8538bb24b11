package keys

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/crypto"
)

// Static is the keys that a user configured. Its own stay; its peers are others when the
// user says so.
type Static struct {
	identity crypto.PrivateKey
	psk      crypto.PSK // zero if there is none

	mu sync.Mutex // guards what follows
	// peers are known by the address of their VTEP; nil if the secret knows them all.
	peers   map[netip.Addr]crypto.PublicKey
	changed chan struct{} // closed when peers were replaced
}

var (
	_ control.Keys       = (*Static)(nil)
	_ control.PeerKeeper = (*Static)(nil)
	_ control.LocalKeys  = (*Static)(nil)
)

// Load reads the key files that a node's spec names, and checks what only their contents
// can tell.
func Load(node control.NodeSpec) (*Static, error) {
	s := &Static{changed: make(chan struct{})}
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
	return s, s.SetPeers(node)
}

// SetPeers implements [control.PeerKeeper]. Where the secret knows all peers, there is
// nothing to set.
func (s *Static) SetPeers(node control.NodeSpec) error {
	if node.Seal.KeyFile == "" {
		return nil
	}
	own := s.identity.Public()
	peers := make(map[netip.Addr]crypto.PublicKey)
	for _, p := range node.Seal.Peers {
		if p.Public == own {
			return fmt.Errorf("peer %v has the public key of this node's own %s: give the key of the other node", p.VTEP.Addr(), node.Seal.KeyFile)
		}
		peers[bare(p.VTEP.Addr())] = p.Public
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.peers = peers
	close(s.changed)
	s.changed = make(chan struct{})
	return nil
}

func bare(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// Identity implements [control.Keys].
func (s *Static) Identity() crypto.PrivateKey { return s.identity }

// At implements [control.LocalKeys]. With a secret alone, who a node is follows from its
// address.
func (s *Static) At(local netip.Addr) control.Keys {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.peers != nil {
		return s
	}
	return &Static{identity: s.psk.Identity(local), psk: s.psk, changed: make(chan struct{})}
}

// Peer implements [control.Keys].
func (s *Static) Peer(vtep netip.Addr) (crypto.PeerConfig, bool) {
	vtep = bare(vtep)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.peers == nil {
		return crypto.PeerConfig{Public: s.psk.Identity(vtep).Public(), PSK: s.psk}, true
	}
	public, ok := s.peers[vtep]
	return crypto.PeerConfig{Public: public, PSK: s.psk}, ok
}

// Changed implements [control.Keys].
func (s *Static) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}
