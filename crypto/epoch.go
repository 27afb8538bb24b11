package crypto

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// An epoch is what one handshake made: a key for each direction. At most six of a peer's
// live at a time: three that are confirmed, of which the newest is sent with, and three
// that the peer has begun and not confirmed. Those displace no confirmed one: whoever
// replays an initiation has them made, and cannot confirm them.
const (
	keptConfirmed   = 3
	keptUnconfirmed = 3

	grace           = 60 * time.Second // how long a superseded epoch is received
	unconfirmedLife = 60 * time.Second
)

// never is a time that does not come.
const never = time.Duration(1<<63 - 1)

// maxNumber keeps a peer that counts from the moon from making numbers turn round.
const maxNumber = 1 << 62

// epoch is guarded by the node's mutex, but for the keys, which are their own guards.
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
}

// newEpoch derives the keys of an agreement and makes the receiving one known to the
// workers, when the call that led here ends. The agreement's secrets are wiped.
func (p *Peer) newEpoch(a *agreement, now time.Duration) (*epoch, error) {
	defer a.secrets.wipe()
	n := p.node
	e := &epoch{
		number: min(a.number, maxNumber), initiator: a.initiator,
		index: a.own, from: a.from,
		made: now, superseded: never, confirmAt: never,
	}
	var err error
	if e.send, e.receive, err = n.transport(p, a); err != nil {
		return nil, fmt.Errorf("keys of an epoch: %w", err)
	}
	p.number = max(p.number, e.number)
	n.epochs[e.index] = e
	n.stale = true
	return e, nil
}

// addUnconfirmed keeps an epoch that the peer began until a packet comes in it.
func (p *Peer) addUnconfirmed(e *epoch) {
	if len(p.unconfirmed) == keptUnconfirmed {
		p.drop(p.unconfirmed[0])
		p.unconfirmed = slices.Delete(p.unconfirmed, 0, 1)
	}
	p.unconfirmed = append(p.unconfirmed, e)
}

// confirm takes an epoch that both ends have shown to have the keys of. It is sent with
// from now on, unless a newer one is there already.
func (p *Peer) confirm(e *epoch, now time.Duration) {
	p.unconfirmed = slices.DeleteFunc(p.unconfirmed, func(u *epoch) bool { return u == e })
	at := len(p.confirmed)
	for i, c := range p.confirmed {
		if e.newer(c) {
			at = i
			break
		}
	}
	p.confirmed = slices.Insert(p.confirmed, at, e)
	for i, c := range p.confirmed {
		if i > 0 && c.superseded == never {
			c.superseded = now
			c.confirmAt = never
		}
	}
	for len(p.confirmed) > keptConfirmed {
		p.drop(p.confirmed[keptConfirmed])
		p.confirmed = p.confirmed[:keptConfirmed]
	}
	p.stopTrying()
	if at == 0 {
		p.use(e, now)
	}
}

// use begins to send with the newest epoch, and to count its time.
func (p *Peer) use(e *epoch, now time.Duration) {
	kind := Rotated
	if p.sending.Swap(e.send) == nil {
		kind = Established
	}
	p.overdue = false
	p.exhausting.Store(false)
	p.rotateAt = p.rotation(e)
	p.restKeepalive(e, now)
	p.node.tell(kind, p, e.number)
}

// current is the epoch that is sent with, or nil.
func (p *Peer) current() *epoch {
	if len(p.confirmed) == 0 {
		return nil
	}
	return p.confirmed[0]
}

// drop ends an epoch: nobody finds it any more, and our copies of its keys are wiped. A
// worker that holds it this very moment finishes its packet.
func (p *Peer) drop(e *epoch) {
	p.sent += e.send.Packets()
	p.received += e.receive.Packets()
	p.refused[RefusedForged] += e.receive.Forged()
	p.refused[RefusedReplayed] += e.receive.Replayed()
	delete(p.node.epochs, e.index)
	p.node.stale = true
	e.send.wipe()
	e.receive.wipe()
}

// expire drops epochs whose time is over. The current one goes too when nobody renewed
// it: sealed networks rather stand still than go on for ever with old keys.
func (p *Peer) expire(now time.Duration) {
	p.unconfirmed = slices.DeleteFunc(p.unconfirmed, func(e *epoch) bool {
		return p.dropIf(e, now >= e.made+unconfirmedLife)
	})
	if e := p.current(); e != nil && now >= e.made+p.node.lifetime() {
		p.sending.Store(nil)
		p.node.tell(Expired, p, e.number)
		for _, e := range p.confirmed {
			p.drop(e)
		}
		p.confirmed = nil
	}
	p.confirmed = slices.DeleteFunc(p.confirmed, func(e *epoch) bool {
		return p.dropIf(e, e.superseded != never && now >= e.superseded+grace)
	})
}

func (p *Peer) dropIf(e *epoch, over bool) bool {
	if over {
		p.drop(e)
	}
	return over
}
