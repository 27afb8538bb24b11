package dataplane

import "github.com/vxtap/vxtap/dataplane/fdb"

// NetworkStats is a reading of a network's counters.
type NetworkStats struct {
	Out Counts // from ports to the underlay or other ports
	In  Counts // from the underlay to ports
	// Refused is how often a MAC was not learned because the limit was reached.
	Refused uint64
	// MovesHeld is how often a MAC was not followed to another remote because it moves to
	// and fro.
	MovesHeld uint64
	// Remotes is what went to and came from each remote.
	Remotes []RemoteCounts
	// Learned and Static are how many entries of these classes the table has now.
	Learned, Static int
}

// Stats reads the network's counters.
func (n *Network) Stats() NetworkStats {
	return NetworkStats{
		Out:     sumCounters(n.out),
		In:      sumCounters(n.in),
		Refused: n.table.Refused(),

		MovesHeld: n.flaps.held.Load(),
		Remotes:   n.book.counts(),
		Learned:   n.table.Count(fdb.Learned),
		Static:    n.table.Count(fdb.Static),
	}
}

// Stats is a reading of what a VTEP counts apart from its networks.
type Stats struct {
	// Stray is what came in that belongs to no network; it is all dropped. Its bytes
	// count from the VXLAN header on.
	Stray Counts
	// UnderlayDrops is what the kernel dropped because a socket's buffer was full.
	UnderlayDrops uint64
	// Unlearned is how many new or moved MACs were not looked at because a worker's
	// ring was full. Their next frames make up for it.
	Unlearned uint64
	// HandshakesLost is how many messages of handshakes were not looked at because too
	// many came at once. They are sent again.
	HandshakesLost uint64
	// ReceiveErrors is how often an underlay could not be received from.
	ReceiveErrors uint64
	// TrainsRefused is to how many remotes no trains are sent now, as a route to them
	// does not take any. A group MAC's remotes count as one.
	TrainsRefused int
}

// Stats reads the counters that belong to no network.
func (v *VTEP) Stats() Stats {
	var s Stats
	for _, w := range v.in {
		s.Stray.add(&w.stray)
		s.UnderlayDrops += w.underlay.Drops()
		s.ReceiveErrors += w.errors.total.Load()
		s.HandshakesLost += w.letters.lost()
	}
	for _, r := range v.rings() {
		s.Unlearned += r.lost.Load()
	}
	for _, n := range v.Networks() {
		for _, d := range n.table.Destinations() {
			if !d.trains.allowed(&v.clock) {
				s.TrainsRefused++
			}
		}
	}
	return s
}
