package crypto

import (
	"net/netip"
	"slices"
	"time"

	"github.com/flynn/noise"
)

// The initiator's side. A node wants a session with each of its peers at all times, and
// tries until it has one: thus a node that was restarted is heard again without anybody
// having to believe a stranger's datagrams.
const (
	firstPause = 300 * time.Millisecond // doubled with each try
	lastPause  = 5 * time.Second
	leastPause = 200 * time.Millisecond // whoever is in a hurry

	// mostHurries is how many tries waiting frames bring forward, until there is a session.
	// If they brought forward all, both ends would be busy with the newest tries for ever
	// where answers take longer than the pause.
	mostHurries = 3

	keptAttempts = 16 // more than are made in their life, unless the peer drives us
	attemptLife  = 10 * time.Second
)

// attempt is one initiation that was sent and not answered.
type attempt struct {
	peer      *Peer
	index     uint32 // the one that the epoch will have
	handshake *noise.HandshakeState
	first     [macSize]byte // its first MAC, to which cookies and challenges are bound
	number    uint64        // that it proposes
	sent      time.Duration
}

// startTrying begins to initiate at a time, unless that is under way.
func (p *Peer) startTrying(at time.Duration) {
	if p.nextTry == never {
		p.nextTry, p.pause = at, firstPause
	}
}

// stopTrying ends it: there is a new epoch.
func (p *Peer) stopTrying() {
	for _, a := range p.attempts {
		p.node.abandon(a)
	}
	p.attempts = nil
	p.nextTry, p.hurries, p.challenged = never, 0, false
	p.challenge = [macSize]byte{}
}

// hurry brings the next try forward, as a frame waits.
func (p *Peer) hurry() {
	if at := p.lastTry + leastPause; at < p.nextTry && p.hurries < mostHurries {
		p.hurries++
		p.nextTry, p.pause = at, max(p.pause/2, firstPause)
	}
}

// tryAgain brings the next try forward as the peer asked for it, but does not let it set the
// pace.
func (p *Peer) tryAgain(now time.Duration) {
	p.nextTry = min(p.nextTry, max(now, p.lastTry+leastPause))
}

func (n *Node) abandon(a *attempt) {
	delete(n.attempts, a.index)
	forget(a.handshake)
}

// forgetAttempts drops those whose answer would come too late.
func (p *Peer) forgetAttempts(now time.Duration) {
	p.attempts = slices.DeleteFunc(p.attempts, func(a *attempt) bool {
		old := now >= a.sent+attemptLife
		if old {
			p.node.abandon(a)
		}
		return old
	})
}

// try sends an initiation and sets the time of the next.
func (p *Peer) try(now time.Duration, out []Message) []Message {
	p.lastTry = now
	p.nextTry = now + p.node.jitter(p.pause)
	p.pause = min(2*p.pause, lastPause)
	p.tries++
	a, data, err := p.initiation(now)
	if err != nil {
		return out // no random bytes: the next try may have some
	}
	if len(p.attempts) == keptAttempts {
		p.node.abandon(p.attempts[0])
		p.attempts = slices.Delete(p.attempts, 0, 1)
	}
	p.attempts = append(p.attempts, a)
	p.node.attempts[a.index] = a
	return append(out, Message{To: p.target(), Data: data})
}

// target is where the next initiation goes. A peer that moved and is silent since may be
// where the configuration says, so every other try goes there.
func (p *Peer) target() netip.AddrPort {
	if len(p.attempts) > 1 && p.tries%2 == 0 {
		return p.vtep
	}
	return p.Endpoint()
}

func (p *Peer) initiation(now time.Duration) (*attempt, []byte, error) {
	n := p.node
	index, err := n.freshIndex()
	if err != nil {
		return nil, nil, err
	}
	p.stamp = laterStamp(p.stamp, stampOf(n.config.Wall()))
	h := hello{
		stamp: p.stamp, challenge: p.challenge,
		number: p.number + 1, index: index,
		queues: uint8(n.config.Queues), nat: n.config.NAT, claimed: n.config.Local,
	}
	data := putStart(make([]byte, 0, initiationSize), TypeInitiation, index)
	hs, data, err := initiate(n.noise, p.public, p.psk, data, h.append(nil))
	if err != nil {
		return nil, nil, err
	}
	data = appendMACs(data, p.mac, p.freshCookie(now))
	return &attempt{peer: p, index: index, handshake: hs, first: firstMAC(data), number: h.number, sent: now}, data, nil
}

// laterStamp makes stamps go up while the clock stands or goes back: only a node that was
// restarted with an earlier clock needs a challenge.
func laterStamp(last, now stamp) stamp {
	if next := last.next(); string(now[:]) < string(next[:]) {
		return next
	}
	return now
}

// freshCookie is the cookie that the peer gave, or nil.
func (p *Peer) freshCookie(now time.Duration) *[macSize]byte {
	if p.cookie == nil || now >= p.cookieAt+cookieLife {
		p.cookie = nil
	}
	return p.cookie
}
