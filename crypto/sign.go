package crypto

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// Signs are packets of the control queue that carry no frame: the initiator's
// confirmation of an epoch, the responder's answer to it, and keepalives.
const (
	firstConfirm = 100 * time.Millisecond // until a confirmation is sent again, doubled with each
	lastConfirm  = 3200 * time.Millisecond
)

// sendSign seals a sign in an epoch.
func (p *Peer) sendSign(e *epoch, answer bool, to netip.AddrPort, out []Message) []Message {
	body := sign{answer: answer, observed: to}.append(make([]byte, 0, signBody))
	data, ok := e.send.seal(TypeKeepalive, ControlQueue, make([]byte, 0, signSize), body, 0)
	if !ok {
		return out
	}
	return append(out, Message{To: to, Data: data})
}

// sendConfirmation shows the responder that we have the keys. Until anything is heard in
// the epoch it is sent again a few times.
func (p *Peer) sendConfirmation(e *epoch, now time.Duration, out []Message) []Message {
	e.confirmAfter = max(2*e.confirmAfter, firstConfirm)
	e.confirmAt = now + e.confirmAfter
	return p.sendSign(e, true, p.Endpoint(), out)
}

// serveConfirmation sends the confirmation again, or gives the epoch up: it is used on,
// in case that only answers are lost, but another is begun.
func (p *Peer) serveConfirmation(now time.Duration, out []Message) []Message {
	e := p.current()
	switch {
	case e == nil || e.confirmAt == never:
	case e.heard():
		e.confirmAt = never
	case now < e.confirmAt:
	case e.confirmAfter >= lastConfirm:
		e.confirmAt = never
		p.startTrying(now)
	default:
		return p.sendConfirmation(e, now, out)
	}
	return out
}

// receiveSign takes a keepalive or confirmation. It is copied, as opening is done in place.
func (n *Node) receiveSign(message []byte, from netip.AddrPort, now time.Duration, out []Message) []Message {
	if len(message) != signSize {
		return n.refuse(RefusedForm, out)
	}
	e := n.epochs[binary.BigEndian.Uint32(message[4:])]
	if e == nil {
		return n.refuse(RefusedIndex, out)
	}
	packet := [signSize]byte(message)
	plain, _, verdict := e.receive.Open(packet[:])
	if verdict != Opened {
		if verdict == BadHeader {
			return n.refuse(RefusedForm, out)
		}
		return out // counted by the key
	}
	p, s := e.receive.Peer(), parseSign(plain)
	n.touched = p
	if e.superseded == never {
		p.hearConfirmed(e, from, now)
		p.compareOurs(s.observed)
		p.move(from, now)
	}
	if s.answer {
		return p.sendSign(e, false, plainPort(from), out)
	}
	return out
}

// hearConfirmed takes an epoch that the peer began, if a packet has been opened in it.
func (p *Peer) hearConfirmed(e *epoch, from netip.AddrPort, now time.Duration) {
	for _, u := range p.unconfirmed {
		if u == e {
			p.peerNAT = e.nat
			p.compare(e.claimed, from)
			p.confirm(e, now)
			return
		}
	}
}

const (
	// silentAsk and silentGone are after how many keepalive intervals without anything
	// from the peer it is asked for a sign although frames are sent, and a new session is
	// begun. An idle end asks at each.
	silentAsk  = 2
	silentGone = 5
)

// serveKeepalive sends a sign if nothing else was sent for a while, and has the peer show
// that it is there if nothing was heard. Behind a NAT that is needed: a peer that was
// restarted cannot reach us, and the session that we have with it is gone.
func (p *Peer) serveKeepalive(now time.Duration, out []Message) []Message {
	e := p.current()
	if e == nil || now < p.keepaliveAt {
		return out
	}
	if p.silent++; e.receive.Packets() != p.keptHeard {
		p.silent = 0
	}
	idle := e.send.Packets() == p.kept
	if idle || p.silent >= silentAsk {
		out = p.sendSign(e, p.silent > 0, p.Endpoint(), out)
	}
	if p.silent >= silentGone {
		p.startTrying(now)
	}
	p.restKeepalive(e, now)
	return out
}

func (p *Peer) restKeepalive(e *epoch, now time.Duration) {
	p.keepaliveAt, p.kept, p.keptHeard = never, e.send.Packets(), e.receive.Packets()
	if every := p.node.config.Keepalive; every > 0 {
		p.keepaliveAt = now + every
	}
}
