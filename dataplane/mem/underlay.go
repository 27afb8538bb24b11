package mem

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/vxtap/vxtap/encap"
)

// Underlay is one queue of a VTEP's UDP side on a [Network].
//
// One goroutine sends and one receives, and any may post. The sending side has no lock,
// so that the race detector finds those who break this.
type Underlay struct {
	network *Network
	addr    netip.AddrPort
	queue   int // among those that share addr
	sources int
	shared  bool
	discard bool
	closed  atomic.Bool

	out     outgoing // of the goroutine that sends
	posting sync.Mutex
	post    outgoing // of who holds posting
	sent    sentCounts

	mu       sync.Mutex
	arrived  sync.Cond
	in       fifo[packet]
	repeat   repeat[encap.Datagram]
	transit  transit
	received uint64
	dropped  uint64
}

// outgoing is what sending needs, of one sender at a time.
type outgoing struct {
	rng     *rand.Rand
	scratch []byte // a datagram in one piece
}

// packet is a datagram that has arrived, in a buffer of the queue's.
type packet struct {
	data    []byte
	from    netip.AddrPort
	segment uint16
	tos     uint8
	ttl     uint8
}

type sentCounts struct{ sent, lost, duplicated, reordered, vanished atomic.Uint64 }

// UnderlayCounts is what an underlay has seen, in datagrams; a train that the wire
// keeps counts as one. Over all underlays of a network, once nothing is under way,
// Sent + Duplicated = Lost + Vanished + Arrived + Dropped.
type UnderlayCounts struct {
	Sent       uint64 // put on the wire
	Lost       uint64 // of those, taken by Loss
	Duplicated uint64 // copies made by Duplicate
	Reordered  uint64 // copies held back by Reorder
	Vanished   uint64 // sent to nobody, or to one who closed before they arrived
	Arrived    uint64 // queued to be received, or discarded by a sink
	Dropped    uint64 // arrived at a full queue
}

func newUnderlay(n *Network, addr netip.AddrPort, queue int, cfg UnderlayConfig) *Underlay {
	if cfg.Depth <= 0 {
		cfg.Depth = DefaultDepth
	}
	u := &Underlay{
		network: n,
		addr:    addr,
		queue:   queue,
		sources: cfg.Sources,
		shared:  cfg.Shared,
		discard: cfg.Discard,
		out:     outgoing{rng: n.rng(addr, queue)},
		post:    outgoing{rng: n.rng(addr, ^queue)}, // the luck of no queue's Send
		in:      newFIFO[packet](cfg.Depth),
	}
	u.arrived.L = &u.mu
	return u
}

// Addr is the address that the underlay listens on.
func (u *Underlay) Addr() netip.AddrPort { return u.addr }

// Sources is the number of source-port sockets.
func (u *Underlay) Sources() int { return u.sources }

// TrainLimit is how many datagrams one train may have: as many as Linux takes.
func (u *Underlay) TrainLimit() int { return 64 }

// Drops is how many datagrams came when the receive queue was full.
func (u *Underlay) Drops() uint64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.dropped
}

// Counts returns the counters.
func (u *Underlay) Counts() UnderlayCounts {
	u.mu.Lock()
	defer u.mu.Unlock()
	return UnderlayCounts{
		Sent:       u.sent.sent.Load(),
		Lost:       u.sent.lost.Load(),
		Duplicated: u.sent.duplicated.Load(),
		Reordered:  u.sent.reordered.Load(),
		Vanished:   u.sent.vanished.Load(),
		Arrived:    u.received,
		Dropped:    u.dropped,
	}
}

// Close ends a Recv under way and takes the underlay off the network, with what is on
// the way to it. It may be called again.
func (u *Underlay) Close() error {
	if u.closed.Swap(true) {
		return nil
	}
	u.network.leave(u)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.sent.vanished.Add(uint64(u.transit.stop()))
	u.arrived.Broadcast()
	return nil
}

// Recv blocks until at least one datagram is there and returns those that are, at most
// len(dgrams). After Close the error is [net.ErrClosed].
func (u *Underlay) Recv(dgrams []encap.Datagram) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for u.in.n == 0 && !u.repeat.left() && !u.closed.Load() {
		u.arrived.Wait()
	}
	return u.takeAll(dgrams)
}

// Poll is Recv that does not block: it returns 0 if no datagram is there.
func (u *Underlay) Poll(dgrams []encap.Datagram) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.takeAll(dgrams)
}

// takeAll takes what fits dgrams; u.mu is held.
func (u *Underlay) takeAll(dgrams []encap.Datagram) (int, error) {
	if u.closed.Load() {
		return 0, net.ErrClosed
	}
	for i := range dgrams {
		if !u.take(&dgrams[i]) {
			return i, nil
		}
	}
	return len(dgrams), nil
}

// take copies the next datagram into d's buffer and reports whether there was one.
func (u *Underlay) take(d *encap.Datagram) bool {
	if r := u.repeat.peek(); r != nil {
		deliver(d, packet{r.Data, r.Remote, r.SegmentSize, r.TOS, r.TTL})
		u.repeat.advance()
		return true
	}
	if u.in.n == 0 {
		return false
	}
	p := *u.in.front()
	deliver(d, p)
	u.in.pop(p.data)
	return true
}

func deliver(d *encap.Datagram, p packet) {
	n := copy(d.Data, p.data)
	*d = encap.Datagram{
		Data:        d.Data[:n],
		Remote:      p.from,
		SegmentSize: p.segment,
		TOS:         p.tos,
		TTL:         p.ttl,
		Truncated:   n < len(p.data),
	}
}

// Repeat makes Recv return copies of dgrams, over and over, n in all, before anything
// that arrives: a source for benchmarks, which costs one copy a datagram. Remote is
// where they seem to come from. It takes its own copy of dgrams, and replaces what an
// earlier call left.
func (u *Underlay) Repeat(dgrams []encap.Datagram, n uint64) {
	own := make([]encap.Datagram, len(dgrams))
	for i, d := range dgrams {
		own[i] = d
		own[i].Data = gather(make([]byte, 0, d.Len()), d.Data, d.More)
		own[i].More = nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.repeat = newRepeat(own, n)
	u.arrived.Broadcast()
}
