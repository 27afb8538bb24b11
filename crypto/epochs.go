package crypto

import (
	"slices"
	"time"
)

// Of a peer's epochs three that are confirmed live at a time, of which the newest is sent
// with, and three that the peer has begun and not confirmed. Those displace no confirmed one:
// whoever replays an initiation has them made, and cannot confirm them. What is young stays
// beside newer ones, as packets in it may be on their way.
const (
	keptConfirmed   = 3
	keptUnconfirmed = 3
	keptYoung       = 16 // of either kind, however young

	grace           = 60 * time.Second // how long a superseded epoch is received
	leastGrace      = 2 * time.Second  // although three are newer
	unconfirmedLife = 60 * time.Second
	leastLife       = attemptLife // of one that is not confirmed: as long as an answer is taken
)

// addUnconfirmed keeps an epoch that the peer began until a packet comes in it.
func (p *Peer) addUnconfirmed(e *epoch) {
	p.unconfirmed = append(p.unconfirmed, e)
	if len(p.unconfirmed) > keptYoung {
		p.drop(p.unconfirmed[0])
		p.unconfirmed = slices.Delete(p.unconfirmed, 0, 1)
	}
}

// unconfirmedEnd is when one of the unconfirmed epochs is dropped.
func (p *Peer) unconfirmedEnd(i int) time.Duration {
	if newer := len(p.unconfirmed) - 1 - i; newer >= keptUnconfirmed {
		return p.unconfirmed[i].made + leastLife
	}
	return p.unconfirmed[i].made + unconfirmedLife
}

// confirmedEnd is when one of the confirmed epochs is dropped because it is superseded.
func (p *Peer) confirmedEnd(i int) time.Duration {
	switch at := p.confirmed[i].superseded; {
	case at == never:
		return never
	case i >= keptConfirmed:
		return at + leastGrace
	default:
		return at + grace
	}
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
			c.receive.superseded.Store(true)
		}
	}
	if len(p.confirmed) > keptYoung {
		p.drop(p.confirmed[keptYoung])
		p.confirmed = p.confirmed[:keptYoung]
	}
	p.number = max(p.number, e.number)
	p.stopTrying()
	if at == 0 {
		p.use(e, now)
	} else { // the newest may be due still, but is not renewed in a circle
		p.rotateAt = max(p.rotateAt, now+MinRotation)
	}
	p.goOnRotating(now)
}

// goOnRotating begins once more if somebody asked for a rotation after the handshake of the
// current epoch had begun.
func (p *Peer) goOnRotating(now time.Duration) {
	if p.requested == never {
		return
	}
	if p.current().begun >= p.requested {
		p.requested = never
		return
	}
	p.startTrying(max(now, p.lastTry+rotatePause))
}

// use begins to send with the newest epoch, and to count its time.
func (p *Peer) use(e *epoch, now time.Duration) {
	// The peer may answer what a worker sends at once, in the same epoch.
	p.node.publish()
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
	for len(p.unconfirmed) > 0 && now >= p.unconfirmedEnd(0) {
		p.drop(p.unconfirmed[0])
		p.unconfirmed = slices.Delete(p.unconfirmed, 0, 1)
	}
	if e := p.current(); e != nil && now >= e.made+p.node.lifetime() {
		p.sending.Store(nil)
		p.node.tell(Expired, p, e.number)
		for _, e := range p.confirmed {
			p.drop(e)
		}
		p.confirmed = nil
		p.complainAt = now + firstComplaint
	}
	for i := len(p.confirmed) - 1; i > 0; i-- {
		if now >= p.confirmedEnd(i) {
			p.drop(p.confirmed[i])
			p.confirmed = slices.Delete(p.confirmed, i, i+1)
		}
	}
}
