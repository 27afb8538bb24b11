package dataplane

import (
	"maps"
	"net/netip"
	"slices"
)

// What was learned of a path holds for the way that packets went then. When routes change,
// by the system's word, those that go another way now start as if they were new: a narrow
// path that is gone must not keep frames small for minutes, nor a device that took no
// trains have datagrams sent one by one.

// maxWays bounds for how many remotes is known how they are reached.
const maxWays = 4096

// interfaceMTU is that of the interface with the local address, in bytes of IP packet.
func (v *VTEP) interfaceMTU() int { return int(v.mtu.Load()) }

// SetMTU says that the MTU of the interface with the local address is another; 0 means 1500.
func (v *VTEP) SetMTU(mtu int) {
	v.mtu.Store(usableMTU(mtu))
	for _, n := range v.Networks() {
		n.mu.Lock()
		n.setMTU()
		n.mu.Unlock()
	}
}

// usableMTU is how much of an interface's MTU an IP packet can use.
func usableMTU(mtu int) int32 {
	if mtu == 0 {
		mtu = defaultMTU
	}
	return int32(min(mtu, maxIPPacket))
}

// RoutesChanged says that packets to these prefixes may go another way than before. What is
// known of paths that do is forgotten, and the system asked what it says of them now.
func (v *VTEP) RoutesChanged(to []netip.Prefix) {
	if v.cfg.Paths == nil {
		return
	}
	networks := v.Networks()
	used := make(map[netip.AddrPort]bool)
	for l := range lanes(networks) {
		if len(used) < maxWays && !l.to.Addr().IsMulticast() {
			used[l.to] = true
		}
	}
	v.paths.forgetWays(used)
	changed := make(map[netip.Addr]bool)
	for remote := range used {
		if addr := remote.Addr(); slices.ContainsFunc(to, func(p netip.Prefix) bool { return p.Contains(addr) }) {
			changed[addr] = changed[addr] || v.reroute(networks, remote)
		}
	}
	offerTrains(networks, changed)
	for remote := range used {
		if !changed[remote.Addr()] {
			continue
		}
		if mtu, err := v.cfg.Paths.MTU(remote.Addr()); err == nil && mtu < v.interfaceMTU() {
			v.narrow(remote, mtu, func(lane) bool { return true })
		}
	}
}

// reroute reports whether a remote is reached another way than before, as far as is known,
// and forgets what is known of the paths to it if so.
func (v *VTEP) reroute(networks []*Network, remote netip.AddrPort) bool {
	b, addr, how := &v.paths, remote.Addr(), v.wayTo(remote.Addr())
	b.mu.Lock()
	was, known := b.ways[addr]
	b.ways[addr] = how
	forgotten := false
	for w, p := range b.narrow {
		if w.to == addr && p.way != how {
			delete(b.narrow, w)
			forgotten = true
		}
	}
	if forgotten {
		b.tellAll(networks)
	}
	b.mu.Unlock()
	if forgotten {
		v.teller.tell(Event{Remote: remote, Rerouted: true})
	}
	return forgotten || !known || was != how
}

// offerTrains has trains sent again where the route to one of the remotes took none.
func offerTrains(networks []*Network, to map[netip.Addr]bool) {
	for _, n := range networks {
		for _, d := range n.table.Destinations() {
			for i := range d.remotes {
				if l := d.lane(i); to[l.to.Addr()] {
					d.trains.taken()
				}
			}
		}
	}
}

// wayTo is how packets to a remote leave this host.
func (v *VTEP) wayTo(remote netip.Addr) string {
	if v.cfg.Paths == nil {
		return ""
	}
	return v.cfg.Paths.Way(remote)
}

// forgetWays lets go of remotes that are not in use any more.
func (b *pathBook) forgetWays(used map[netip.AddrPort]bool) {
	addrs := make(map[netip.Addr]bool)
	for remote := range used {
		addrs[remote.Addr()] = true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	maps.DeleteFunc(b.ways, func(a netip.Addr, _ string) bool { return !addrs[a] })
}
