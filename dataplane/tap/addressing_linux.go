package tap

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// addressing asks the kernel, in the namespace where the interface is now. Nothing is kept
// open there between calls: a socket would keep a container's namespace alive.
func (d *Device) addressing() (a Addressing, err error) {
	name, ns, err := d.whereabouts()
	if err != nil {
		return a, err
	}
	defer ns.Close()
	err = inNamespace(ns, func() (err error) {
		a, err = readAddressing(name)
		return err
	})
	if err != nil {
		return a, fmt.Errorf("read addresses and routes of %s: %w", name, err)
	}
	return a, nil
}

func readAddressing(name string) (a Addressing, err error) {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return a, err
	}
	have, err := listAddresses(link)
	if err != nil {
		return a, err
	}
	for p := range have {
		if !p.Addr().IsMulticast() { // which only joins the group
			a.Addresses = append(a.Addresses, p)
		}
	}
	slices.SortFunc(a.Addresses, netip.Prefix.Compare)
	if a.Routes, err = readRoutes(link.Attrs().Index); err != nil {
		return a, err
	}
	a.Router6 = forwards6(name)
	return a, nil
}

// readRoutes lists the routes of all tables that lead out of an interface. The main table's
// come before other tables' to the same destination, and then those of the lower metric.
func readRoutes(index int) (list []NextHop, err error) {
	var found []netlink.Route
	for tries := 0; tries < 10; tries++ {
		found = found[:0]
		err = netlink.RouteListFilteredIter(netlink.FAMILY_ALL, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE,
			func(r netlink.Route) bool {
				if leadsOut(&r, index) {
					found = append(found, r)
				}
				return true
			})
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(found, func(x, y netlink.Route) int {
		return cmp.Or(cmp.Compare(rank(&x), rank(&y)), cmp.Compare(x.Priority, y.Priority))
	})
	for i := range found {
		if r, ok := routeOf(&found[i]); ok {
			list = append(list, r)
		}
	}
	return list, nil
}

// leadsOut reports whether a route leads out of an interface. Of several ways at once, the
// one out of it takes the place of the route's own.
func leadsOut(r *netlink.Route, index int) bool {
	if r.Type != unix.RTN_UNICAST && r.Type != unix.RTN_BROADCAST {
		return false
	}
	for _, way := range r.MultiPath {
		if way.LinkIndex == index {
			r.LinkIndex, r.Gw, r.Via = index, way.Gw, way.Via
			break
		}
	}
	return r.LinkIndex == index
}

func rank(r *netlink.Route) int {
	if r.Table == unix.RT_TABLE_MAIN {
		return 0
	}
	return 1
}

func routeOf(r *netlink.Route) (NextHop, bool) {
	out := NextHop{Broadcast: r.Type == unix.RTN_BROADCAST, Via: gateway(r)}
	switch {
	case r.Dst != nil:
		addr, ok := netip.AddrFromSlice(r.Dst.IP)
		bits, _ := r.Dst.Mask.Size()
		if r.Family == unix.AF_INET {
			addr = addr.Unmap()
		}
		out.To = netip.PrefixFrom(addr, bits)
		return out, ok && out.To.IsValid()
	case r.Family == unix.AF_INET:
		out.To = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	case r.Family == unix.AF_INET6:
		out.To = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	return out, out.To.IsValid()
}

// gateway returns who takes a route's packets on. IPv4 may go by an IPv6 neighbour.
func gateway(r *netlink.Route) netip.Addr {
	ip := r.Gw
	if via, ok := r.Via.(*netlink.Via); ok && len(ip) == 0 {
		ip = via.Addr
	}
	addr, _ := netip.AddrFromSlice(ip)
	return addr.Unmap()
}

// forwards6 reports whether IPv6 packets that come in by an interface are forwarded.
func forwards6(name string) bool {
	text, err := os.ReadFile("/proc/sys/net/ipv6/conf/" + name + "/forwarding")
	return err == nil && strings.TrimSpace(string(text)) == "1"
}
