package crypto

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// receiveReply takes a cookie or a challenge for an initiation that is not answered. The first
// challenge of a series of tries is answered at once; a peer that goes on and on with them is
// followed at our pace, and is news once.
func (n *Node) receiveReply(message []byte, now time.Duration, out []Message) []Message {
	if len(message) != answerSize {
		return n.refuse(RefusedForm, out)
	}
	index, kind := replyTo(message)
	a := n.attempts[index]
	if a == nil {
		return n.refuse(RefusedIndex, out)
	}
	p := a.peer
	n.touched = p
	switch kind {
	case replyCookie:
		value, ok := openReply(p.cookies, message, a.first)
		if !ok {
			break
		}
		p.cookie, p.cookieAt = &value, now
		p.tryAgain(now)
		return out
	case replyChallenge:
		value, ok := openReply(p.challengesTaken, message, a.first)
		if !ok {
			break
		}
		p.challenge = value
		if p.challenged {
			p.tryAgain(now)
			return out
		}
		p.challenged = true
		n.tell(Challenged, p, p.number)
		return p.try(now, out)
	}
	p.refused[RefusedHandshake]++
	p.answered = true
	return out
}

// receiveResponse ends a handshake that we began: its epoch is used at once, and the peer
// told so.
func (n *Node) receiveResponse(message []byte, from netip.AddrPort, now time.Duration, out []Message) []Message {
	a, why := n.answered(message, now)
	if a == nil {
		return n.refuse(why, out)
	}
	p := a.peer
	n.touched = p
	w, s, err := n.readResponse(a, message)
	if err != nil {
		p.refused[RefusedHandshake]++
		p.answered = true
		return out
	}
	if w.number > max(p.number, a.number)+maxStep {
		s.wipe()
		p.refused[RefusedForm]++
		return out
	}
	e, err := p.newEpoch(&agreement{
		secrets: s, number: w.number, initiator: n.public,
		own: a.index, peers: w.index, queues: w.queues, from: from, begun: a.sent,
	}, now)
	s.wipe()
	if err != nil {
		p.refused[RefusedForm]++
		return out
	}
	p.peerNAT = w.nat
	p.compare(w.claimed, from)
	p.compareOurs(w.observed)
	p.move(from, now)
	p.confirm(e, now)
	return p.sendConfirmation(e, now, out)
}

// answered returns the attempt that a response is to, if it is worth an agreement.
func (n *Node) answered(message []byte, now time.Duration) (*attempt, Refusal) {
	if len(message) != responseSize {
		return nil, RefusedForm
	}
	a := n.attempts[binary.BigEndian.Uint32(message[4:])]
	switch {
	case a == nil:
		return nil, RefusedIndex
	case !n.firstHolds(message):
		return nil, RefusedMAC
	case !n.load.response(now):
		return nil, RefusedLoad
	}
	return a, 0
}

// readResponse decrypts a response. A forged one leaves the attempt as it is: the genuine
// one may still come.
func (n *Node) readResponse(a *attempt, message []byte) (w welcome, s secrets, err error) {
	n.cost.handshakes++
	payload, s, err := complete(a.handshake, message[startSize:len(message)-2*macSize])
	if err == nil {
		w.parse(payload)
	}
	return w, s, err
}
