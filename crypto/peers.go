package crypto

import (
	"fmt"
	"slices"
	"time"
)

// AddPeer adds a peer, and has the node look for it from now on.
func (n *Node) AddPeer(c PeerConfig) (*Peer, error) {
	defer n.wake()
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.checkPeer(c); err != nil {
		return nil, fmt.Errorf("peer %v at %v: %w", c.Public, c.VTEP, err)
	}
	p, err := newPeer(n, c)
	if err != nil {
		return nil, err
	}
	n.peers = append(n.peers, p)
	n.byKey[p.public] = p
	return p, nil
}

func (n *Node) checkPeer(c PeerConfig) error {
	switch {
	case n.closed:
		return ErrClosed
	case c.Public == n.public:
		return ErrOwnKey
	case !c.VTEP.Addr().IsValid() || c.VTEP.Addr().IsUnspecified() || c.VTEP.Port() == 0:
		return ErrNoVTEP
	case n.byKey[c.Public] != nil:
		return ErrDuplicateKey
	}
	for _, p := range n.peers {
		if p.vtep.Addr() == c.VTEP.Addr().Unmap() {
			return ErrDuplicateVTEP
		}
	}
	return nil
}

// RemovePeer ends all that there is with a peer. Workers that still have it find no key
// to send with.
func (n *Node) RemovePeer(p *Peer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.byKey[p.public] != p {
		return
	}
	p.end()
	delete(n.byKey, p.public)
	n.peers = slices.DeleteFunc(n.peers, func(q *Peer) bool { return p == q })
	n.publish()
}

// end wipes a peer's keys.
func (p *Peer) end() {
	p.sending.Store(nil)
	p.stopTrying()
	for _, e := range slices.Concat(p.confirmed, p.unconfirmed) {
		p.drop(e)
	}
	p.confirmed, p.unconfirmed = nil, nil
	p.psk = PSK{}
}

// Close ends all sessions and wipes the keys. Nothing is sent or taken any more.
func (n *Node) Close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.peers {
		p.end()
	}
	n.closed = true
	n.peers = nil
	clear(n.byKey)
	clear(n.config.Identity[:])
	n.publish()
}

// rotatePause keeps rotations from outrunning packets: all epochs of a second and a half
// are still received.
const rotatePause = 100 * time.Millisecond

// Rotate begins a handshake with a peer at once, or 100 ms after the last one was begun; 200 ms
// if that is not answered yet. It goes on until there is an epoch whose handshake began after
// the call.
func (n *Node) Rotate(p *Peer) error {
	defer n.wake()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.byKey[p.public] != p {
		return fmt.Errorf("rotate keys with %v: %w", p.public, ErrUnknownPeer)
	}
	now := n.config.Clock()
	pause := rotatePause
	if len(p.attempts) > 0 {
		pause = leastPause
	}
	at := max(now, p.lastTry+pause)
	p.requested = now
	p.startTrying(at)
	p.nextTry = min(p.nextTry, at)
	return nil
}
