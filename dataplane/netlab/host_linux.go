package netlab

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Host is a network namespace. Its methods may be called by several goroutines.
type Host struct {
	name string
	ns   *os.File // holds the namespace
	path string
	pin  *pinned // path is a mount of ours; nil if it is none
	nl   *netlink.Handle

	mu     sync.Mutex
	forks  *forker // made by the first Start
	closed bool
}

// newHost makes a namespace, known in runDir as fullName where that is possible.
func newHost(name, fullName string) (_ *Host, err error) {
	ns, err := newNamespace()
	if err != nil {
		return nil, err
	}
	h := &Host{name: name, ns: ns, path: descriptorPath(ns)}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
		}
	}()
	switch p, err := pin(ns, fullName); {
	case err == nil:
		h.path, h.pin = p.path, p
	case !cannotPin(err):
		return nil, err
	}
	return h, h.setUp()
}

// setUp opens netlink in the namespace and brings lo up.
func (h *Host) setUp() error {
	err := inside(h.ns, func() (err error) {
		// Duplicate address detection would keep link-local addresses from being
		// used for a second. Where /proc/sys is read-only, they come that much later.
		_ = os.WriteFile("/proc/sys/net/ipv6/conf/default/accept_dad", []byte("0"), 0)
		h.nl, err = netlink.NewHandle(unix.NETLINK_ROUTE)
		return err
	})
	if err != nil {
		return fmt.Errorf("open netlink: %w", err)
	}
	return h.setLinkUp("lo")
}

// Name is the name that the host was made with.
func (h *Host) Name() string { return h.name }

// Path names the namespace: /run/netns/NAME, for "ip netns exec NAME" and "nsenter
// --net=PATH"; or, if this process may not mount there, a descriptor of this process,
// for nsenter and for as long as the lab is open.
func (h *Host) Path() string { return h.path }

// Do runs f on a thread in the namespace. Goroutines that f starts are not in it; but
// sockets and files opened by f keep what they were opened in.
func (h *Host) Do(f func() error) error {
	return inside(h.ns, f)
}

// Netlink is a handle of the namespace, for what this package has no word for. The
// host closes it.
func (h *Host) Netlink() *netlink.Handle { return h.nl }

// DeleteLink removes an interface, and the other end if it is one of a pair.
func (h *Host) DeleteLink(ifname string) error {
	link, err := h.link(ifname)
	if err != nil {
		return err
	}
	if err := h.nl.LinkDel(link); err != nil {
		return fmt.Errorf("remove %s of host %s: %w", ifname, h.name, err)
	}
	return nil
}

func (h *Host) link(ifname string) (netlink.Link, error) {
	link, err := h.nl.LinkByName(ifname)
	if err != nil {
		return nil, fmt.Errorf("find %s of host %s: %w", ifname, h.name, err)
	}
	return link, nil
}

func (h *Host) setLinkUp(ifname string) error {
	link, err := h.link(ifname)
	if err != nil {
		return err
	}
	if err := h.nl.LinkSetUp(link); err != nil {
		return fmt.Errorf("bring %s of host %s up: %w", ifname, h.name, err)
	}
	return nil
}

// close removes what is in the namespace, then its name, and lets go of it. Whatever
// else holds the namespace (a socket, a process) then holds an empty one.
func (h *Host) close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	if h.forks != nil {
		h.forks.stop()
		h.forks = nil
	}
	var errs []error
	if h.nl != nil {
		errs = append(errs, h.deleteLinks())
		h.nl.Close()
		h.nl = nil
	}
	if h.pin != nil {
		err := h.pin.unpin()
		if err == nil {
			h.pin = nil
		}
		errs = append(errs, err)
	}
	h.ns.Close()
	return errors.Join(errs...)
}

// deleteLinks removes every interface that can be removed. The kernel would do so once
// nobody holds the namespace, but at a time of its own.
func (h *Host) deleteLinks() error {
	links, err := h.nl.LinkList()
	if err != nil {
		return fmt.Errorf("list the interfaces: %w", err)
	}
	var errs []error
	for _, link := range links {
		err := h.nl.LinkDel(link)
		gone := errors.Is(err, unix.ENODEV)                                    // with its other end
		fixed := errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EBUSY) // lo and the like
		if err != nil && !gone && !fixed {
			errs = append(errs, fmt.Errorf("remove %s: %w", link.Attrs().Name, err))
		}
	}
	return errors.Join(errs...)
}
