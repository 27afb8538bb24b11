package station

import (
	"cmp"
	"net/netip"
	"slices"
)

// Addressing is an interface's place in IP networks.
type Addressing struct {
	// Addresses are the interface's, with their prefix lengths.
	Addresses []netip.Prefix
	// Routes lead out of the interface. Of several to one destination the first holds. What
	// no route leads to is looked for on the link, as a system does that sends there all the
	// same.
	Routes []Route
	// Router6: IPv6 packets for others are forwarded, which answers to solicitations say.
	Router6 bool
}

// Route says where packets go next.
type Route struct {
	To        netip.Prefix
	Via       netip.Addr // who takes them on; invalid if they go to their destination itself
	Broadcast bool       // they are for all stations
}

// plan is an Addressing, ready for looking things up. It does not change.
type plan struct {
	Addressing // its routes sorted, the longest prefix first
}

func newPlan(a Addressing) *plan {
	a.Addresses = slices.Clone(a.Addresses)
	a.Routes = slices.Clone(a.Routes)
	slices.SortStableFunc(a.Routes, func(x, y Route) int { return cmp.Compare(y.To.Bits(), x.To.Bits()) })
	return &plan{a}
}

func (p *plan) equal(q *plan) bool {
	return slices.Equal(p.Addresses, q.Addresses) && slices.Equal(p.Routes, q.Routes) && p.Router6 == q.Router6
}

// route returns the route to dst, nil if there is none.
func (p *plan) route(dst netip.Addr) *Route {
	for i := range p.Routes {
		if p.Routes[i].To.Contains(dst) {
			return &p.Routes[i]
		}
	}
	return nil
}

// next returns the neighbour to which a packet for dst goes, or that it is for all.
func (p *plan) next(dst netip.Addr) (hop netip.Addr, all bool) {
	switch r := p.route(dst); {
	case r == nil:
		return dst, false
	case r.Via.IsValid():
		return r.Via, r.Broadcast
	default:
		return dst, r.Broadcast
	}
}

// owns reports whether an address is the interface's.
func (p *plan) owns(a netip.Addr) bool {
	return slices.ContainsFunc(p.Addresses, func(own netip.Prefix) bool { return own.Addr() == a })
}

// neighbour reports whether an address can be that of another station on the link.
func (p *plan) neighbour(a netip.Addr) bool {
	r := p.route(a)
	return r != nil && !r.Via.IsValid() && !r.Broadcast && !a.IsUnspecified() && !a.IsMulticast() && !p.owns(a)
}

// source returns the address from which to ask for hop: the sender's, of the packet that
// is to go there, if it is ours; or one of hop's network; or any; invalid if there is
// none. From a link-local address only hosts on the link are asked, and the other way
// round (RFC 4861 section 7.2.2, RFC 6724 section 5).
func (p *plan) source(hop, sender netip.Addr) netip.Addr {
	if sender.Is4() == hop.Is4() && p.owns(sender) {
		return sender
	}
	var best netip.Addr
	for _, own := range p.Addresses {
		a := own.Addr()
		switch {
		case a.Is4() != hop.Is4():
		case own.Contains(hop):
			return a
		case !best.IsValid() || best.IsLinkLocalUnicast() && !hop.IsLinkLocalUnicast():
			best = a
		}
	}
	return best
}
