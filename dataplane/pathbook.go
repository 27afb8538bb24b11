package dataplane

import (
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
	narrow  map[netip.Addr]*narrowPath
	refused chan netip.AddrPort // to whom the system did not send because of the size
	stop    chan struct{}
	running sync.WaitGroup
	telling sync.Mutex // held while an event is told

	// Of those that read reports alone.
	second  time.Time
	reports int // in it
}

// narrowPath is one that is narrower than the interface.
type narrowPath struct {
	remote netip.AddrPort // to whom the refused datagram went
	mtu    int
	until  time.Time // when it is probed, and then when the next probe is sent
	probes int       // sent since
}

const (
	// pathLife is how long a reported MTU holds (RFC 1191 section 6.3, RFC 8201 section 4).
	pathLife = 10 * time.Minute
	// maxProbes is how often a path is probed, as probes and reports get lost.
	maxProbes = 3
	// probePause lies between probes, and behind the last: time for a report to come back.
	probePause = 2 * time.Second
	// minPathMTU4 is the least that an IPv4 path is taken for: nobody who forges reports
	// can stop traffic with them. Linux has the same (net.ipv4.route.min_pmtu).
	minPathMTU4 = 552
	// maxNarrow bounds the book.
	maxNarrow = 4096
	// maxReports bounds how many reports are looked at in a second.
	maxReports = 100
)

func (b *pathBook) init() {
	b.narrow = make(map[netip.Addr]*narrowPath)
	b.refused = make(chan netip.AddrPort, 16)
	b.stop = make(chan struct{})
}

// mtu returns the MTU to a remote if it is narrow, or 0.
func (b *pathBook) mtu(remote netip.Addr) uint32 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.narrow[remote]; p != nil {
		return uint32(p.mtu)
	}
	return 0
}

// PathInfo is what is known of a path that is narrower than the interface.
type PathInfo struct {
	Remote netip.Addr
	MTU    int           // in bytes of IP packet
	Holds  time.Duration // until it is probed
}

// Paths lists the paths that are narrower than the interface, by remote.
func (v *VTEP) Paths() []PathInfo {
	b := &v.paths
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]PathInfo, 0, len(b.narrow))
	for remote, p := range b.narrow {
		list = append(list, PathInfo{Remote: remote, MTU: p.mtu, Holds: max(time.Until(p.until), 0)})
	}
	slices.SortFunc(list, func(a, b PathInfo) int { return a.Remote.Compare(b.Remote) })
	return list
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

// hearRouters takes reports until there are no more.
func (v *VTEP) hearRouters() {
	for {
		r, err := v.cfg.Paths.Next()
		if err != nil {
			return
		}
		v.reported(r)
	}
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

// reported believes a router, if what it says is plausible: a datagram of ours, to a
// remote in use, did not fit.
func (v *VTEP) reported(r encap.PathReport) {
	if now := time.Now(); now.Sub(v.paths.second) >= time.Second {
		v.paths.second, v.paths.reports = now, 0
	}
	if v.paths.reports++; v.paths.reports > maxReports {
		return
	}
	if r.Remote.Addr().Is4() {
		r.MTU = max(r.MTU, minPathMTU4)
	}
	if r.MTU >= v.cfg.MTU || !v.isRemote(r.Remote) {
		return
	}
	v.narrow(r.Remote, r.MTU)
}

// refusedTooBig finds out why the system did not send.
func (v *VTEP) refusedTooBig(remote netip.AddrPort) {
	mtu := v.cfg.MTU
	if v.cfg.Paths != nil {
		var err error
		if mtu, err = v.cfg.Paths.MTU(remote.Addr()); err != nil {
			return // the route is gone, say; others count that
		}
	}
	v.narrow(remote, mtu)
}

// narrow notes the MTU of a path. A report raises it only in answer to a probe.
func (v *VTEP) narrow(remote netip.AddrPort, mtu int) {
	networks := v.Networks() // before mu, which those who change them take
	b := &v.paths
	addr := remote.Addr()
	b.mu.Lock()
	p := b.narrow[addr]
	news := p == nil || mtu < p.mtu || p.probes > 0 && mtu != p.mtu
	switch {
	case p == nil && len(b.narrow) >= maxNarrow, p != nil && p.probes == 0 && mtu > p.mtu:
		b.mu.Unlock()
		return
	case p == nil:
		p = new(narrowPath)
		b.narrow[addr] = p
	}
	*p = narrowPath{remote: remote, mtu: mtu, until: time.Now().Add(pathLife)}
	setPaths(networks, addr, uint32(mtu))
	b.mu.Unlock()
	if news {
		v.event(Event{Remote: remote, PathMTU: mtu})
	}
}

// probePaths probes the paths whose MTU has held long enough, and lets go of those that
// nobody has anything against any more.
func (v *VTEP) probePaths(now time.Time) {
	networks := v.Networks()
	b := &v.paths
	b.mu.Lock()
	var probe []netip.AddrPort
	for addr, p := range b.narrow {
		switch {
		case now.Before(p.until):
		case p.probes == maxProbes:
			delete(b.narrow, addr)
			setPaths(networks, addr, 0)
		default:
			p.probes++
			p.until = now.Add(probePause)
			probe = append(probe, p.remote)
		}
	}
	b.mu.Unlock()
	for _, remote := range probe {
		v.probe(remote)
	}
}

// probe sends a datagram as long as the interface takes. It begins with a VXLAN header
// that has no flag set, so that every VTEP drops it.
func (v *VTEP) probe(remote netip.AddrPort) {
	header := encap.IPv4MinSize + encap.UDPSize
	if remote.Addr().Is6() {
		header = encap.IPv6Size + encap.UDPSize
	}
	d := encap.Datagram{Data: make([]byte, v.cfg.MTU-header), Remote: remote, TTL: DefaultTTL}
	if err := v.cfg.Underlays[0].Post(&d); sendDrop(err) == DropTooBig {
		v.refusedTooBig(remote) // the interface itself, or what the system knows
	}
}

// isRemote reports whether something is sent to addr.
func (v *VTEP) isRemote(addr netip.AddrPort) bool {
	for _, n := range v.Networks() {
		for _, d := range n.table.Destinations() {
			for i, remote := range d.remotes {
				if remote == addr || len(d.peers) > i && d.peers[i].Endpoint() == addr {
					return true
				}
			}
		}
	}
	return false
}

// setPaths gives the MTU of the path to addr to all that lead there; 0 says that it is
// not narrow.
func setPaths(networks []*Network, addr netip.Addr, mtu uint32) {
	for _, n := range networks {
		for _, d := range n.table.Destinations() {
			for i, remote := range d.remotes {
				if remote.Addr() == addr || len(d.peers) > i && d.peers[i].Endpoint().Addr() == addr {
					d.paths[i].mtu.Store(mtu)
				}
			}
		}
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
