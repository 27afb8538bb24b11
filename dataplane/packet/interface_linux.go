package packet

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// wire is what frames are read from: an interface, or one VLAN on it.
type wire struct {
	link netlink.Link
	vlan uint16 // 0: all there is, tags included
}

// find returns the wire of a name, if it can be that of a port.
func find(name string, locals []netip.Addr) (wire, error) {
	w, err := lookUp(name)
	if err != nil {
		return wire{}, err
	}
	if err := w.check(); err != nil {
		return wire{}, err
	}
	for _, local := range locals {
		if err := w.checkTunnel(local); err != nil {
			return w, err
		}
	}
	return w, nil
}

// lookUp finds the interface of that name, or of what comes before a VLAN in it.
func lookUp(name string) (w wire, err error) {
	if w.link, err = netlink.LinkByName(name); err == nil || !isMissing(err) {
		return w, err
	}
	base, vlan, ok := SplitVLAN(name)
	if !ok {
		return w, refuse(ErrNotFound, err, "there is no interface %s in this network namespace", name)
	}
	w.vlan = vlan
	if w.link, err = netlink.LinkByName(base); isMissing(err) {
		return w, refuse(ErrNotFound, err, "there is neither an interface %s nor an interface %s in this network namespace", name, base)
	}
	return w, err
}

func isMissing(err error) bool { return errors.As(err, new(netlink.LinkNotFoundError)) }

// check refuses interfaces that have no wire of Ethernet, or one that is somebody's already.
func (w wire) check() error {
	a := w.link.Attrs()
	switch {
	case a.Flags&net.FlagLoopback != 0:
		return refuse(ErrUnfit, nil, "interface %s is the loopback interface: nothing is behind it", a.Name)
	case a.EncapType != "ether":
		return refuse(ErrUnfit, nil, "interface %s carries no Ethernet frames (%s)", a.Name, a.EncapType)
	case a.MasterIndex != 0:
		master := fmt.Sprintf("interface number %d", a.MasterIndex)
		if m, err := netlink.LinkByIndex(a.MasterIndex); err == nil {
			master = m.Attrs().Name
		}
		return refuse(ErrUnfit, nil, "interface %s belongs to %s: bridge %s, or take %s out of it", a.Name, master, master, a.Name)
	}
	return nil
}

// checkTunnel refuses an interface through which the tunnel goes: that with its address,
// and those below it.
func (w wire) checkTunnel(local netip.Addr) error {
	if !local.IsValid() {
		return nil
	}
	carriers, err := carriersOf(local)
	if err != nil {
		return err
	}
	for _, c := range carriers {
		if w.carries(c) {
			return refuse(ErrUnfit, nil, "interface %s carries the tunnel itself (%v is on %s): each of its packets would be a frame of the network, without end",
				w.link.Attrs().Name, local, carriers[0].Attrs().Name)
		}
	}
	return nil
}

// carries reports whether what c sends is on the wire.
func (w wire) carries(c netlink.Link) bool {
	if w.vlan == 0 {
		return c.Attrs().Index == w.link.Attrs().Index
	}
	v, ok := c.(*netlink.Vlan)
	return ok && v.ParentIndex == w.link.Attrs().Index && v.VlanId == int(w.vlan)
}

// carriersOf returns the interface with an address, and below it those that it is a part of
// or an end of, as a VLAN of its device; none if no interface has the address.
func carriersOf(local netip.Addr) (list []netlink.Link, err error) {
	index, err := interfaceWith(local)
	for index != 0 && err == nil && len(list) < maxDepth {
		var link netlink.Link
		if link, err = netlink.LinkByIndex(index); err != nil {
			break
		}
		list = append(list, link)
		a := link.Attrs()
		if index = a.ParentIndex; a.NetNsID >= 0 {
			index = 0 // of another namespace
		}
	}
	if err != nil {
		return nil, fmt.Errorf("find what carries %v: %w", local, err)
	}
	return list, nil
}

// maxDepth is how many interfaces may lie on one another. Two ends of a veth do both.
const maxDepth = 8

func interfaceWith(local netip.Addr) (index int, err error) {
	list, err := addresses(nil)
	for _, a := range list {
		if ip, _ := netip.AddrFromSlice(a.IP); ip.Unmap() == local.WithZone("").Unmap() {
			return a.LinkIndex, err
		}
	}
	return 0, err
}

// addresses lists those of a link, or of all. The kernel says when the list changed while
// it was read; then it is read again, a few times.
func addresses(link netlink.Link) (list []netlink.Addr, err error) {
	for range 10 {
		if list, err = netlink.AddrList(link, netlink.FAMILY_ALL); !errors.Is(err, netlink.ErrDumpInterrupted) {
			return list, err
		}
	}
	return list, err
}

// bringUp brings the interface up, and reports whether it was down.
func (w wire) bringUp() (wasDown bool, err error) {
	if w.link.Attrs().Flags&net.FlagUp != 0 {
		return false, nil
	}
	err = netlink.LinkSetUp(w.link)
	switch {
	case errors.Is(err, unix.EPERM):
		return true, refuse(ErrPermission, err, "interface %s is down, and not allowed to be brought up: do that first, or give CAP_NET_ADMIN", w.link.Attrs().Name)
	case err != nil:
		return true, fmt.Errorf("bring up: %w", err)
	}
	return true, nil
}

// owned says in one line that the system itself is on the wire; empty if it is not. With a
// VLAN the system may well be on the others.
func (w wire) owned() (string, error) {
	if w.vlan != 0 {
		return "", nil
	}
	list, err := addresses(w.link)
	if err != nil {
		return "", fmt.Errorf("read addresses: %w", err)
	}
	var own []string
	for _, a := range list {
		if !a.IP.IsLinkLocalUnicast() {
			own = append(own, a.IPNet.String())
		}
	}
	if len(own) == 0 {
		return "", nil
	}
	return fmt.Sprintf("interface %s has addresses of this host (%s), which the network does not reach through it, nor is reached from: move them to a TAP of the network",
		w.link.Attrs().Name, strings.Join(own, ", ")), nil
}
