package tap

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vxtap/vxtap/encap"
	"golang.org/x/sys/unix"
)

// setUpLink gives the interface of that name, in this thread's namespace, everything
// that c asks for, brings it up, and returns what it then has.
func setUpLink(name string, c Config) (encap.MAC, int, error) {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return encap.MAC{}, 0, fmt.Errorf("find interface %s: %w", name, err)
	}
	if c.MTU != 0 {
		if err := netlink.LinkSetMTU(link, c.MTU); err != nil {
			return encap.MAC{}, 0, fmt.Errorf("set MTU %d: %w", c.MTU, err)
		}
	}
	if !c.MAC.IsZero() {
		if err := netlink.LinkSetHardwareAddr(link, c.MAC[:]); err != nil {
			return encap.MAC{}, 0, fmt.Errorf("set MAC %s: %w", c.MAC, err)
		}
	}
	if err := netlink.LinkSetTxQLen(link, c.TxQueueLen); err != nil {
		return encap.MAC{}, 0, fmt.Errorf("set queue length %d: %w", c.TxQueueLen, err)
	}
	if err := bringUp(link, c.Addresses); err != nil {
		return encap.MAC{}, 0, err
	}
	return readBack(link.Attrs().Index, c)
}

// bringUp brings link up and gives it addresses, and reads them back.
func bringUp(link netlink.Link, addresses []netip.Prefix) error {
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("bring up: %w", err)
	}
	for _, p := range addresses {
		if err := netlink.AddrReplace(link, linkAddr(p)); err != nil {
			return addressError(p, err)
		}
	}
	return checkAddresses(link, addresses)
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

// readBack returns what the interface has, or an error if it is not what c asks for:
// drivers and the kernel may adjust silently.
func readBack(index int, c Config) (encap.MAC, int, error) {
	link, err := netlink.LinkByIndex(index)
	if err != nil {
		return encap.MAC{}, 0, fmt.Errorf("read back: %w", err)
	}
	a := link.Attrs()
	switch {
	case len(a.HardwareAddr) != len(c.MAC):
		err = fmt.Errorf("MAC %s is not an Ethernet address", a.HardwareAddr)
	case !c.MAC.IsZero() && !bytes.Equal(a.HardwareAddr, c.MAC[:]):
		err = fmt.Errorf("MAC is %s, asked for %s", a.HardwareAddr, c.MAC)
	case c.MTU != 0 && a.MTU != c.MTU:
		err = fmt.Errorf("MTU is %d, asked for %d", a.MTU, c.MTU)
	case a.TxQLen != c.TxQueueLen:
		err = fmt.Errorf("queue length is %d, asked for %d", a.TxQLen, c.TxQueueLen)
	case a.Flags&net.FlagUp == 0:
		err = errors.New("is down again after it was brought up")
	}
	if err != nil {
		return encap.MAC{}, 0, fmt.Errorf("read back: %w", err)
	}
	return encap.MAC(a.HardwareAddr), a.MTU, nil
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
