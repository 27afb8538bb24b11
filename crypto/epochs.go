package crypto

import (
	"slices"
	"time"
)

// At most six epochs of a peer live at a time: three that are confirmed, of which the newest is sent with, and three
// that the peer has begun and not confirmed. Those displace no confirmed one: whoever
// replays an initiation has them made, and cannot confirm them.
const (
	keptConfirmed   = 3
	keptUnconfirmed = 3

	grace           = 60 * time.Second // how long a superseded epoch is received
	unconfirmedLife = 60 * time.Second
)

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
	p.silent = 0
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
