package tap

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/encap"
)

// bringUp brings link up and gives it the device's addresses, reads them back, and adds
// its routes.
func (d *Device) bringUp(link netlink.Link) error {
	if d.linkLocal.IsValid() {
		noLinkLocal(link)
		defer d.addLinkLocal(link)
		defer d.joinSolicited(link)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("bring up: %w", err)
	}
	for _, p := range d.addresses {
		if err := netlink.AddrReplace(link, linkAddr(p)); err != nil {
			return addressError(p, err)
		}
	}
	for _, p := range d.addresses {
		awaitLocal(p.Addr())
	}
	if err := checkAddresses(link, d.addresses); err != nil {
		return err
	}
	return addRoutes(link, d.routes)
}

// linkLocal is the address that a TAP with a MAC would have by itself; invalid without.
func linkLocal(m encap.MAC) netip.Prefix {
	if m.IsZero() {
		return netip.Prefix{}
	}
	return netip.PrefixFrom(netip.AddrFrom16(encap.LinkLocal(m)), 64)
}

// addLinkLocal gives a TUN its link-local address. Where there is no IPv6 it fails, and
// nothing is missing.
func (d *Device) addLinkLocal(link netlink.Link) {
	_ = netlink.AddrReplace(link, linkAddr(d.linkLocal))
}

// noLinkLocal has the kernel give a TUN no link-local address of its own choice, which
// would be another each time. It can do that only as it brings it up.
func noLinkLocal(link netlink.Link) {
	_ = netlink.LinkSetIP6AddrGenMode(link, nl.IN6_ADDR_GEN_MODE_NONE)
}

// joinSolicited has the kernel join the groups in which a TUN's IPv6 addresses are solicited.
// On an interface without neighbour discovery it does not by itself, and switches that snoop
// on who is in a group (RFC 4541) would keep solicitations from us. An address of such a
// group joins it as long as the interface is there (IFA_F_MCAUTOJOIN, Linux 4.1). Where that
// fails, a switch that snoops not is as good.
func (d *Device) joinSolicited(link netlink.Link) {
	for _, p := range append([]netip.Prefix{d.linkLocal}, d.addresses...) {
		if !p.Addr().Is6() {
			continue
		}
		group := linkAddr(netip.PrefixFrom(netip.AddrFrom16(encap.SolicitedNode(p.Addr().As16())), 128))
		group.Flags |= unix.IFA_F_MCAUTOJOIN
		_ = netlink.AddrReplace(link, group)
	}
}

// awaitLocal waits until the kernel delivers packets for a to itself. For an IPv6
// address it sees to that from a work queue, a little after the address is there, and
// what comes in between is lost. If something else decides about a, a policy rule
// perhaps, there is nothing to wait for; so the wait is short and has no failure.
func awaitLocal(a netip.Addr) {
	for range 200 {
		routes, err := netlink.RouteGet(a.AsSlice())
		if err == nil && len(routes) > 0 && routes[0].Type == unix.RTN_LOCAL {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// linkAddr is p for netlink. IPv6 addresses are not probed for duplicates (IFA_F_NODAD):
// until that was done, a second or more, nothing could use them.
func linkAddr(p netip.Prefix) *netlink.Addr {
	a := &netlink.Addr{IPNet: &net.IPNet{
		IP:   p.Addr().AsSlice(),
		Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen()),
	}}
	if p.Addr().Is6() {
		a.Flags = unix.IFA_F_NODAD
	}
	return a
}

// addressError says what the kernel means when it refuses any IPv6 address.
func addressError(p netip.Prefix, err error) error {
	hint := ""
	if p.Addr().Is6() && (errors.Is(err, unix.EACCES) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP)) {
		hint = " (IPv6 is off there, by disable_ipv6 or an MTU below 1280)"
	}
	return fmt.Errorf("add address %s%s: %w", p, hint, err)
}

// checkAddresses returns an error unless link has all of addresses.
func checkAddresses(link netlink.Link, addresses []netip.Prefix) error {
	if len(addresses) == 0 {
		return nil
	}
	have, err := listAddresses(link)
	if err != nil {
		return fmt.Errorf("read back addresses: %w", err)
	}
	for _, p := range addresses {
		if !have[p] {
			return fmt.Errorf("read back addresses: %s is not among them", p)
		}
	}
	return nil
}

// listAddresses returns the addresses of link. The kernel says when the list changed
// while it was read; then it is read again, a few times.
func listAddresses(link netlink.Link) (map[netip.Prefix]bool, error) {
	list, err := netlink.AddrList(link, netlink.FAMILY_ALL)
	for tries := 0; errors.Is(err, netlink.ErrDumpInterrupted) && tries < 10; tries++ {
		list, err = netlink.AddrList(link, netlink.FAMILY_ALL)
	}
	if err != nil {
		return nil, err
	}
	have := make(map[netip.Prefix]bool, len(list))
	for _, a := range list {
		ip, _ := netip.AddrFromSlice(a.IP)
		bits, _ := a.Mask.Size()
		have[netip.PrefixFrom(ip.Unmap(), bits)] = true
	}
	return have, nil
}
