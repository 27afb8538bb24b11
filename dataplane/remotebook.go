package dataplane

import (
	"net/netip"
	"slices"
	"sync/atomic"
)

// maxRemoteCounters is how many remotes of a network are counted each by itself. Whoever
// reads the counters remembers every one that there was, and anyone who can send datagrams
// to a network that learns can seem to be many, and to be others tomorrow. So those that were
// named take the place of some that are gone, and those that were only learned do not: of
// these there are never more in all.
const maxRemoteCounters = 128

// RemoteCounts is what one remote of a network has to do with.
type RemoteCounts struct {
	// Addr is the VTEP's; invalid for all that are not counted by themselves.
	Addr netip.Addr
	// Frames that were sent to it, and that were let in from it whatever became of them
	// then, with their bytes from the Ethernet header on. All are of wire size.
	OutFrames, OutBytes uint64
	InFrames, InBytes   uint64
}

// remoteCounters are those of one remote, a tally for each worker of a direction. Only that
// worker writes to it; the last one of out is the sealer's.
type remoteCounters struct {
	out, in []remoteTally
}

type remoteTally struct {
	frames, bytes atomic.Uint64
	_             [cacheLine - 16]byte
}

func newRemoteCounters(workers int) *remoteCounters {
	return &remoteCounters{out: make([]remoteTally, workers+1), in: make([]remoteTally, workers)}
}

// sent counts what worker i sent.
func (c *remoteCounters) sent(i, frames, bytes int) {
	c.out[i].frames.Add(uint64(frames))
	c.out[i].bytes.Add(uint64(bytes))
}

// addTo adds what was counted to a reading.
func (c *remoteCounters) addTo(to *RemoteCounts) {
	for i := range c.out {
		to.OutFrames += c.out[i].frames.Load()
		to.OutBytes += c.out[i].bytes.Load()
	}
	for i := range c.in {
		to.InFrames += c.in[i].frames.Load()
		to.InBytes += c.in[i].bytes.Load()
	}
}

// remoteBook has the counters of a network's remotes. In-workers look addresses up in it
// without a lock; it is changed under the network's mu.
type remoteBook struct {
	workers int
	list    atomic.Pointer[[]bookEntry] // by address; replaced whole, never changed in place
	other   *remoteCounters             // of those that have no entry
}

type bookEntry struct {
	addr     netip.Addr
	counters *remoteCounters
}

func (b *remoteBook) init(workers int) {
	b.workers, b.other = workers, newRemoteCounters(workers)
	b.list.Store(new([]bookEntry))
}

func (e bookEntry) compare(a netip.Addr) int { return e.addr.Compare(a) }

// find returns the counters of a remote: others' too, if it has none of its own.
func (b *remoteBook) find(a netip.Addr) *remoteCounters {
	list := *b.list.Load()
	if i, found := slices.BinarySearchFunc(list, a, bookEntry.compare); found {
		return list[i].counters
	}
	return b.other
}

// counts reads the counters, by address, and last those of others if there were any.
func (b *remoteBook) counts() []RemoteCounts {
	var list []RemoteCounts
	for _, e := range *b.list.Load() {
		c := RemoteCounts{Addr: e.addr}
		e.counters.addTo(&c)
		list = append(list, c)
	}
	var other RemoteCounts
	if b.other.addTo(&other); other != (RemoteCounts{}) {
		list = append(list, other)
	}
	return list
}

// roomFor makes room for the counters of remotes, if there are any that are gone; n.mu is held.
func (n *Network) roomFor(remotes []netip.AddrPort) {
	for _, r := range remotes {
		list := *n.book.list.Load()
		if _, found := slices.BinarySearchFunc(list, r.Addr(), bookEntry.compare); !found && len(list) >= maxRemoteCounters {
			n.withoutGone(list)
		}
	}
}

// counted returns the counters of a remote that becomes a destination, which gets some of
// its own if there is room; n.mu is held.
func (n *Network) counted(a netip.Addr) *remoteCounters {
	b := &n.book
	list := *b.list.Load()
	i, found := slices.BinarySearchFunc(list, a, bookEntry.compare)
	switch {
	case found:
		return list[i].counters
	case len(list) >= maxRemoteCounters:
		return b.other
	}
	e := bookEntry{a, newRemoteCounters(b.workers)}
	list = slices.Insert(slices.Clone(list), i, e)
	b.list.Store(&list)
	return e.counters
}

// withoutGone takes one remote off the list that is no destination any more, if there is
// one, and has its counts go over to the others'. What a worker adds to them in the batch
// under way is lost.
func (n *Network) withoutGone(list []bookEntry) {
	i := slices.IndexFunc(list, func(e bookEntry) bool {
		return len(n.named[e.addr]) == 0 && n.remotes[n.listener(e.addr)] == nil
	})
	if i < 0 {
		return
	}
	var c RemoteCounts
	list[i].counters.addTo(&c)
	o := n.book.other
	o.sent(n.book.workers, int(c.OutFrames), int(c.OutBytes))
	o.in[0].frames.Add(c.InFrames)
	o.in[0].bytes.Add(c.InBytes)
	list = slices.Delete(slices.Clone(list), i, i+1)
	n.book.list.Store(&list)
}

// A sender adds up what an in-worker lets in from one remote to one network, so that what
// others may be reading is touched once for many frames.
type sender struct {
	network       *Network
	addr          netip.Addr
	counters      *remoteCounters
	frames, bytes uint64
}

// turn makes a remote the one that is counted for.
func (s *sender) turn(n *Network, a netip.Addr, worker int) {
	if s.network == n && s.addr == a {
		return
	}
	s.post(worker)
	s.network, s.addr, s.counters = n, a, n.book.find(a)
}

// count adds what was entered in the ledger.
func (s *sender) count(e *ledgerEntry) {
	s.frames += e.weight
	s.bytes += e.bytes
}

// countOne adds a frame that joined another.
func (s *sender) countOne(bytes int) {
	s.frames++
	s.bytes += uint64(bytes)
}

// post brings the sums to the counters, and forgets whose they were: they may change.
func (s *sender) post(worker int) {
	if s.network == nil {
		return
	}
	t := &s.counters.in[worker]
	t.frames.Add(s.frames)
	t.bytes.Add(s.bytes)
	*s = sender{}
}
