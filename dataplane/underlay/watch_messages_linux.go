package underlay

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// maxRoutes bounds how many destinations are told apart; more are everywhere.
const maxRoutes = 64

// read takes what one datagram of the kernel's says.
func (w *Watch) read(datagram []byte) {
	messages, err := syscall.ParseNetlinkMessage(datagram)
	if err != nil {
		w.stale = true
		return
	}
	for i := range messages {
		m := &messages[i]
		switch m.Header.Type {
		case unix.RTM_NEWLINK, unix.RTM_DELLINK:
			w.readLink(m)
		case unix.RTM_NEWADDR, unix.RTM_DELADDR:
			w.readAddress(m)
		case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
			w.readRoute(m)
		case unix.RTM_NEWRULE, unix.RTM_DELRULE, unix.RTM_NEWNEXTHOP, unix.RTM_DELNEXTHOP:
			w.rerouted(w.view.everywhere())
		}
	}
}

// readLink enters what an interface is like now. What bridges say of their ports comes as
// such messages too: of a port that leaves one, that it was deleted.
func (w *Watch) readLink(m *syscall.NetlinkMessage) {
	if len(m.Data) < unix.SizeofIfInfomsg || m.Data[0] != unix.AF_UNSPEC {
		return
	}
	header := unix.NlMsghdr(m.Header)
	link, err := netlink.LinkDeserialize(&header, m.Data)
	if err != nil || link.Attrs().MTU == 0 { // which says only something else of it
		return
	}
	v, index, now := &w.view, link.Attrs().Index, stateOf(link)
	was, known := v.links[index]
	if m.Header.Type == unix.RTM_DELLINK {
		if !known {
			return
		}
		delete(v.links, index)
		v.moved = v.moved || was.name == v.last.name && hasAttribute(m, unix.IFLA_NEW_NETNSID)
		now.up, now.mtu = false, 0
	} else {
		if known && was == now {
			return
		}
		v.links[index] = now
	}
	w.found.Links = append(w.found.Links, Link{Name: now.name, Index: uint32(index), Up: now.ready(), MTU: now.mtu})
	if known {
		w.rerouted(v.everywhere())
	}
}

func hasAttribute(m *syscall.NetlinkMessage, kind uint16) bool {
	list, err := syscall.ParseNetlinkRouteAttr(m)
	return err == nil && slices.ContainsFunc(list, func(a syscall.NetlinkRouteAttr) bool { return a.Attr.Type == kind })
}

// readAddress enters who has the local address.
func (w *Watch) readAddress(m *syscall.NetlinkMessage) {
	if len(m.Data) < unix.SizeofIfAddrmsg || int(m.Data[0]) != w.view.family() {
		return
	}
	list, err := syscall.ParseNetlinkRouteAttr(m)
	if err != nil {
		w.stale = true
		return
	}
	a := addressOf(m.Data, list)
	w.view.address(&a, m.Header.Type == unix.RTM_NEWADDR)
}

// addressOf reads struct ifaddrmsg and its attributes. Of the two addresses of a
// point-to-point interface the local one counts.
func addressOf(data []byte, list []syscall.NetlinkRouteAttr) (a netlink.Addr) {
	const prefixAt, flagsAt, indexAt = 1, 2, 4
	a.LinkIndex = int(binary.NativeEndian.Uint32(data[indexAt:]))
	a.Flags = int(data[flagsAt])
	own := false
	for _, attr := range list {
		switch {
		case attr.Attr.Type == unix.IFA_LOCAL, attr.Attr.Type == unix.IFA_ADDRESS && !own:
			own = own || attr.Attr.Type == unix.IFA_LOCAL
			a.IPNet = &net.IPNet{IP: attr.Value, Mask: net.CIDRMask(int(data[prefixAt]), 8*len(attr.Value))}
		case attr.Attr.Type == unix.IFA_FLAGS && len(attr.Value) >= 4:
			a.Flags = int(binary.NativeEndian.Uint32(attr.Value))
		}
	}
	return a
}

// readRoute enters to where the route may be another. Routes that the kernel made from
// others, for one destination, come and go with what it learns of path MTUs.
func (w *Watch) readRoute(m *syscall.NetlinkMessage) {
	const lengthAt, flagsAt = 1, 8
	if len(m.Data) < unix.SizeofRtMsg || int(m.Data[0]) != w.view.family() || binary.NativeEndian.Uint32(m.Data[flagsAt:])&unix.RTM_F_CLONED != 0 {
		return
	}
	to := w.view.everywhere()
	list, err := syscall.ParseNetlinkRouteAttr(m)
	if err != nil {
		w.stale = true
		return
	}
	for _, attr := range list {
		if ip, ok := netip.AddrFromSlice(attr.Value); ok && attr.Attr.Type == unix.RTA_DST {
			to = netip.PrefixFrom(ip, int(m.Data[lengthAt]))
		}
	}
	w.rerouted(to)
}

// rerouted enters that the route to a destination may be another.
func (w *Watch) rerouted(to netip.Prefix) {
	switch list := w.found.Routes; {
	case slices.Contains(list, to), slices.Contains(list, w.view.everywhere()):
	case to.Bits() <= 0, len(list) == maxRoutes:
		w.found.Routes = []netip.Prefix{w.view.everywhere()}
	default:
		w.found.Routes = append(list, to)
	}
}
