package tap

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/encap"
)

// setUpLink gives the interface, in this thread's namespace, everything that c asks for,
// brings it up, and returns what it then has.
func (d *Device) setUpLink(c Config) (encap.MAC, int, error) {
	link, err := netlink.LinkByName(d.name)
	if err != nil {
		return encap.MAC{}, 0, fmt.Errorf("find interface %s: %w", d.name, err)
	}
	if c.MTU != 0 {
		if err := netlink.LinkSetMTU(link, c.MTU); err != nil {
			return encap.MAC{}, 0, fmt.Errorf("set MTU %d: %w", c.MTU, err)
		}
	}
	if !c.MAC.IsZero() && !c.TUN {
		if err := netlink.LinkSetHardwareAddr(link, c.MAC[:]); err != nil {
			return encap.MAC{}, 0, fmt.Errorf("set MAC %s: %w", c.MAC, err)
		}
	}
	if err := netlink.LinkSetTxQLen(link, c.TxQueueLen); err != nil {
		return encap.MAC{}, 0, fmt.Errorf("set queue length %d: %w", c.TxQueueLen, err)
	}
	if err := leaveOutQdisc(link); err != nil {
		return encap.MAC{}, 0, err
	}
	if c.NetNS != "" {
		allowIPv6(d.name, c.Addresses)
	}
	if !c.Down {
		if err := d.bringUp(link); err != nil {
			return encap.MAC{}, 0, err
		}
	}
	return readBack(link.Attrs().Index, c)
}

// allowIPv6 turns IPv6 on for an interface in somebody's namespace that is to have such an
// address: in a container, engines have it off until one is asked for. If it cannot, adding
// the address says so.
func allowIPv6(name string, addresses []netip.Prefix) {
	if slices.ContainsFunc(addresses, func(p netip.Prefix) bool { return p.Addr().Is6() }) {
		_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/disable_ipv6", []byte("0"), 0)
	}
}

// leaveOutQdisc has frames go straight to the device's rings, as they do on a bridge or a
// tunnel. A qdisc could never hold a frame back: TUN takes every one, or drops it. And the
// default, pfifo_fast, would have rings of the same length in three bands for each of the
// 256 queues that TUN prepares for: 50 MB of the kernel's memory for a device.
func leaveOutQdisc(link netlink.Link) error {
	err := netlink.QdiscReplace(&netlink.GenericQdisc{
		QdiscAttrs: netlink.QdiscAttrs{LinkIndex: link.Attrs().Index, Parent: netlink.HANDLE_ROOT},
		QdiscType:  "noqueue",
	})
	if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EOPNOTSUPP) { // a kernel without
		return fmt.Errorf("set qdisc noqueue: %w", err)
	}
	return nil
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
	case !c.TUN && len(a.HardwareAddr) != len(c.MAC):
		err = fmt.Errorf("MAC %s is not an Ethernet address", a.HardwareAddr)
	case !c.TUN && !c.MAC.IsZero() && !bytes.Equal(a.HardwareAddr, c.MAC[:]):
		err = fmt.Errorf("MAC is %s, asked for %s", a.HardwareAddr, c.MAC)
	case c.MTU != 0 && a.MTU != c.MTU:
		err = fmt.Errorf("MTU is %d, asked for %d", a.MTU, c.MTU)
	case a.TxQLen != c.TxQueueLen:
		err = fmt.Errorf("queue length is %d, asked for %d", a.TxQLen, c.TxQueueLen)
	case a.Flags&net.FlagUp == 0 && !c.Down:
		err = errors.New("is down again after it was brought up")
	}
	if err != nil {
		return encap.MAC{}, 0, fmt.Errorf("read back: %w", err)
	}
	if c.TUN {
		return c.MAC, a.MTU, nil
	}
	return encap.MAC(a.HardwareAddr), a.MTU, nil
}
