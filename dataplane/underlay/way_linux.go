package underlay

import (
	"fmt"
	"net/netip"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"
)

// way implements Paths.Way. What the kernel has learned of the path is no part of it: the route
// is asked for as somebody made it.
func (a *asker) way(local, remote netip.Addr) string {
	if a.routes == nil || a.noRoutes != nil {
		return ""
	}
	options := netlink.RouteGetOptions{SrcAddr: local.AsSlice(), OifIndex: int(a.scope), FIBMatch: true}
	routes, err := a.routes.RouteGetWithOptions(remote.AsSlice(), &options)
	if err != nil {
		return ""
	}
	var text strings.Builder
	for _, r := range routes {
		if r.LinkIndex != 0 {
			a.hop(&text, r.LinkIndex, fmt.Sprint(gateway(r.Gw, r.Via)))
		}
		for _, hop := range r.MultiPath {
			a.hop(&text, hop.LinkIndex, fmt.Sprint(gateway(hop.Gw, hop.Via), " weight ", hop.Hops+1))
		}
		if r.MTU != 0 {
			fmt.Fprintf(&text, " mtu %d", r.MTU)
		}
	}
	return strings.TrimSpace(text.String())
}

// gateway is the router of a route, which may be of the other address family (RFC 5549).
func gateway(ip []byte, via netlink.Destination) string {
	if a, ok := netip.AddrFromSlice(ip); ok {
		return a.String()
	}
	if via != nil {
		return via.String()
	}
	return "link"
}

// hop describes a next hop by its interface, which may become narrower, and its router.
func (a *asker) hop(text *strings.Builder, index int, via string) {
	mtu := 0
	if link, err := a.routes.LinkByIndex(index); err == nil {
		mtu = link.Attrs().MTU
	}
	fmt.Fprintf(text, " via %s dev %d (%d)", via, index, mtu)
}

// relink moves the sockets of a link-local address along with its interface.
func (p *Paths) relink(device device) error {
	if p.local.Zone() != device.name {
		return nil
	}
	p.asking.Lock()
	defer p.asking.Unlock()
	if int(p.asker.scope) == device.index || p.asker.fd < 0 {
		return nil
	}
	p.asker.scope = uint32(device.index)
	if err := rebind(p.asker.fd, device); err != nil {
		return err
	}
	icmp, ok := p.icmp.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := icmp.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = rebind(int(fd), device) })
	if err != nil {
		return err
	}
	return failed
}
