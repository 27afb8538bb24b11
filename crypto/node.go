package crypto

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"io"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flynn/noise"
)

// Config is what a node is made of.
type Config struct {
	Identity PrivateKey
	Suite    Suite          // the same at all nodes: with another one no handshake succeeds
	Local    netip.AddrPort // our VTEP's, told to peers so that they see a NAT; zero: not known
	Queues   int            // that are sealed on, 1 to MaxQueues; peers are told
	NAT      bool           // we are behind one: keepalives, and everything from the listening port

	// Keepalive is how long nothing is sent before a keepalive is; 0: 20 s with NAT, and
	// none without.
	Keepalive time.Duration

	// RotateAfter is how old an epoch gets at the most; 0: 12 hours.
	RotateAfter time.Duration

	// Clock must go on while the machine sleeps (CLOCK_BOOTTIME): keys age then too.
	// nil: the time since the node was made, which on Linux stands still in sleep.
	Clock func() time.Duration

	Wall   func() time.Time // for the stamps of initiations; nil: time.Now
	Random io.Reader        // nil: crypto/rand

	// Wake says that Poll has something to do before the time it returned. It is called
	// by any goroutine, must not block, and must not call the node.
	Wake func()

	// Events is told what an operator wants to know, by the goroutine whose call caused
	// it. nil: nobody.
	Events func(Event)
}

// Node is one end of sealed sessions with any number of peers. It does no I/O: the owner
// hands it what arrives and sends what it returns, from the listening port to the
// address in the message.
//
// Receive and Poll are called by one goroutine at a time, which owns the control queue of
// all sending keys: what it seals itself on [ControlQueue] must not be sealed while
// either runs. All other methods may be called by any goroutine.
type Node struct {
	config Config
	public PublicKey
	noise  noise.Config

	receiving atomic.Pointer[keyIndex]

	mu       sync.Mutex
	closed   bool
	peers    []*Peer
	byKey    map[PublicKey]*Peer
	epochs   map[uint32]*epoch
	attempts map[uint32]*attempt
	stale    bool          // receiving is not what epochs is
	promised time.Duration // when Poll is called at the latest
	touched  *Peer         // whose deadline Receive may have changed

	own        *mac        // of messages to us
	cookies    cipher.AEAD // of those we give
	jar        *jar
	challenger *mac
	load       load

	refused Refusals
	cost    cost
	events  []Event // told once the mutex is free
}

// cost counts what strangers make this node do.
type cost struct {
	hashes     uint64
	handshakes uint64 // messages of which the Noise part was read
}

// NewNode makes a node without peers.
func NewNode(c Config) (*Node, error) {
	if !validQueues(uint8(min(max(c.Queues, 0), 255))) {
		return nil, fmt.Errorf("%d sending queues: want 1 to %d", c.Queues, MaxQueues)
	}
	if c.Suite.keySize() == 0 {
		return nil, fmt.Errorf("unknown cipher: %v", c.Suite)
	}
	if c.Identity == (PrivateKey{}) {
		return nil, fmt.Errorf("%w: a node needs a private key", ErrBadKey)
	}
	c.setDefaults()
	n := &Node{
		config:   c,
		public:   c.Identity.Public(),
		byKey:    make(map[PublicKey]*Peer),
		epochs:   make(map[uint32]*epoch),
		attempts: make(map[uint32]*attempt),
		promised: never,
	}
	n.noise = noiseConfig(noise.DHKey{Private: n.config.Identity[:], Public: n.public[:]}, c.Suite, c.Random)
	n.own, n.load.seed = ofPublic(n.public), maphash.MakeSeed()
	n.receiving.Store(newKeyIndex(nil))
	var err error
	if n.cookies, err = cookieCipher(n.public); err != nil {
		return nil, err
	}
	if n.jar, err = newJar(c.Random, c.Clock()); err != nil {
		return nil, err
	}
	n.challenger, err = newChallenger(c.Random)
	return n, err
}

func (c *Config) setDefaults() {
	if c.Clock == nil {
		start := time.Now()
		c.Clock = func() time.Duration { return time.Since(start) }
	}
	if c.Wall == nil {
		c.Wall = time.Now
	}
	if c.Random == nil {
		c.Random = rand.Reader
	}
	if c.RotateAfter <= 0 {
		c.RotateAfter = defaultRotation
	}
	if c.Keepalive <= 0 && c.NAT {
		c.Keepalive = defaultKeepalive
	}
}

func validQueues(n uint8) bool { return n >= 1 && n <= MaxQueues }

// Public is the node's identity.
func (n *Node) Public() PublicKey { return n.public }

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

// Rotate begins a handshake with a peer at once, unless one was begun in the last 200 ms.
func (n *Node) Rotate(p *Peer) error {
	defer n.wake()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.byKey[p.public] != p {
		return fmt.Errorf("rotate keys with %v: %w", p.public, ErrUnknownPeer)
	}
	at := n.config.Clock()
	if len(p.attempts) > 0 {
		at = max(at, p.lastTry+leastPause)
	}
	p.startTrying(at)
	p.nextTry = min(p.nextTry, at)
	return nil
}

// Receive takes a message of the types 0x41 to 0x44, which anybody may have sent, and
// appends to out what is to be sent. The message is not kept.
func (n *Node) Receive(message []byte, from netip.AddrPort, out []Message) []Message {
	n.mu.Lock()
	defer n.finish()
	if n.closed {
		return out
	}
	if len(message) < startSize || message[1] != Version || message[2] != 0 || message[3] != 0 {
		return n.refuse(RefusedForm, out)
	}
	now := n.config.Clock()
	from = plainPort(from)
	switch message[0] {
	case TypeInitiation:
		return n.receiveInitiation(message, from, now, out)
	case TypeResponse:
		return n.receiveResponse(message, from, now, out)
	case TypeCookie:
		return n.receiveReply(message, now, out)
	case TypeKeepalive:
		return n.receiveSign(message, from, now, out)
	}
	return n.refuse(RefusedForm, out)
}

// Poll does what is due, appends to out what is to be sent, and returns how long it has
// nothing to do unless Wake is called.
func (n *Node) Poll(out []Message) (messages []Message, next time.Duration) {
	n.mu.Lock()
	defer n.finish()
	now := n.config.Clock()
	n.promised = never
	for _, p := range n.peers {
		out = p.serve(now, out)
	}
	at := n.deadline()
	n.promised = at
	return out, max(0, at-now)
}

func (n *Node) deadline() time.Duration {
	at := never
	for _, p := range n.peers {
		at = min(at, p.deadline())
	}
	return at
}

// Message is a datagram to be sent from the listening port. Its bytes are the receiver's.
type Message struct {
	To   netip.AddrPort
	Data []byte
}

// Receiving returns the key whose packets carry the index, or nil. It takes no lock.
func (n *Node) Receiving(index uint32) *RecvKey { return n.receiving.Load().find(index) }

// publish shows the workers which receiving keys there are.
func (n *Node) publish() {
	if n.stale {
		n.receiving.Store(newKeyIndex(n.epochs))
		n.stale = false
	}
}

// finish ends a call: keys are published before the caller sends anything that the peer
// may answer with them, and nobody else's code runs under the mutex.
func (n *Node) finish() {
	n.publish()
	early := n.touched != nil && n.touched.deadline() < n.promised
	n.touched = nil
	events := n.events
	n.events = nil
	n.mu.Unlock()
	if early {
		n.wake()
	}
	for _, e := range events {
		n.config.Events(e)
	}
}

func (n *Node) wake() {
	if n.config.Wake != nil {
		n.config.Wake()
	}
}

func (n *Node) tell(kind EventKind, p *Peer, number uint64) {
	if n.config.Events != nil {
		n.events = append(n.events, Event{Kind: kind, Peer: p, Endpoint: p.Endpoint(), Epoch: number})
	}
}

func (n *Node) refuse(why Refusal, out []Message) []Message {
	n.refused[why]++
	return out
}

// firstHolds reports whether the sender of a message knows our public key.
func (n *Node) firstHolds(message []byte) bool {
	n.cost.hashes++
	return firstHolds(message, n.own)
}

// freshIndex is a random index that nothing of ours has. 0 is none.
func (n *Node) freshIndex() (uint32, error) {
	for {
		var b [4]byte
		if _, err := io.ReadFull(n.config.Random, b[:]); err != nil {
			return 0, fmt.Errorf("random index: %w", err)
		}
		index := binary.BigEndian.Uint32(b[:])
		if index != 0 && n.epochs[index] == nil && n.attempts[index] == nil {
			return index, nil
		}
	}
}

// fraction is random, at least 0 and less than 1.
func (n *Node) fraction() float64 {
	var b [8]byte
	if _, err := io.ReadFull(n.config.Random, b[:]); err != nil {
		return 0
	}
	return float64(binary.BigEndian.Uint64(b[:])>>11) / (1 << 53)
}
