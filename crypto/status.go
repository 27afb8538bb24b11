package crypto

import (
	"net/netip"
	"time"
)

// State is how a peer's session stands.
type State uint8

// States, from bad to good.
const (
	NoSession State = iota // nothing is sent to the peer; the node tries to reach it
	Overdue                // the session is used on, its renewal is late
	Secure                 // there is a session
)

// String returns a word for the state.
func (s State) String() string {
	switch s {
	case Secure:
		return "secure"
	case Overdue:
		return "overdue"
	}
	return "no-session"
}

// PeerStatus is what an operator sees of a peer. There is nothing secret in it.
type PeerStatus struct {
	Public   PublicKey
	VTEP     netip.AddrPort
	Endpoint netip.AddrPort
	NAT      bool // one is between us, or was configured
	State    State

	Epoch        uint64        // the number of the current epoch, the same at both ends; 0: there is none
	Age          time.Duration // of the current epoch
	NextRotation time.Duration // until this node begins it, if the peer does not before; 0: under way

	Sent, Received uint64 // packets of all epochs
	Handshakes     uint64 // initiations of the peer that were taken
	Tries          uint64 // initiations sent
	Moves          uint64
	Refused        Refusals
}

// Status is the state of all peers, in the order in which they were added.
func (n *Node) Status() []PeerStatus {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.config.Clock()
	all := make([]PeerStatus, 0, len(n.peers))
	for _, p := range n.peers {
		all = append(all, p.status(now))
	}
	return all
}

// Refused counts what was refused before it could be attributed to a peer.
func (n *Node) Refused() Refusals {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.refused
}

func (p *Peer) status(now time.Duration) PeerStatus {
	s := PeerStatus{
		Public: p.public, VTEP: p.vtep, Endpoint: p.Endpoint(), NAT: p.FromListener(),
		Sent: p.sent, Received: p.received,
		Handshakes: p.taken, Tries: p.tries, Moves: p.moves, Refused: p.refused,
	}
	for _, list := range [][]*epoch{p.confirmed, p.unconfirmed} {
		for _, e := range list {
			s.Sent += e.send.Packets()
			s.Received += e.receive.Packets()
			s.Refused[RefusedForged] += e.receive.Forged()
			s.Refused[RefusedReplayed] += e.receive.Replayed()
		}
	}
	if e := p.current(); e != nil {
		s.State, s.Epoch, s.Age = Secure, e.number, now-e.made
		s.NextRotation = max(0, p.rotateAt-now)
		if p.overdue {
			s.State = Overdue
		}
	}
	return s
}
