package station

import (
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/vxtap/vxtap/encap"
)

// What RFC 4861 section 10 says, and Linux does for ARP too.
const (
	retransmit    = time.Second      // RETRANS_TIMER: between questions
	maxAsked      = 3                // MAX_MULTICAST_SOLICIT and MAX_UNICAST_SOLICIT
	reachableTime = 30 * time.Second // REACHABLE_TIME: half to one and a half of it, at random
	checkAfter    = 5 * time.Second  // DELAY_FIRST_PROBE_TIME: until one in use is asked again
)

const (
	forgetAfter = time.Minute     // how long one that nobody uses is kept; gc_stale_time of Linux
	refuseFor   = 3 * time.Second // how long packets are refused before it is asked again
)

// neighbour is another station, as far as it is known.
type neighbour struct {
	addr netip.Addr
	next atomic.Pointer[neighbour] // in the table's bucket
	word atomic.Uint64             // what workers go by: a fate and a MAC
	used atomic.Bool               // a packet went there since the clerk last looked

	// Under Station.mu.
	state   state
	asked   int        // questions since the state was entered
	toAll   bool       // of a suspect: all are asked, not only who has the address so far
	late    bool       // it has waited for routes once
	due     time.Time  // when the clerk is to look at it
	since   time.Time  // in this state; of stale ones
	sender  netip.Addr // of the packet that made us ask
	waiting []kept
	bytes   int // of those
}

// state is as RFC 4861 section 7.3.2 has it. What is called DELAY there is part of stale
// here.
type state uint8

const (
	incomplete state = iota // asked for; packets wait
	reachable               // has answered lately
	stale                   // has not been heard of lately; if it is used, it is asked again
	probe                   // is asked again, and used meanwhile
	failed                  // nobody answered; packets are refused
)

// fate is what becomes of a packet for a neighbour.
type fate uint8

const (
	fateUnknown fate = iota // it waits, or the table has to be asked again
	fateSent                // to the MAC
	fateRefused
)

func word(f fate, m encap.MAC) uint64 { return m.Uint64()<<8 | uint64(f) }

// told returns the fate of packets, and the MAC they are sent to.
func (n *neighbour) told() (fate, encap.MAC) {
	w := n.word.Load()
	return fate(w), encap.MACFromUint64(w >> 8)
}

func (n *neighbour) mac() encap.MAC {
	_, m := n.told()
	return m
}

// asking reports whether an answer is expected.
func (n *neighbour) asking() bool { return n.state == incomplete || n.state == probe }

// use notes that a packet goes there.
func (n *neighbour) use() {
	if !n.used.Load() {
		n.used.Store(true)
	}
}

// become enters a state; the clerk looks at the neighbour after a time.
func (n *neighbour) become(s state, now time.Time, after time.Duration) {
	n.state, n.asked, n.toAll = s, 0, false
	n.since, n.due = now, now.Add(after)
}

// randomReachable is different for each, so that neighbours that came together are not
// asked together ever after (RFC 4861 section 6.3.2).
func randomReachable() time.Duration { return reachableTime/2 + rand.N(reachableTime) }
