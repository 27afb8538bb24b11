package crypto

import (
	"crypto/cipher"
	"fmt"
	"sync"
	"sync/atomic"
)

// Verdict is what became of a packet that was to be opened.
type Verdict uint8

const (
	Opened    Verdict = iota // it is genuine and new
	BadHeader                // it is too short, or has a type, version, flag, index or queue that cannot be
	Forged                   // it is not what the peer sealed with this key
	Replayed                 // it is genuine, and was here before, or is too old to tell
)

// String returns the verdict in a word or two.
func (v Verdict) String() string {
	switch v {
	case Opened:
		return "opened"
	case BadHeader:
		return "bad header"
	case Forged:
		return "forged"
	case Replayed:
		return "replayed"
	}
	return fmt.Sprintf("verdict %d", uint8(v))
}

// RecvKey is the receiving half of an epoch.
type RecvKey struct {
	aead  atomic.Pointer[cipher.AEAD] // nil once the epoch has ended
	index uint32                      // the one that we gave the peer

	// Both are set before others see the key. confirm, if not nil, is called once, by the
	// goroutine that opened the first packet, when that is counted. It must not block.
	peer    *Peer
	confirm func()

	heard      atomic.Bool
	superseded atomic.Bool // there is a newer epoch that is confirmed

	queues []recvQueue // the peer's; the last is the control queue's
}

// recvQueue is what is known of one sending queue of the peer's. Sockets are steered by
// the queue in the header, so that one worker has all packets of a queue, and never waits
// for the mutex. It is there because a stranger, a change of the number of sockets, or a
// handshake's goroutine with a packet that was handed on, may break that rule. It guards
// the nonce as well, hence is held while the packet is decrypted.
type recvQueue struct {
	mu     sync.Mutex
	nonce  [nonceSize]byte // here, because what is passed to an interface goes to the heap
	window window

	opened, forged, replayed atomic.Uint64 // written under mu, read by anybody
	_                        [64]byte      // keeps the next queue's mutex off this line
}

// newRecvKey makes the receiving half of an epoch, for the number of sending queues that
// the peer announced, from 1 to [MaxQueues]. The key is copied.
func newRecvKey(suite Suite, key []byte, index uint32, queues int) (*RecvKey, error) {
	if queues < 1 || queues > MaxQueues {
		return nil, fmt.Errorf("receiving key for %d queues: want 1 to %d", queues, MaxQueues)
	}
	aead, err := suite.aead(key)
	if err != nil {
		return nil, err
	}
	k := &RecvKey{index: index, queues: make([]recvQueue, queues+1)}
	k.aead.Store(&aead)
	return k, nil
}

// Current reports whether no newer epoch is confirmed. What is late, or was kept back, says
// nothing about where the peer is now.
func (k *RecvKey) Current() bool { return !k.superseded.Load() }

// Peer returns whose packets the key opens.
func (k *RecvKey) Peer() *Peer { return k.peer }

// Open decrypts a packet of type [TypeData] or [TypeKeepalive] in place, and then asks
// whether it has come before. plain is the part of packet between header and tag, as the
// peer sealed it: in data, a VXLAN header and a frame. With any other verdict than [Opened]
// it is nil, and what the packet's bytes are by then means nothing. Any number of
// goroutines may call it.
func (k *RecvKey) Open(packet []byte) (plain []byte, flags uint16, v Verdict) {
	if len(packet) < Overhead {
		return nil, 0, BadHeader
	}
	h := Header(packet[:HeaderSize])
	at := slot(h.Queue(), len(k.queues)-1)
	if !h.known() || h.Index() != k.index || at < 0 {
		return nil, 0, BadHeader
	}
	aead := k.aead.Load()
	if aead == nil {
		return nil, 0, BadHeader // its index is nobody's any more
	}
	plain, v = k.queues[at].open(*aead, h, packet[HeaderSize:])
	if v != Opened {
		return nil, 0, v
	}
	if !k.heard.Load() {
		k.hear()
	}
	return plain, h.Flags(), Opened
}

// open decrypts in place, and keeps count.
func (q *recvQueue) open(aead cipher.AEAD, h Header, body []byte) ([]byte, Verdict) {
	q.mu.Lock()
	defer q.mu.Unlock()
	copy(q.nonce[nonceSize-8:], h[counterOffset:])
	plain, err := aead.Open(body[:0], q.nonce[:], body, h)
	switch {
	case err != nil:
		q.forged.Add(1)
		return nil, Forged
	case !q.window.accept(h.Counter()):
		q.replayed.Add(1)
		return nil, Replayed
	}
	q.opened.Add(1)
	return plain, Opened
}

// hear tells of the first packet that was opened, once.
func (k *RecvKey) hear() {
	if k.heard.CompareAndSwap(false, true) && k.confirm != nil {
		k.confirm()
	}
}

// Packets returns how many packets were opened, of all queues and types.
func (k *RecvKey) Packets() (n uint64) {
	for i := range k.queues {
		n += k.queues[i].opened.Load()
	}
	return n
}

// Forged returns how many packets had a good header and were not sealed with this key.
func (k *RecvKey) Forged() (n uint64) {
	for i := range k.queues {
		n += k.queues[i].forged.Load()
	}
	return n
}

// Replayed returns how many packets were genuine and not new.
func (k *RecvKey) Replayed() (n uint64) {
	for i := range k.queues {
		n += k.queues[i].replayed.Load()
	}
	return n
}

// wipe ends the epoch, as [SendKey] says.
func (k *RecvKey) wipe() { k.aead.Store(nil) }
