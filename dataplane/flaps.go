package dataplane

import (
	"fmt"
	"net/netip"
	"sync/atomic"

	"github.com/vxtap/vxtap/dataplane/fdb"
	"github.com/vxtap/vxtap/encap"
)

// A MAC that two VTEPs claim, because it was given out twice or because a loop brings
// its frames back, moves with every frame, and takes the frames of others with it. One
// that moved too often stays where it is for a while, and somebody is told. What counts
// as too often is what EVPN takes for a duplicate (RFC 7432 section 15.1, N and M): a
// host that roams, or an address that a standby takes over, moves far less.
const (
	maxMoves    = 5   // that are followed
	movesWindow = 180 // seconds in which they are counted
	movesHold   = 30  // seconds for which a MAC that moved more often stays
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
	since uint32 // the first of the moves
	moves int
	until uint32 // it stays; 0 if it may move
}

// over reports whether f has nothing more to say.
func (f *flap) over(now uint32) bool {
	if f.until != 0 {
		return now >= f.until
	}
	return now-f.since >= movesWindow
}

// follow reports whether a MAC that moves may do so, and if not, whether this is the
// first move that is held back.
func (k *flaps) follow(mac encap.MAC, now uint32) (ok, first bool) {
	f, known := k.macs[mac]
	switch {
	case !known && len(k.macs) >= maxFlaps:
		return true, false
	case !known || f.over(now):
		f = flap{since: now}
	case f.until != 0:
		k.held.Add(1)
		return false, false
	}
	if f.moves++; f.moves > maxMoves {
		f.until = now + movesHold
		k.held.Add(1)
		first = true
	}
	if k.macs == nil {
		k.macs = make(map[encap.MAC]flap)
	}
	k.macs[mac] = f
	return !first, first
}

// expire forgets those that have not moved for a while.
func (k *flaps) expire(now uint32) {
	for mac, f := range k.macs {
		if f.over(now) {
			delete(k.macs, mac)
		}
	}
}

// moved reports whether the table has a MAC as learned elsewhere than at d, and where.
func (n *Network) moved(mac encap.MAC, d *destination) (from *destination, moved bool) {
	from, class := n.table.Lookup(mac)
	return from, class == fdb.Learned && from != d
}

// flapping is the event that a MAC is not followed to a remote any more.
func (n *Network) flapping(mac encap.MAC, from *destination, to netip.AddrPort) Event {
	return Event{VNI: n.vni, MAC: mac, Err: fmt.Errorf("it moved more than %d times within %d s, and stays %s for %d s although %v has it too",
		maxMoves, movesWindow, from.place(), movesHold, to)}
}

// place says for people where d is.
func (d *destination) place() string {
	if d.port != nil {
		return "behind port " + d.port.name
	}
	return fmt.Sprintf("at %v", d.remotes[0])
}
