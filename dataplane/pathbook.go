package dataplane

import (
	"cmp"
	"crypto/rand"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/vxtap/vxtap/encap"
)

// A pathBook is what the VTEP knows of remotes whose path is narrower than the interface
// that leads to them. Routers and the system say so; workers only see the MTUs, which
// are copied to each destination that leads there.
//
// What a router said holds for ten minutes. Then probes are sent, datagrams as long as
// the interface takes that no VTEP makes anything of. If one is refused, what the router
// says now holds for ten more; if none is, the path is as wide as the interface again.
// No frame of a user's is put at risk (RFC 8899, but that those who refuse are heard
// instead of those who receive).
type pathBook struct {
	mu      sync.Mutex
	narrow  map[way]*narrowPath
	ways    map[netip.Addr]string // how remotes were reached when their routes last changed
	known   bool                  // whether there was any at the last look at the clock
	refused chan netip.AddrPort   // to whom the system did not send because of the size
	stop    chan struct{}
	running sync.WaitGroup

	// Of those that read reports alone.
	second  time.Time
	reports int // in it
}

// narrowPath is one that is narrower than the interface.
type narrowPath struct {
	remote netip.AddrPort // to whom the refused datagram went
	way    string         // how it went there
	mtu    int
	until  time.Time                  // when it is probed, and then when the next probe is sent
	probes int                        // sent since
	probe  [encap.PathReportHead]byte // how they begin
}

const (
	// pathLife is how long a reported MTU holds (RFC 1191 section 6.3, RFC 8201 section 4).
	pathLife = 10 * time.Minute
	// maxProbes is how often a path is probed, as probes and reports get lost.
	maxProbes = 3
	// probePause lies between probes, and behind the last: time for a report to come back.
	probePause = 2 * time.Second
	// minPathMTU4 is the least that an IPv4 path is taken for, as in Linux
	// (net.ipv4.route.min_pmtu). What has to pass all the same is fragmented, see
	// Network.carried.
	minPathMTU4 = 552
	// maxNarrow bounds the book.
	maxNarrow = 4096
)

func (b *pathBook) init() {
	b.narrow = make(map[way]*narrowPath)
	b.ways = make(map[netip.Addr]string)
	b.refused = make(chan netip.AddrPort, 16)
	b.stop = make(chan struct{})
}

// tell copies what is known of the paths of a destination to it.
func (b *pathBook) tell(d *destination) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range d.remotes {
		b.copyTo(d.lane(i))
	}
}

// tellAll does so for all destinations. Caller holds mu.
func (b *pathBook) tellAll(networks []*Network) {
	for l := range lanes(networks) {
		b.copyTo(l)
	}
}

func (b *pathBook) copyTo(l lane) {
	var mtu uint32
	if p := b.narrow[l.way()]; p != nil {
		mtu = uint32(p.mtu)
	}
	if l.path.mtu.Load() != mtu { // or workers' caches are disturbed for nothing
		l.path.mtu.Store(mtu)
	}
}

// PathInfo is what is known of a path that is narrower than the interface.
type PathInfo struct {
	Remote netip.Addr
	MTU    int           // in bytes of IP packet
	Holds  time.Duration // until it is probed
}

// Paths lists the paths that are narrower than the interface, by remote: the narrowest where
// several networks or peers know of several.
func (v *VTEP) Paths() []PathInfo {
	b := &v.paths
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]PathInfo, 0, len(b.narrow))
	for w, p := range b.narrow {
		list = append(list, PathInfo{Remote: w.to, MTU: p.mtu, Holds: max(time.Until(p.until), 0)})
	}
	slices.SortFunc(list, func(a, b PathInfo) int {
		return cmp.Or(a.Remote.Compare(b.Remote), a.MTU-b.MTU, int(b.Holds-a.Holds))
	})
	return slices.CompactFunc(list, func(a, b PathInfo) bool { return a.Remote == b.Remote })
}

// keepPaths starts what keeps the book.
func (v *VTEP) keepPaths() {
	v.paths.running.Go(v.watchPaths)
	if v.cfg.Paths != nil {
		v.paths.running.Go(v.hearRouters)
	}
}

// closePaths ends it.
func (v *VTEP) closePaths() (err error) {
	close(v.paths.stop)
	if v.cfg.Paths != nil {
		err = v.cfg.Paths.Close()
	}
	v.paths.running.Wait()
	return err
}

// watchPaths takes what workers were refused, and has the paths probed whose time is up.
func (v *VTEP) watchPaths() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case remote := <-v.paths.refused:
			v.refusedTooBig(remote)
		case now := <-tick.C:
			v.probePaths(now)
		case <-v.paths.stop:
			return
		}
	}
}

// refusedTooBig finds out why the system did not send.
func (v *VTEP) refusedTooBig(remote netip.AddrPort) {
	mtu := v.interfaceMTU()
	if v.cfg.Paths != nil {
		var err error
		if mtu, err = v.cfg.Paths.MTU(remote.Addr()); err != nil {
			return // the route is gone, say; others count that
		}
	}
	v.narrow(remote, mtu, func(lane) bool { return true })
}

// narrow notes the MTU of the paths to a remote that what says so is believed of.
func (v *VTEP) narrow(remote netip.AddrPort, mtu int, believed func(lane) bool) {
	networks := v.Networks() // before mu, which those who change them take
	how := v.wayTo(remote.Addr())
	b := &v.paths
	b.mu.Lock()
	news := false
	for l := range lanes(networks) {
		if l.to == remote && believed(l) && b.note(l.way(), remote, how, mtu) {
			news = true
		}
	}
	if news {
		b.tellAll(networks)
	}
	b.mu.Unlock()
	if news {
		v.teller.tell(Event{Remote: remote, PathMTU: mtu})
	}
}

// note writes the MTU of a path down, and reports whether it is another than before. It is
// raised only in answer to a probe.
func (b *pathBook) note(w way, remote netip.AddrPort, how string, mtu int) (news bool) {
	p := b.narrow[w]
	if p == nil && len(b.narrow) >= maxNarrow || p != nil && p.probes == 0 && mtu > p.mtu {
		return false
	}
	news = p == nil || mtu != p.mtu
	b.narrow[w] = &narrowPath{remote: remote, way: how, mtu: mtu, until: time.Now().Add(pathLife)}
	return news
}

// probePaths probes the paths whose MTU has held long enough, and lets go of those that
// nobody has anything against any more. Peers that have moved meanwhile get what is known
// of the path to where they are now.
func (v *VTEP) probePaths(now time.Time) {
	networks := v.Networks()
	b := &v.paths
	b.mu.Lock()
	var due []narrowPath
	known := len(b.narrow) > 0
	for w, p := range b.narrow {
		switch {
		case now.Before(p.until):
		case p.probes == maxProbes:
			delete(b.narrow, w)
		default:
			p.prepareProbe(now)
			due = append(due, *p)
		}
	}
	if known || b.known { // once more after the last, for destinations that were just being made
		b.tellAll(networks)
	}
	b.known = known
	b.mu.Unlock()
	for i := range due {
		v.probe(&due[i])
	}
}

// prepareProbe counts one. Probes begin with a VXLAN header that has no flag set, so that
// every VTEP drops them, and is random where a sealed packet has its index: who quotes it
// has seen it.
func (p *narrowPath) prepareProbe(now time.Time) {
	if p.probes == 0 {
		_, _ = rand.Read(p.probe[len(p.probe)/2:]) // it never fails
	}
	p.probes++
	p.until = now.Add(probePause)
}

// probe sends a datagram as long as the interface takes.
func (v *VTEP) probe(p *narrowPath) {
	header := encap.IPv4MinSize + encap.UDPSize
	if p.remote.Addr().Is6() {
		header = encap.IPv6Size + encap.UDPSize
	}
	d := encap.Datagram{Data: make([]byte, v.interfaceMTU()-header), Remote: p.remote, TTL: DefaultTTL}
	copy(d.Data, p.probe[:])
	if err := v.cfg.Underlays[0].Post(&d); sendDrop(err) == DropTooBig {
		v.refusedTooBig(p.remote) // the interface itself, or what the system knows
	}
}

// tooBig reports that the system did not send to a remote because of the size, unless
// enough is waiting already.
func tooBig(refused chan<- netip.AddrPort, remote netip.AddrPort) {
	select {
	case refused <- remote:
	default:
	}
}
