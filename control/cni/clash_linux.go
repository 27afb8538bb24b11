package cni

import (
	"net/netip"
	"slices"

	"github.com/containernetworking/cni/pkg/types"
	"github.com/vishvananda/netlink"
)

// checkClash says which subnet the host has a route into already, by an interface that is not
// the network's: it could not tell which of the two an address is in. A default route is
// none.
func checkClash(addresses []netip.Prefix, devices []string) error {
	routes, err := dump(func() ([]netlink.Route, error) { return netlink.RouteList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return problem(CodeAgent, "list the host's routes: %v", err)
	}
	for _, r := range routes {
		to := destination(r)
		if to.Bits() == 0 || to.Addr().IsLinkLocalUnicast() || to.Addr().IsMulticast() {
			continue
		}
		for _, a := range addresses {
			if !to.Overlaps(a.Masked()) {
				continue
			}
			device := deviceName(r.LinkIndex)
			if !slices.Contains(devices, device) {
				return problem(types.ErrInvalidNetworkConfig, "the subnet of address %v clashes with this host's route to %v by %s: choose another subnet", a, to, device)
			}
		}
	}
	return nil
}

// deviceName is for people, and so never empty.
func deviceName(index int) string {
	link, err := netlink.LinkByIndex(index)
	if err != nil {
		return "another interface"
	}
	return link.Attrs().Name
}
