package crypto

import (
	"net/netip"
	"time"
)

// probePause is the least time between two questions to where a peer was.
const probePause = time.Second

// move sets the endpoint. Somebody on the path can have it set to anything by carrying a
// packet there before it arrives, so the peer is asked, where it was, whether it has really
// gone (as in QUIC, RFC 9000 section 9.3.3): its answer from there moves it back.
func (p *Peer) move(to netip.AddrPort) {
	to = plainPort(to)
	if !to.IsValid() || to == p.Endpoint() {
		return
	}
	p.probe = p.endpoint.Swap(&to)
	p.moves++
	p.node.tell(Moved, p, p.number)
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

// serveProbe asks a peer that moved for an answer from where it was.
func (p *Peer) serveProbe(now time.Duration, out []Message) []Message {
	e := p.current()
	if p.probe == nil || e == nil || now < p.probeAt {
		return out
	}
	out = p.sendSign(e, true, *p.probe, out)
	p.probe, p.probeAt = nil, now+probePause
	return out
}
