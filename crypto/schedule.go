package crypto

import "time"

// When things are due. Rotation comes from the initiator of an epoch, at a random point
// between 90 % and 95 % of RotateAfter so that peers do not rotate all at once. Its
// responder begins at 97 % if that did not happen. What is left is for tries that are
// lost, so that no epoch is used for longer than RotateAfter while both ends are there.
const (
	rotateEarliest = 0.90
	rotateSpread   = 0.05
	rotateOther    = 0.97

	defaultRotation  = 12 * time.Hour
	defaultKeepalive = 20 * time.Second // NATs ought to keep a mapping for 2 minutes (RFC 4787 section 4.3); many have 30 s
	leastExtension   = time.Minute
)

// MinRotation is the least time between rotations that a node begins by itself.
const MinRotation = 10 * time.Second

// lifetime is how long an epoch may be sent and received with, if nobody renews it: an
// hour more than the 12 it should be, and in proportion.
func (n *Node) lifetime() time.Duration {
	return n.config.RotateAfter + max(n.config.RotateAfter/12, leastExtension)
}

// rotation is when this node begins to renew an epoch.
func (p *Peer) rotation(e *epoch) time.Duration {
	n := p.node
	share := rotateOther
	if e.initiator == n.public {
		share = rotateEarliest + rotateSpread*n.fraction()
	}
	return e.made + time.Duration(share*float64(n.config.RotateAfter))
}

// jitter is between 75 % and 125 % of a time.
func (n *Node) jitter(d time.Duration) time.Duration {
	return d*3/4 + time.Duration(n.fraction()*float64(d)/2)
}

// serve does what is due for a peer.
func (p *Peer) serve(now time.Duration, out []Message) []Message {
	p.listen(now)
	p.expire(now)
	p.forgetAttempts(now)
	p.plan(now)
	p.tellMoved(now)
	p.complain(now)
	out = p.serveConfirmation(now, out)
	out = p.serveWhereabouts(now, out)
	out = p.serveKeepalive(now, out)
	if now >= p.nextTry {
		out = p.try(now, out)
	}
	return out
}

// listen takes what workers have left. Data that confirms an epoch moves nobody: it comes
// from any port, and the confirmation proper is on its way.
func (p *Peer) listen(now time.Duration) {
	for i := 0; i < len(p.unconfirmed); i++ {
		if e := p.unconfirmed[i]; e.heard() {
			p.hearConfirmed(e, e.from, now)
			i = -1 // the list is another one
		}
	}
	if p.heardFrom.Load() != nil && now >= p.heardMove+movePause {
		p.heardMove = now
		p.move(*p.heardFrom.Swap(nil), now)
	}
}

// plan decides whether a session is to be begun.
func (p *Peer) plan(now time.Duration) {
	wanted := p.wanted.Swap(false)
	e := p.current()
	if e == nil {
		p.startTrying(now)
		if wanted {
			p.hurry()
		}
		return
	}
	if p.exhausting.Swap(false) {
		p.rotateAt = min(p.rotateAt, max(now, e.made+MinRotation))
	}
	if now >= p.rotateAt {
		p.startTrying(now)
	}
	if due := e.made + p.node.config.RotateAfter; now >= due && !p.overdue {
		p.overdue = true
		p.node.tell(NotRenewed, p, e.number)
	}
}

// deadline is when serve has something to do, if nothing comes before.
func (p *Peer) deadline() time.Duration {
	at := p.nextTry
	for _, a := range p.attempts {
		at = min(at, a.sent+attemptLife)
	}
	if len(p.unconfirmed) > 0 {
		at = min(at, p.unconfirmedEnd(0))
	}
	for i := range p.confirmed {
		at = min(at, p.confirmedEnd(i))
	}
	at = min(at, p.moveDeadline())
	e := p.current()
	if e == nil {
		return min(at, p.complainAt)
	}
	if p.nextTry == never {
		at = min(at, p.rotateAt)
	}
	if !p.overdue {
		at = min(at, e.made+p.node.config.RotateAfter)
	}
	return min(at, e.made+p.node.lifetime(), e.confirmAt, p.keepaliveAt, p.askAt)
}
