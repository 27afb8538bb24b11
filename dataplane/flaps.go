package dataplane

import (
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/vxtap/vxtap/dataplane/fdb"
	"github.com/vxtap/vxtap/encap"
)

// A MAC that two VTEPs claim, because it was given out twice or because a loop brings
// its frames back, moves with every frame, and takes the frames of others with it. One
// that moved too often is held for a while, and somebody is told. What counts
// as too often is what EVPN takes for a duplicate (RFC 7432 section 15.1, N and M): a
// host that roams, or an address that a standby takes over, moves far less.
//
// It is held at its home, where it was before it began to move: whoever was there had it
// to himself for a whole window or from the beginning, and those who came later may be
// forging. EVPN forwards to any of the claimants, as its routes come from peers
// that it trusts; here anybody could have the frames of a host that keeps talking, for the
// price of six datagrams. A host that really moved, and whose MAC another one claims just
// then, is found again after the hold.
const (
	maxMoves    = 5   // that are followed
	movesWindow = 180 // seconds in which they are counted, and after which it is at home where it is
	movesHold   = 30  // seconds for which a MAC that moved more often is held
)

// maxFlaps bounds how many MACs of a network are watched. Those beyond are followed as if
// there were no damping.
const maxFlaps = 4096

// flaps counts the moves of a network's MACs. It is used under the network's mu, but for
// the counter.
type flaps struct {
	macs map[encap.MAC]flap
	held atomic.Uint64 // moves that were not followed
}

// flap is about a MAC that moved. Times are in the seconds of the VTEP's clock.
type flap struct {
	home  home
	since uint32 // the first of the moves that are counted
	last  uint32 // the last
	moves int
	until uint32 // it is held; 0 if it may move
}

// home is where a MAC was: one of the two is set. It outlives the destination.
type home struct {
	port   *port
	remote netip.AddrPort
}

// homeAt is d as a home.
func homeAt(d *destination) home {
	if d.port != nil {
		return home{port: d.port}
	}
	return home{remote: d.remotes[0]}
}

// over reports whether f has nothing more to say.
func (f *flap) over(now uint32) bool {
	if f.until != 0 {
		return now >= f.until
	}
	return now-f.last >= movesWindow
}

// move is what becomes of a MAC that is seen elsewhere.
type move uint8

const (
	moveFollowed move = iota
	moveHeld          // it stays
	moveTooMany       // it goes home, and is held there from now on
)

// move decides about a MAC that moves from where it is, and returns its home.
func (k *flaps) move(mac encap.MAC, from home, now uint32) (move, home) {
	f, known := k.macs[mac]
	switch {
	case !known && len(k.macs) >= maxFlaps:
		return moveFollowed, from
	case !known || f.over(now):
		f = flap{home: from, since: now}
	case f.until != 0:
		return moveHeld, f.home
	case now-f.since >= movesWindow: // but it was never anywhere for long
		f.since, f.moves = now, 0
	}
	f.last = now
	result := moveFollowed
	if f.moves++; f.moves > maxMoves {
		f.until, result = now+movesHold, moveTooMany
	}
	if k.macs == nil {
		k.macs = make(map[encap.MAC]flap)
	}
	k.macs[mac] = f
	return result, f.home
}

// expire forgets those that have not moved for a while.
func (k *flaps) expire(now uint32) {
	for mac, f := range k.macs {
		if f.over(now) {
			delete(k.macs, mac)
		}
	}
}

// moveTo has a MAC that is at another place than d go there, if it may. It reports false if
// there is something to tell of it. Caller holds mu.
func (n *Network) moveTo(mac encap.MAC, d, from *destination, now uint32) (e Event, quiet bool) {
	what, home := n.flaps.move(mac, homeAt(from), now)
	switch what {
	case moveFollowed:
		n.table.Learn(mac, d, now)
		return e, true
	case moveHeld:
		n.flaps.held.Add(1)
		return e, true
	}
	to, other := n.destinationAt(home, from), d
	if to == d {
		other = from
	} else {
		n.flaps.held.Add(1)
	}
	defer n.forget(to)
	n.table.Learn(mac, to, now)
	return n.flapping(mac, to, other), false
}

// destinationAt is the one for a home, or another if that port is gone. Caller holds mu.
func (n *Network) destinationAt(h home, other *destination) *destination {
	switch {
	case h.port == nil:
		return n.learnedRemote(h.remote)
	case slices.Contains(*n.ports.Load(), h.port):
		return h.port.dest
	}
	return other
}

// moved reports whether the table has a MAC as learned elsewhere than at d, and where.
func (n *Network) moved(mac encap.MAC, d *destination) (from *destination, moved bool) {
	from, class := n.table.Lookup(mac)
	return from, class == fdb.Learned && from != d
}

// flapping is the event that a MAC is not followed any more.
func (n *Network) flapping(mac encap.MAC, at, other *destination) Event {
	return Event{VNI: n.vni, MAC: mac, Err: fmt.Errorf("it moved more than %d times within %d s, and is taken to be %s for %d s, though it was seen %s too",
		maxMoves, movesWindow, at.place(), movesHold, other.place())}
}

// place says for people where d is.
func (d *destination) place() string {
	if d.port != nil {
		return "behind port " + d.port.name
	}
	return fmt.Sprintf("at %v", d.remotes[0])
}
