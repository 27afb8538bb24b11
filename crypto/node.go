package crypto

import (
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flynn/noise"
)

// Node is one end of sealed sessions with any number of peers. It does no I/O: the owner
// hands it what arrives and sends what it returns, from the listening port to the
// address in the message.
//
// Receive and Poll are called by one goroutine at a time, as what they return is in order.
// All other methods may be called by any goroutine, and so may the [ControlQueue] of sending
// keys, which has a mutex.
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

// Public is the node's identity.
func (n *Node) Public() PublicKey { return n.public }

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
