package tap

import (
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// addRoutes has routes lead out through link, which is up. They go with it.
func addRoutes(link netlink.Link, routes []Route) error {
	for _, r := range routes {
		add := &netlink.Route{
			LinkIndex: link.Attrs().Index,
			Dst:       &net.IPNet{IP: r.To.Addr().AsSlice(), Mask: net.CIDRMask(r.To.Bits(), r.To.Addr().BitLen())},
			Gw:        r.Via.AsSlice(),
		}
		if !r.Via.IsValid() {
			add.Scope = unix.RT_SCOPE_LINK
		}
		if err := netlink.RouteAdd(add); err != nil {
			return routeError(r, err)
		}
	}
	return nil
}

// routeError says what the kernel means when it refuses a route.
func routeError(r Route, err error) error {
	way := r.To.String()
	if r.Via.IsValid() {
		way += " via " + r.Via.String()
	}
	switch {
	case errors.Is(err, unix.EEXIST):
		return fmt.Errorf("add route to %s: there is one to the same destinations already: %w", way, err)
	case errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EHOSTUNREACH):
		return fmt.Errorf("add route to %s: the gateway is on no network of the interface: give an address with its prefix that has it: %w", way, err)
	}
	return fmt.Errorf("add route to %s: %w", way, err)
}
