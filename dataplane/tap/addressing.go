package tap

import "net/netip"

// Addressing is what the system knows of an interface's place in IP networks.
type Addressing struct {
	// Addresses are the interface's, with their prefix lengths.
	Addresses []netip.Prefix
	// Routes are those that lead out of the interface, the preferred first among those to
	// one destination.
	Routes []NextHop
	// Router6: IPv6 packets for others are forwarded from this interface.
	Router6 bool
}

// NextHop says where packets out of an interface go next.
type NextHop struct {
	To        netip.Prefix
	Via       netip.Addr // who takes them on; invalid if they go to their destination itself
	Broadcast bool       // they are for all stations
}

// Addressing reads what the system has now, wherever the interface is. Any goroutine may
// call it. Where the system does not tell of routes, they are those that the addresses
// imply.
func (d *Device) Addressing() (Addressing, error) { return d.addressing() }
