package crypto

import (
	"net/netip"
	"time"
)

// Somebody on the path can have a peer looked for anywhere, by carrying one of its packets
// there and on to us before it arrives. So a peer that is not where it is configured is
// asked there, again and again, and for a while also where it was before it moved (as in
// QUIC, RFC 9000 section 9.3.3). An answer moves it back. Questions are as long as answers,
// and are answered only by the peer.
const (
	firstAsk = time.Second // after which a question is repeated, doubled with each
	lastAsk  = 30 * time.Second
	longAsk  = 16 * time.Second // from which on only the configured address is asked
)

// movePause is the least time between two moves by data, and between two that are told. A
// peer that is heard from two addresses in turn would otherwise cost us one for each packet.
const movePause = time.Second

// move sets the endpoint.
func (p *Peer) move(to netip.AddrPort, now time.Duration) {
	to = plainPort(to)
	if !to.IsValid() || to == p.Endpoint() {
		return
	}
	p.previous = *p.endpoint.Swap(&to)
	p.moves++
	p.askAfter, p.askAt = 0, p.askedAt+firstAsk
	p.tellMoved(now)
}

// tellMoved tells where the peer is, unless that is known, or another place was told just now.
func (p *Peer) tellMoved(now time.Duration) {
	if at := p.Endpoint(); at != p.told && now >= p.toldAt+movePause {
		p.told, p.toldAt = at, now
		p.node.tell(Moved, p, p.number)
	}
}

// moveDeadline is when a move is done or told that had to wait.
func (p *Peer) moveDeadline() time.Duration {
	at := never
	if p.heardFrom.Load() != nil {
		at = p.heardMove + movePause
	}
	if p.Endpoint() != p.told {
		at = min(at, p.toldAt+movePause)
	}
	return at
}

// compare notes whether the peer is where it believes to be.
func (p *Peer) compare(claimed, from netip.AddrPort) {
	if claimed.IsValid() {
		p.translated = plainAddress(claimed) != plainAddress(from)
	}
	p.weighNAT()
}

// compareOurs notes whether we are where we believe to be.
func (p *Peer) compareOurs(observed netip.AddrPort) {
	if own := p.node.config.Local; observed.IsValid() && own.IsValid() && !own.Addr().IsUnspecified() {
		p.ourNAT = plainAddress(own) != plainAddress(observed)
	}
	p.weighNAT()
}

func (p *Peer) weighNAT() {
	p.fromListener.Store(p.node.config.NAT || p.peerNAT || p.translated || p.ourNAT)
}

// serveWhereabouts asks a peer that moved where else it may be. One that is where it is
// configured is asked nowhere.
func (p *Peer) serveWhereabouts(now time.Duration, out []Message) []Message {
	e, at := p.current(), p.Endpoint()
	if now < p.askAt || e == nil {
		return out
	}
	p.askAt = never
	if at == p.vtep {
		return out
	}
	out = p.sendSign(e, true, p.vtep, out)
	if p.askAfter < longAsk && p.previous != p.vtep && p.previous != at {
		out = p.sendSign(e, true, p.previous, out)
	}
	p.askAfter = min(max(2*p.askAfter, firstAsk), lastAsk)
	p.askedAt, p.askAt = now, now+p.askAfter
	return out
}
