package tap

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"github.com/vxtap/vxtap/encap"
	"golang.org/x/sys/unix"
)

// platform is the Linux part of a Device. It keeps no handle of the interface's
// namespace, which would keep a container's namespace alive after the container; the
// descriptor knows at any time where its interface is.
type platform struct {
	// control lends a descriptor of the interface to a function.
	control   func(func(fd int) error) error
	addresses []netip.Prefix
	routes    []Route
	linkLocal netip.Prefix // of a TUN, if it has a MAC to make it from
}

// open makes the device in the calling thread's namespace, whichever it is for: see
// settle.
func open(c Config) (d *Device, err error) {
	if err := CheckName(c.Name); err != nil {
		return nil, err
	}
	target := netns.None()
	if c.NetNS != "" {
		if target, err = openNamespace(c.NetNS); err != nil {
			return nil, err
		}
		defer target.Close()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if c.Portable {
		return openPortable(c, target)
	}
	return openVNET(c, target)
}

// openVNET makes a device of the Linux driver.
func openVNET(c Config, target netns.NsHandle) (*Device, error) {
	d := &Device{driver: "linux vnet_hdr"}
	var queues []*vnetQueue
	name, flags := firstName(c.Name, target), c.deviceFlag()|unix.IFF_VNET_HDR|unix.IFF_TUN_EXCL
	if c.Queues > 1 {
		flags |= unix.IFF_MULTI_QUEUE
	}
	for range c.Queues {
		q, given, err := d.openVNETQueue(name, flags, c)
		if err != nil {
			return nil, errors.Join(err, d.Close())
		}
		d.queues, queues = append(d.queues, &Queue{q}), append(queues, q)
		name, flags = given, flags&^unix.IFF_TUN_EXCL
	}
	d.control = queues[0].control
	if c.Queues > 1 {
		d.steered = d.control(func(fd int) error { return steer(fd, c.skipped()) })
	}
	if err := d.settle(name, c, target); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	for _, q := range queues {
		q.errs = makeQueueErrors(d.name)
	}
	return d, nil
}

// openVNETQueue opens one more queue. Offloads are the interface's, so that all queues
// are granted the same.
func (d *Device) openVNETQueue(name string, flags uint16, c Config) (*vnetQueue, string, error) {
	fd, given, err := openQueue(name, flags)
	if err != nil {
		return nil, "", err
	}
	if d.granted, err = setOffloads(fd, c.NoOffload); err != nil {
		unix.Close(fd)
		return nil, "", err
	}
	q := newVNETQueue(fd, given, d.granted.write)
	q.skip = c.skipped()
	q.readBursts(c.NoOffload)
	return q, given, nil
}

// setUp gives the interface, in this thread's namespace, what c asks for.
func (d *Device) setUp(c Config) (err error) {
	d.addresses, d.routes = c.Addresses, c.Routes
	if c.TUN {
		d.linkLocal = linkLocal(c.MAC)
	}
	if d.mac, d.mtu, err = d.setUpLink(c); err != nil {
		return err
	}
	link, err := netlink.LinkByName(d.name)
	if err != nil {
		return fmt.Errorf("find interface %s: %w", d.name, err)
	}
	d.limitSuperframes(link)
	return nil
}

// limitSuperframes limits those that are read, if any are.
func (d *Device) limitSuperframes(link netlink.Link) {
	if d.granted.read&(encap.OffloadTSO|encap.OffloadUSO) == 0 {
		d.granted.trainSize = d.granted.why
		return
	}
	d.granted.trainSize = limitSuperframes(link, link.Attrs().MTU)
}

// whereabouts returns the name that the interface has now and the namespace that it is
// in, wherever it was moved and by whom. The caller closes the namespace.
func (d *Device) whereabouts() (name string, ns netns.NsHandle, err error) {
	ns = netns.None()
	err = d.control(func(fd int) (err error) {
		if name, _, err = attachment(fd); err != nil {
			return err
		}
		n, err := unix.IoctlRetInt(fd, unix.TUNGETDEVNETNS)
		if err != nil {
			return fmt.Errorf("TUNGETDEVNETNS (Linux 5.2 or later, CAP_NET_ADMIN): %w", err)
		}
		ns = netns.NsHandle(n)
		return nil
	})
	if isGone(err) {
		err = goneError(d.name)
	}
	return name, ns, err
}

// now reads the interface's address and MTU.
func (d *Device) now() (mac encap.MAC, mtu int, err error) {
	err = d.visit(func(link netlink.Link) {
		copy(mac[:], link.Attrs().HardwareAddr)
		mtu = link.Attrs().MTU
	})
	return mac, mtu, err
}

// kernelDrops is what the interface counts as dropped on sending, which for a TAP is
// towards us.
func (d *Device) kernelDrops() (n uint64, err error) {
	err = d.visit(func(link netlink.Link) {
		if s := link.Attrs().Statistics; s != nil {
			n = s.TxDropped
		}
	})
	return n, err
}

// visit looks at the interface as it is now.
func (d *Device) visit(look func(netlink.Link)) error {
	name, ns, err := d.whereabouts()
	if err != nil {
		return err
	}
	defer ns.Close()
	return inNamespace(ns, func() error {
		link, err := netlink.LinkByName(name)
		if err == nil {
			look(link)
		}
		return err
	})
}

func (d *Device) move(to string) error {
	d.moving.Lock()
	defer d.moving.Unlock()
	target, err := openNamespace(to)
	if err != nil {
		return err
	}
	defer target.Close()
	name, from, err := d.whereabouts()
	if err != nil {
		return err
	}
	defer from.Close()
	if err := inNamespace(from, func() error { return sendLink(name, target, "") }); err != nil {
		return err
	}
	return inNamespace(target, func() error {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		d.limitSuperframes(link) // by the MTU that it has now, and some kernels forget
		if err := leaveOutQdisc(link); err != nil {
			return err // the kernel has taken it away, and gives its own to what comes up
		}
		return d.bringUp(link)
	})
}

func (d *Device) setMTU(mtu int) error {
	d.moving.Lock()
	defer d.moving.Unlock()
	if d.driver == portableDriver && mtu > d.mtu {
		return fmt.Errorf("it was opened with %d, and has no longer buffers: %w", d.mtu, errors.ErrUnsupported)
	}
	name, ns, err := d.whereabouts()
	if err != nil {
		return err
	}
	defer ns.Close()
	return inNamespace(ns, func() error {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		if err := netlink.LinkSetMTU(link, mtu); err != nil {
			return err
		}
		link, err = netlink.LinkByIndex(link.Attrs().Index)
		if err != nil {
			return fmt.Errorf("read back: %w", err)
		}
		if got := link.Attrs().MTU; got != mtu {
			return fmt.Errorf("read back: MTU is %d", got)
		}
		d.limitSuperframes(link)
		return nil
	})
}
