package tap

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

const tunPath = "/dev/net/tun"

// CheckName refuses what the kernel would refuse as an interface name without saying
// why (dev_valid_name), and '%', from which it makes a name of its own. Empty is right:
// it leaves the name to the kernel. The error wraps [ErrName].
func CheckName(name string) error {
	switch {
	case len(name) >= unix.IFNAMSIZ:
		return refuse(ErrName, nil, "interface name %q is %d bytes long, at most %d are allowed", name, len(name), unix.IFNAMSIZ-1)
	case name == "." || name == ".." || slices.ContainsFunc([]byte(name), notInName):
		return refuse(ErrName, nil, "interface name %q: '.', '..', and names with '/', ':', '%%' or white space are not allowed", name)
	}
	return nil
}

// notInName reports whether c cannot be in an interface name. The kernel looks at bytes,
// not runes, and to its isspace 0xa0 is white space.
func notInName(c byte) bool {
	return strings.IndexByte("/:% \t\n\v\f\r\x00\xa0", c) >= 0
}

// deviceFlag selects the device of a Config.
func (c *Config) deviceFlag() uint16 {
	if c.TUN {
		return unix.IFF_TUN
	}
	return unix.IFF_TAP
}

// openQueue attaches a new descriptor to the interface of that name with the flags
// beside IFF_NO_PI, and returns the name it has. To create it, flags hold
// IFF_TUN_EXCL: with it the kernel refuses a name that is in use, without it
// a persistent TAP of somebody else's would become ours without a word.
func openQueue(name string, flags uint16) (fd int, given string, err error) {
	fd, err = unix.Open(tunPath, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, "", openError(err)
	}
	given, err = attach(fd, name, flags|unix.IFF_NO_PI)
	if err != nil {
		unix.Close(fd)
		return -1, "", attachError(name, err)
	}
	return fd, given, nil
}

// attach makes fd a queue, and reads back what it became: on a device that has queues
// the kernel ignores flags that differ from theirs.
func attach(fd int, name string, flags uint16) (given string, err error) {
	req, err := unix.NewIfreq(name)
	if err != nil {
		return "", err
	}
	req.SetUint16(flags)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
		return "", fmt.Errorf("TUNSETIFF: %w", err)
	}
	given, got, err := attachment(fd)
	if err != nil {
		return "", err
	}
	if want := flags &^ unix.IFF_TUN_EXCL; got&want != want {
		return "", fmt.Errorf("asked for flags %#x, the kernel gave %#x", want, got)
	}
	return given, nil
}

// attachment returns the present name and the flags of fd's interface.
func attachment(fd int) (name string, flags uint16, err error) {
	req, err := unix.NewIfreq("")
	if err != nil {
		return "", 0, err
	}
	if err := unix.IoctlIfreq(fd, unix.TUNGETIFF, req); err != nil {
		return "", 0, fmt.Errorf("TUNGETIFF: %w", err)
	}
	return req.Name(), req.Uint16(), nil
}

// openError says what it takes to open /dev/net/tun.
func openError(err error) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return refuse(ErrPermission, err, "%s cannot be opened (%v): run as root; in a container, give it --device %s", tunPath, err, tunPath)
	}
	if !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENODEV) && !errors.Is(err, unix.ENXIO) {
		return fmt.Errorf("opening %s: %w", tunPath, err) // the system is short of something
	}
	return refuse(ErrNoTUN, err, "%s cannot be opened (%v): load the driver with `modprobe tun`; in a container, give it --device %s", tunPath, err, tunPath)
}

// attachError says why the kernel did not make the interface.
func attachError(name string, err error) error {
	switch {
	case errors.Is(err, unix.EBUSY):
		return nameTaken(name, err)
	case errors.Is(err, unix.EPERM):
		return refuse(ErrPermission, err, "not allowed to make an interface: run as root, or with CAP_NET_ADMIN in this network namespace")
	}
	return err
}

// nameTaken is the refusal to touch an interface that is not ours.
func nameTaken(name string, err error) error {
	return refuse(ErrExists, err, "interface %s already exists; choose another name (--tap, or --device of a port), or remove it", name)
}
