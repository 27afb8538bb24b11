package tap

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// An interface for another namespace is made in this one and then moved. One that were
// made there would need a descriptor of /dev/net/tun that was opened there, and such a
// descriptor keeps its namespace alive: a container that ended would never be gone, and
// its interface never be closed under us.

// Names for the kernel to complete. passing is what an interface has until it has moved,
// which is in nobody's way; the others are what it gets if nobody cares.
const (
	passing     = "vxtap%d"
	numberedTAP = "tap%d"
	numberedTUN = "tun%d"
)

// numbered is the name for a device that is to have any.
func (c *Config) numbered() string {
	if c.TUN {
		return numberedTUN
	}
	return numberedTAP
}

// firstName is the name to make an interface with that is to have name in target.
func firstName(name string, target netns.NsHandle) string {
	if target.IsOpen() {
		return passing
	}
	return name
}

// settle brings the interface that was made with a name to target, if that is open, under
// the name that c asks for, and sets it up.
func (d *Device) settle(made string, c Config, target netns.NsHandle) error {
	d.name = made
	if !target.IsOpen() {
		return d.setUp(c)
	}
	if err := sendLink(made, target, cmp.Or(c.Name, c.numbered())); err != nil {
		return err
	}
	err := d.control(func(fd int) (err error) {
		d.name, _, err = attachment(fd)
		return err
	})
	if err != nil {
		return err
	}
	return inNamespace(target, func() error { return d.setUp(c) })
}

// sendLink moves an interface from this thread's namespace to another, where it gets a
// new name unless that is empty.
func sendLink(name string, to netns.NsHandle, newName string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find interface %s: %w", name, err)
	}
	err = setNamespace(link.Attrs().Index, to, newName)
	name = cmp.Or(newName, name)
	switch {
	case errors.Is(err, unix.EEXIST):
		return nameTaken(name, err)
	case errors.Is(err, unix.EPERM):
		return refuse(ErrPermission, err, "not allowed to move %s: CAP_NET_ADMIN is needed in both namespaces", name)
	case err != nil:
		return fmt.Errorf("move %s to its network namespace: %w", name, err)
	}
	return nil
}

// setNamespace moves and renames in one request: whatever has either name, there or here,
// only the new name there has to be free.
func setNamespace(index int, to netns.NsHandle, newName string) error {
	req := nl.NewNetlinkRequest(unix.RTM_SETLINK, unix.NLM_F_ACK)
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(index)
	req.AddData(msg)
	req.AddData(nl.NewRtAttr(unix.IFLA_NET_NS_FD, nl.Uint32Attr(uint32(to))))
	if newName != "" {
		req.AddData(nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(newName)))
	}
	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	return err
}
