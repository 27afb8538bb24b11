package control

import (
	"fmt"
	"net/netip"
	"sync"

	"github.com/vxtap/vxtap/crypto"
)

// sealing is an agent's part in sealed networks: sessions with the peers that its networks
// have. One peer has one session, in however many networks it is.
type sealing struct {
	keys Keys
	node *crypto.Node

	mu    sync.Mutex
	peers map[netip.Addr]*member // by VTEP
}

// member is a peer and how many networks it is in.
type member struct {
	peer     *crypto.Peer
	keys     crypto.PeerConfig // of which it was made
	off      bool              // they are not valid any more
	networks int
}

// sealingConfig says how the VTEP is to keep sessions: not at all without keys.
func (e *endpoint) sealingConfig(keys Keys) *crypto.Config {
	if keys == nil {
		return nil
	}
	seal := &e.node.Seal
	return &crypto.Config{
		Identity:  keys.Identity(),
		Suite:     seal.Suite,
		NAT:       seal.NAT,
		Keepalive: seal.Keepalive,
		Clock:     bootClock(),
		Events:    e.agent.sealEvent,
	}
}

func newSealing(keys Keys, node *crypto.Node) *sealing {
	return &sealing{keys: keys, node: node, peers: make(map[netip.Addr]*member)}
}

// join gives a sealed network that is to come its peers, and returns their VTEPs. A plain
// network has none, and may need more of the sockets.
func (e *endpoint) join(spec *NetworkSpec) ([]netip.AddrPort, error) {
	if !spec.Sealed {
		return nil, e.prepare(spec)
	}
	if e.sealing == nil {
		return nil, fmt.Errorf("network %d is to be sealed, and this node was started without keys: give it some with --key or --psk-file", spec.VNI)
	}
	members := spec.members(e.node)
	peers, err := e.sealing.join(members)
	spec.NetworkConfig.Peers = peers
	return members, err
}

// join makes peers of the VTEPs of a network that is to come, in their order. If one of
// them cannot be, none is.
func (s *sealing) join(vteps []netip.AddrPort) ([]*crypto.Peer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*crypto.Peer, 0, len(vteps))
	for i, v := range vteps {
		p, err := s.use(v)
		if err != nil {
			s.drop(vteps[:i])
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

// use returns the peer with the VTEP for one network more; s.mu is held.
func (s *sealing) use(vtep netip.AddrPort) (*crypto.Peer, error) {
	if m := s.peers[vtep.Addr()]; m != nil {
		switch {
		case m.off:
			return nil, fmt.Errorf("peer %v: its keys are not those that other networks have it with: remove those first", vtep)
		case m.keys.VTEP != vtep:
			return nil, fmt.Errorf("peer %v: another network has it at %v: a node has one port", vtep, m.keys.VTEP)
		}
		m.networks++
		return m.peer, nil
	}
	cfg, ok := s.keys.Peer(vtep.Addr())
	if !ok {
		return nil, fmt.Errorf("%v is no peer, and a sealed network sends nothing to others: give its public key with --peer %v=PUBKEY", vtep, vtep)
	}
	cfg.VTEP = vtep
	p, err := s.node.AddPeer(cfg)
	if err != nil {
		return nil, fmt.Errorf("peer %v: %w", vtep, err)
	}
	s.peers[vtep.Addr()] = &member{peer: p, keys: cfg, networks: 1}
	return p, nil
}

// list returns the peers that are not cut off.
func (s *sealing) list() (list []*crypto.Peer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.peers {
		if !m.off {
			list = append(list, m.peer)
		}
	}
	return list
}

// leave undoes a join. Without VTEPs there is nothing to undo, nor need there be an s.
func (s *sealing) leave(vteps []netip.AddrPort) {
	if len(vteps) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(vteps)
}

// drop forgets peers that are in no network any more; s.mu is held.
func (s *sealing) drop(vteps []netip.AddrPort) {
	for _, v := range vteps {
		m := s.peers[v.Addr()]
		if m.networks--; m.networks == 0 {
			s.node.RemovePeer(m.peer)
			delete(s.peers, v.Addr())
		}
	}
}
