package crypto

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/flynn/noise"
)

// The responder's side. What an initiation costs grows with what its sender has shown: a
// hash for anybody, an agreement for those who know our public key (or, under load, have
// shown their address too), and an epoch for a peer, once for each initiation it made.

// request is an initiation that decrypts.
type request struct {
	handshake *noise.HandshakeState
	peer      *Peer
	hello     hello
	index     uint32
	first     [macSize]byte
	from      netip.AddrPort
}

func (n *Node) receiveInitiation(message []byte, from netip.AddrPort, now time.Duration, out []Message) []Message {
	if len(message) != initiationSize {
		return n.refuse(RefusedForm, out)
	}
	if !n.firstHolds(message) {
		return n.refuse(RefusedMAC, out)
	}
	if !n.affordable(message, from, now) {
		return n.giveCookie(message, from, now, n.refuse(RefusedLoad, out))
	}
	r, why := n.read(message, from)
	switch {
	case r == nil:
		return n.refuse(why, out)
	case !n.fresh(r):
		r.peer.refused[RefusedStale]++
		return n.giveChallenge(r, now, out)
	}
	return n.respond(r, now, out)
}

// affordable reports whether to spend an agreement on an initiation.
func (n *Node) affordable(message []byte, from netip.AddrPort, now time.Duration) bool {
	if n.load.initiation(now) {
		return true
	}
	n.cost.hashes += 2
	return n.jar.holds(message, from, now) && n.load.proven(now, from.Addr())
}

// giveCookie answers an initiation, if it is worth an answer, with less bytes than it had.
func (n *Node) giveCookie(message []byte, from netip.AddrPort, now time.Duration, out []Message) []Message {
	if !n.load.cookie(now) {
		return out
	}
	index := binary.BigEndian.Uint32(message[4:])
	data, err := sealReply(n.cookies, n.config.Random, replyCookie, index, firstMAC(message), n.jar.give(from, now))
	if err != nil {
		return out
	}
	return append(out, Message{To: from, Data: data})
}

// read decrypts an initiation, and finds whose it is. Nothing is kept for strangers.
func (n *Node) read(message []byte, from netip.AddrPort) (*request, Refusal) {
	n.cost.handshakes++
	hs, public, payload, err := accept(n.noise, message[startSize:len(message)-2*macSize])
	if err != nil {
		return nil, RefusedHandshake
	}
	p := n.byKey[public]
	if p == nil {
		return nil, RefusedStranger
	}
	r := &request{handshake: hs, peer: p, first: firstMAC(message), from: from}
	r.index = binary.BigEndian.Uint32(message[4:])
	r.hello.parse(payload)
	if r.hello.index != r.index || !validQueues(r.hello.queues) {
		return nil, RefusedForm
	}
	return r, 0
}

// fresh reports whether an initiation is newer than all that were taken from its peer, or
// carries the challenge that holds now. A challenge does not lower what is newest: of the
// initiations recorded before the peer's clock went back, none may be taken again.
func (n *Node) fresh(r *request) bool {
	p := r.peer
	if string(r.hello.stamp[:]) > string(p.newest[:]) {
		return true
	}
	n.cost.hashes++
	return challengeHolds(n.challenger, p.public, p.taken, r.hello.challenge)
}

func (n *Node) giveChallenge(r *request, now time.Duration, out []Message) []Message {
	p := r.peer
	if !p.challenges.take(now, challengesPerSecond, challengesAtOnce) {
		return out
	}
	value := challengeOf(n.challenger, p.public, p.taken)
	data, err := sealReply(p.challengesGiven, n.config.Random, replyChallenge, r.index, r.first, value)
	if err != nil {
		return out
	}
	return append(out, Message{To: r.from, Data: data})
}

// respond makes an epoch and answers. Nothing else changes before the peer has sent a
// packet in it: an initiation may be fresh and still come from where somebody else has
// carried it.
func (n *Node) respond(r *request, now time.Duration, out []Message) []Message {
	p := r.peer
	p.taken++
	n.touched = p
	if string(r.hello.stamp[:]) > string(p.newest[:]) {
		p.newest = r.hello.stamp
	}
	index, err := n.freshIndex()
	if err != nil {
		return out
	}
	w := welcome{
		number: min(max(r.hello.number, p.number+1), p.number+maxStep, maxNumber), index: index,
		queues: uint8(n.config.Queues), nat: n.config.NAT, claimed: n.config.Local, observed: r.from,
	}
	data := putStart(make([]byte, 0, responseSize), TypeResponse, r.index)
	data, s, err := answer(r.handshake, p.psk, data, w.append(nil))
	if err != nil {
		return out
	}
	e, err := p.newEpoch(&agreement{
		secrets: s, number: w.number, initiator: p.public,
		own: index, peers: r.index, queues: r.hello.queues, from: r.from, begun: now,
	}, now)
	if err != nil {
		return out
	}
	p.addUnconfirmed(e)
	e.nat, e.claimed = r.hello.nat, r.hello.claimed
	return append(out, Message{To: r.from, Data: appendMACs(data, p.mac, nil)})
}
