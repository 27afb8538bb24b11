package netlab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// linkUpLimit is how long a new link may take to come up. It takes milliseconds.
const linkUpLimit = 30 * time.Second

// Link puts a cable between two hosts: a veth pair, one end in each. When it returns,
// the link is up and carries.
func (l *Lab) Link(a *Host, aName string, b *Host, bName string, cfg LinkConfig) error {
	l.mu.Lock() // one at a time, for indices that are free
	err := addVeth(a, aName, b, bName, cfg.MTU)
	l.mu.Unlock()
	if err != nil {
		return err
	}
	err = errors.Join(
		a.configureEnd(aName, cfg.A, cfg),
		b.configureEnd(bName, cfg.B, cfg))
	if err == nil {
		err = bothUp(a, aName, b, bName, cfg)
	}
	if err != nil {
		return errors.Join(err, a.DeleteLink(aName))
	}
	return nil
}

// addVeth makes a veth pair with both ends where they belong from the start, so that
// names need to be free only there.
func addVeth(a *Host, aName string, b *Host, bName string, mtu int) error {
	index, err := unlikeIndex(a, b)
	if err != nil {
		return err
	}
	veth := netlink.NewVeth(netlink.NewLinkAttrs())
	veth.Name, veth.MTU, veth.Index = aName, mtu, index
	veth.PeerName, veth.PeerMTU = bName, uint32(mtu)
	veth.PeerNamespace = netlink.NsFd(b.ns.Fd())
	if err := a.nl.LinkAdd(veth); err != nil {
		return fmt.Errorf("link %s of host %s with %s of host %s: %w", aName, a.name, bName, b.name, err)
	}
	return nil
}

// unlikeIndex is an index for an interface of a that its other end in b will hardly have,
// since the kernel counts from 1. Two ends with the same index, as in two new namespaces,
// look to the kernel's link watch like one plain device, whose carrier it announces up
// to a second late (linkwatch_urgent_event).
func unlikeIndex(a, b *Host) (int, error) {
	const apart = 100
	highest := 0
	for _, h := range []*Host{a, b} {
		links, err := h.nl.LinkList()
		if err != nil {
			return 0, fmt.Errorf("list the interfaces of host %s: %w", h.name, err)
		}
		for _, link := range links {
			highest = max(highest, link.Attrs().Index)
		}
	}
	return highest + apart, nil
}

// configureEnd prepares one end and asks for it to come up, which it does when both
// have.
func (h *Host) configureEnd(ifname string, addrs []netip.Prefix, cfg LinkConfig) error {
	if err := h.SetUnderlay(ifname, cfg.Underlay); err != nil {
		return err
	}
	if err := h.Offload(ifname, cfg.Offloads); err != nil {
		return err
	}
	for _, p := range addrs {
		if err := h.AddAddress(ifname, p); err != nil {
			return err
		}
	}
	return h.setLinkUp(ifname)
}

// bothUp waits until both ends of a link carry, and answer for their addresses.
func bothUp(a *Host, aName string, b *Host, bName string, cfg LinkConfig) error {
	ctx, cancel := context.WithTimeout(context.Background(), linkUpLimit)
	defer cancel()
	if err := a.endUp(ctx, aName, cfg.A); err != nil {
		return err
	}
	return b.endUp(ctx, bName, cfg.B)
}

func (h *Host) endUp(ctx context.Context, ifname string, addrs []netip.Prefix) error {
	if err := h.WaitUp(ctx, ifname); err != nil {
		return err
	}
	return h.waitSolicitable(ctx, ifname, addrs)
}

// WaitUp waits until an interface of the host is there, is up, and has a carrier.
func (h *Host) WaitUp(ctx context.Context, ifname string) error {
	const carries = unix.IFF_UP | unix.IFF_RUNNING | unix.IFF_LOWER_UP
	err := h.watchLinks(ctx, func(u netlink.LinkUpdate) bool {
		attrs := u.Attrs()
		return attrs.Name == ifname && attrs.RawFlags&carries == carries
	})
	if err != nil {
		return fmt.Errorf("wait for %s of host %s to come up: %w", ifname, h.name, err)
	}
	return nil
}

// watchLinks waits for an interface, as it is or as it becomes, that found likes.
func (h *Host) watchLinks(ctx context.Context, found func(netlink.LinkUpdate) bool) error {
	updates, done := make(chan netlink.LinkUpdate), make(chan struct{})
	broken := make(chan error, 1)
	err := h.Do(func() error {
		return netlink.LinkSubscribeWithOptions(updates, done, netlink.LinkSubscribeOptions{
			ListExisting: true,
			ErrorCallback: func(err error) {
				select {
				case broken <- err:
				default:
				}
			},
		})
	})
	if err != nil {
		return err
	}
	defer func() { // the subscriber ends once it can be rid of its last update
		close(done)
		for range updates {
		}
	}()
	for {
		select {
		case u, ok := <-updates:
			if ok && found(u) {
				return nil
			}
			if !ok {
				return <-broken
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
