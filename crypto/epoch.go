package crypto

import (
	"bytes"
	"fmt"
	"net/netip"
	"time"
)

// never is a time that does not come.
const never = time.Duration(1<<63 - 1)

// A peer that counts from the moon must not make numbers turn round, nor leave us with
// numbers that the other end does not follow.
const (
	maxNumber = 1 << 62
	maxStep   = 1 << 32 // by which one handshake may raise the number
)

// epoch is what one handshake made: a key for each direction. It is guarded by the node's
// mutex, but for the keys, which guard themselves.
type epoch struct {
	// number orders the epochs of two peers alike at both ends, whatever the order in
	// which their handshakes end: each is greater than all that the responder knew.
	// Handshakes that cross may get the same one; the public key of the initiator
	// decides then.
	number    uint64
	initiator PublicKey

	index      uint32 // ours
	send       *SendKey
	receive    *RecvKey
	begun      time.Duration // when our initiation was sent, or the peer's came
	made       time.Duration
	superseded time.Duration // never: it is not

	// What the initiation of a peer said and where it came from; believed once the
	// epoch is confirmed.
	from    netip.AddrPort
	claimed netip.AddrPort
	nat     bool

	confirmAt    time.Duration // when the initiator confirms again, unless it has heard something
	confirmAfter time.Duration
}

// newer reports whether e is to be used rather than o.
func (e *epoch) newer(o *epoch) bool {
	if e.number != o.number {
		return e.number > o.number
	}
	if order := bytes.Compare(e.initiator[:], o.initiator[:]); order != 0 {
		return order > 0
	}
	return e.made >= o.made
}

// heard reports whether a packet was authenticated in the epoch.
func (e *epoch) heard() bool { return e.receive.Packets() > 0 }

// agreement is what the two payloads of a handshake agree on, and its secrets.
type agreement struct {
	secrets   secrets
	number    uint64
	initiator PublicKey
	own       uint32 // the index that packets to us carry
	peers     uint32
	queues    uint8 // the peer's
	from      netip.AddrPort
	begun     time.Duration
}

// newEpoch derives the keys of an agreement and makes the receiving one known to the
// workers, when the call that led here ends. The agreement's secrets are wiped.
func (p *Peer) newEpoch(a *agreement, now time.Duration) (*epoch, error) {
	defer a.secrets.wipe()
	n := p.node
	e := &epoch{
		number: min(a.number, maxNumber), initiator: a.initiator,
		index: a.own, from: a.from,
		begun: a.begun, made: now, superseded: never, confirmAt: never,
	}
	var err error
	if e.send, e.receive, err = n.transport(p, a); err != nil {
		return nil, fmt.Errorf("keys of an epoch: %w", err)
	}
	n.epochs[e.index] = e
	n.stale = true
	return e, nil
}
