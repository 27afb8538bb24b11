package crypto

import (
	"crypto/cipher"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"
)

// PeerConfig is what is known of a peer before it is heard.
type PeerConfig struct {
	Public PublicKey
	PSK    PSK            // zero: none
	VTEP   netip.AddrPort // where it is first looked for, and what its frames are attributed to
}

// Errors of [Node.AddPeer], wrapped with what they are about.
var (
	ErrOwnKey        = errors.New("the key is this node's own")
	ErrDuplicateKey  = errors.New("another peer has this key")
	ErrDuplicateVTEP = errors.New("another peer has this VTEP address")
	ErrNoVTEP        = errors.New("a peer needs a VTEP address and port")
	ErrClosed        = errors.New("the node is closed")
	ErrUnknownPeer   = errors.New("no peer of this node")
)

// Peer is another node and what is agreed with it. Its exported methods take no lock and
// may be called by any goroutine, per packet.
type Peer struct {
	node   *Node
	public PublicKey
	psk    PSK
	vtep   netip.AddrPort

	sending      atomic.Pointer[SendKey]
	endpoint     atomic.Pointer[netip.AddrPort]
	fromListener atomic.Bool

	// What workers have to say; the next Poll listens.
	heardFrom  atomic.Pointer[netip.AddrPort]
	wanted     atomic.Bool // a frame waits
	exhausting atomic.Bool // a queue has used its share

	// All that follows belongs to the node's mutex.

	mac             *mac        // of messages to it
	cookies         cipher.AEAD // those it gives
	challengesGiven cipher.AEAD
	challengesTaken cipher.AEAD

	// As initiator.
	attempts   []*attempt    // the newest last
	nextTry    time.Duration // never: no session is wanted
	lastTry    time.Duration
	pause      time.Duration
	tries      uint64
	stamp      stamp // of the last initiation
	challenge  [macSize]byte
	hurries    int  // tries of this series that were brought forward
	challenged bool // in this series, and it was said
	cookie     *[macSize]byte
	cookieAt   time.Duration

	// As responder.
	newest     stamp // of all initiations that were taken
	taken      uint64
	challenges bucket

	number      uint64   // the greatest of all epochs that were confirmed
	confirmed   []*epoch // the newest first: it is sent with
	unconfirmed []*epoch // the oldest first
	rotateAt    time.Duration
	overdue     bool          // and it was said
	requested   time.Duration // when somebody asked for a rotation; never: it is done

	keepaliveAt time.Duration
	kept        uint64 // packets sent when the keepalive was put off last
	keptHeard   uint64 // and received
	silent      int    // intervals in which nothing was heard

	peerNAT    bool // it says so
	translated bool // it is heard from elsewhere than it believes to be
	ourNAT     bool // it hears us from elsewhere than we believe to be

	heardMove time.Duration  // when data moved the peer last
	told      netip.AddrPort // where we said last that the peer is
	toldAt    time.Duration

	complainAt time.Duration // that there is no session
	answered   bool          // something came back, but did not fit

	previous netip.AddrPort // where the peer was before it moved
	askedAt  time.Duration  // elsewhere than at its endpoint
	askAt    time.Duration
	askAfter time.Duration

	moves          uint64
	sent, received uint64 // in epochs that are gone
	refused        Refusals
}

func newPeer(n *Node, c PeerConfig) (*Peer, error) {
	p := &Peer{
		node: n, public: c.Public, psk: c.PSK, vtep: plainPort(c.VTEP),
		mac: ofPublic(c.Public), lastTry: -leastPause,
		nextTry: never, rotateAt: never, keepaliveAt: never, askAt: never, askedAt: -firstAsk,
		requested: never, heardMove: -movePause, toldAt: -movePause,
		complainAt: n.config.Clock() + firstComplaint,
	}
	p.told = p.vtep
	var err error
	if p.cookies, err = cookieCipher(c.Public); err != nil {
		return nil, err
	}
	p.challengesGiven, p.challengesTaken, err = challengeCiphers(n.config.Identity, c.Public, c.PSK)
	if err != nil {
		return nil, fmt.Errorf("peer at %v: %w", c.VTEP, err)
	}
	p.endpoint.Store(&p.vtep)
	p.weighNAT()
	return p, nil
}

// plainPort has IPv4 addresses not mapped, so that addresses compare; zones stay, as
// link-local addresses cannot be sent to without.
func plainPort(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// Public is the peer's identity.
func (p *Peer) Public() PublicKey { return p.public }

// VTEP is the peer's address as configured: what frames from it are attributed to,
// wherever their packets came from.
func (p *Peer) VTEP() netip.AddrPort { return p.vtep }

// Sending is the key to seal with, or nil: there is no session, and nothing may be sent.
// It is asked for each batch, not kept; an epoch that ended meanwhile seals nothing, and
// then it is asked again.
func (p *Peer) Sending() *SendKey { return p.sending.Load() }

// Endpoint is where packets to the peer go.
func (p *Peer) Endpoint() netip.AddrPort { return *p.endpoint.Load() }

// FromListener reports whether a NAT is between us, so that everything goes from the
// listening port: other ports have no mapping.
func (p *Peer) FromListener() bool { return p.fromListener.Load() }

// Want says that a frame waits for a session. The first few tries are brought forward for
// that: one is made at once, unless there was one within the last 200 ms.
func (p *Peer) Want() {
	if p.sending.Load() == nil && !p.wanted.Swap(true) {
		p.node.wake()
	}
}

// Heard says that a packet from the address was opened with a key of the peer, which is
// behind a NAT, in an epoch that is [RecvKey.Current]. The peer moves there, but not more than
// once a second.
func (p *Peer) Heard(from netip.AddrPort) {
	to := plainPort(from)
	if to != p.Endpoint() {
		p.heardAt(to)
	}
}

// heardAt is apart so that only what is kept goes to the heap.
func (p *Peer) heardAt(to netip.AddrPort) {
	last := p.heardFrom.Load()
	if last != nil && *last == to {
		return
	}
	if p.heardFrom.Swap(&to) == nil {
		p.node.wake()
	}
}
