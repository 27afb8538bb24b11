//go:build linux

package cni

import (
	"net"
	"net/netip"

	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"

	"github.com/vxtap/vxtap/control/api"
)

// ownAddresses parses those that the host is to have on a network.
func ownAddresses(texts []string) (list []netip.Prefix, err error) {
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, problem(types.ErrInvalidNetworkConfig, "address: %v", err)
		}
		list = append(list, p)
	}
	return list, nil
}

// address has a port's device get what was allocated, and routes that lead out by the
// gateway of their address family unless they name another.
func address(spec *api.PortSpec, allocated *current.Result) error {
	var gateway4, gateway6 netip.Addr
	for _, ip := range allocated.IPs {
		p, ok := prefixOf(ip.Address)
		if !ok {
			return problem(types.ErrInvalidNetworkConfig, "the address %v that was allocated is none", ip.Address)
		}
		spec.Addresses = append(spec.Addresses, p)
		gateway, _ := netip.AddrFromSlice(ip.Gateway)
		switch gateway = gateway.Unmap(); {
		case gateway.Is4() && !gateway4.IsValid():
			gateway4 = gateway
		case gateway.Is6() && !gateway6.IsValid():
			gateway6 = gateway
		}
	}
	for _, r := range allocated.Routes {
		to, ok := prefixOf(r.Dst)
		if !ok {
			return problem(types.ErrInvalidNetworkConfig, "route to %v: that is no prefix", r.Dst)
		}
		if r.MTU != 0 || r.AdvMSS != 0 || r.Priority != 0 || r.Table != nil || r.Scope != nil {
			return problem(types.ErrUnsupportedField, "route to %v has an mtu, advmss, priority, table or scope: %v; want dst and gw only", to, r)
		}
		via, _ := netip.AddrFromSlice(r.GW)
		if via = via.Unmap(); !via.IsValid() && to.Addr().Is4() {
			via = gateway4
		} else if !via.IsValid() {
			via = gateway6
		}
		spec.Routes = append(spec.Routes, api.Route{To: to.Masked(), Via: via})
	}
	return nil
}

// prefixOf turns an address and its mask, or a destination, into a prefix.
func prefixOf(n net.IPNet) (netip.Prefix, bool) {
	addr, ok := netip.AddrFromSlice(n.IP)
	ones, bits := n.Mask.Size()
	addr = addr.Unmap()
	return netip.PrefixFrom(addr, ones), ok && bits == addr.BitLen()
}
