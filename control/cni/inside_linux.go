package cni

import (
	"errors"
	"net"
	"net/netip"
	"slices"

	"github.com/containernetworking/cni/pkg/ns"
	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// lookInside returns a handle of what is in a container's namespace. What is none is not
// opened, which of a FIFO would take for ever.
func lookInside(path string) (*netlink.Handle, error) {
	var fs unix.Statfs_t
	err, handle := unix.Statfs(path, &fs), netns.None()
	switch {
	case err == nil && fs.Type != unix.NSFS_MAGIC:
		return nil, problem(types.ErrUnknownContainer, "CNI_NETNS %s is no network namespace", path)
	case err == nil:
		handle, err = netns.GetFromPath(path)
	}
	if err != nil {
		return nil, problem(types.ErrUnknownContainer, "CNI_NETNS %s: there is no such network namespace: %v", path, err)
	}
	defer handle.Close()
	h, err := netlink.NewHandleAt(handle)
	if err != nil {
		return nil, problem(types.ErrUnknownContainer, "CNI_NETNS %s is no network namespace, or cannot be entered: %v", path, err)
	}
	return h, nil
}

// checkFree says why a container cannot have an interface: its namespace is not there, is the
// host's own, or has one of that name.
func checkFree(args *skel.CmdArgs) error {
	path, ifname := args.Netns, args.IfName
	h, err := lookInside(path)
	if err != nil {
		return err
	}
	defer h.Close()
	own, wrong := ns.CheckNetNS(path)
	switch {
	case wrong != nil:
		return wrong
	case own && !overridden(args):
		return problem(types.ErrInvalidEnvironmentVariables, "CNI_NETNS %s is the host's own network namespace: want a container's", path)
	}
	if _, err := h.LinkByName(ifname); err == nil {
		return problem(types.ErrInvalidEnvironmentVariables, "CNI_IFNAME %s: there is an interface of that name in %s", ifname, path)
	}
	return nil
}

// checkInside compares interface i of a result, with its addresses and the routes, with what
// is in a container's namespace.
func checkInside(path string, want *current.Result, i int) error {
	h, err := lookInside(path)
	if err != nil {
		return err
	}
	defer h.Close()
	iface := want.Interfaces[i]
	link, err := h.LinkByName(iface.Name)
	switch {
	case err != nil:
		return problem(CodeMissing, "interface %s in %s: %v", iface.Name, path, err)
	case link.Attrs().Flags&net.FlagUp == 0:
		return problem(CodeMissing, "interface %s in %s is down", iface.Name, path)
	case iface.Mac != "" && link.Attrs().HardwareAddr.String() != iface.Mac:
		return problem(CodeMissing, "interface %s in %s has the MAC %v, not %s", iface.Name, path, link.Attrs().HardwareAddr, iface.Mac)
	}
	if err := checkAddresses(h, link, want, i); err != nil {
		return err
	}
	return checkRoutes(h, want)
}

func checkAddresses(h *netlink.Handle, link netlink.Link, want *current.Result, i int) error {
	list, err := dump(func() ([]netlink.Addr, error) { return h.AddrList(link, netlink.FAMILY_ALL) })
	if err != nil {
		return problem(CodeMissing, "list the addresses of %s: %v", link.Attrs().Name, err)
	}
	for _, ip := range want.IPs {
		if ip.Interface == nil || *ip.Interface != i {
			continue
		}
		p, _ := prefixOf(ip.Address)
		if !slices.ContainsFunc(list, func(a netlink.Addr) bool { q, ok := prefixOf(*a.IPNet); return ok && p == q }) {
			return problem(CodeMissing, "interface %s has no address %v", link.Attrs().Name, p)
		}
	}
	return nil
}

// checkRoutes looks for the destinations alone, in whatever table: a later plugin may have
// given them other ways.
func checkRoutes(h *netlink.Handle, want *current.Result) error {
	list, err := dump(func() ([]netlink.Route, error) {
		return h.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{}, netlink.RT_FILTER_TABLE)
	})
	if err != nil {
		return problem(CodeMissing, "list the routes: %v", err)
	}
	for _, r := range want.Routes {
		to, _ := prefixOf(r.Dst)
		if !slices.ContainsFunc(list, func(have netlink.Route) bool { return destination(have) == to.Masked() }) {
			return problem(CodeMissing, "there is no route to %v", to)
		}
	}
	return nil
}

// destination of a route; older and newer versions of netlink differ in what a default one
// has.
func destination(r netlink.Route) netip.Prefix {
	if r.Dst == nil {
		if r.Family == netlink.FAMILY_V6 {
			return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	}
	p, _ := prefixOf(*r.Dst)
	return p.Masked()
}

// dump asks the kernel for a list again, a few times, while it says that the list changed as
// it was read.
func dump[T any](list func() ([]T, error)) (l []T, err error) {
	for range 10 {
		if l, err = list(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return l, err
}
