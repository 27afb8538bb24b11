package netlab

import (
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// AddAddress gives an interface an address, at once usable: IPv6 addresses are not
// probed for duplicates.
func (h *Host) AddAddress(ifname string, p netip.Prefix) error {
	link, err := h.link(ifname)
	if err != nil {
		return err
	}
	addr := &netlink.Addr{IPNet: ipNet(p)}
	if p.Addr().Is6() {
		addr.Flags = unix.IFA_F_NODAD
	}
	if err := h.nl.AddrAdd(link, addr); err != nil {
		return fmt.Errorf("add address %v to %s of host %s: %w", p, ifname, h.name, err)
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{
		IP:   p.Addr().AsSlice(),
		Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen()),
	}
}

// waitSolicitable waits until the host hears neighbour solicitations for the IPv6
// addresses of an interface that has come up. The kernel joins their groups from a work
// queue and announces it nowhere. A solicitation that comes before is lost, and the next
// is sent a second later.
func (h *Host) waitSolicitable(ctx context.Context, ifname string, addrs []netip.Prefix) error {
	err := h.Do(func() error {
		for _, p := range addrs {
			if err := waitJoined(ctx, ifname, p.Addr()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("wait for the addresses of %s of host %s: %w", ifname, h.name, err)
	}
	return nil
}

// waitJoined looks until the solicited-node group of addr is joined on an interface of
// the thread's namespace.
func waitJoined(ctx context.Context, ifname string, addr netip.Addr) error {
	if !addr.Is6() {
		return nil
	}
	group := solicitedNode(addr)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		joined, err := hasJoined(ifname, group)
		if joined || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("join %v: %w", group, ctx.Err())
		}
	}
}

// hasJoined looks for group in lines of "index interface group users flags timer".
func hasJoined(ifname string, group netip.Addr) (bool, error) {
	text, err := os.ReadFile("/proc/thread-self/net/igmp6")
	if err != nil {
		return false, err
	}
	want := hex.EncodeToString(group.AsSlice())
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 2 && f[1] == ifname && f[2] == want {
			return true, nil
		}
	}
	return false, nil
}

// solicitedNode is the group in which addr is asked for (RFC 4291 section 2.7.1).
func solicitedNode(addr netip.Addr) netip.Addr {
	group := [16]byte{0xff, 0x02, 11: 0x01, 12: 0xff}
	a := addr.As16()
	copy(group[13:], a[13:])
	return netip.AddrFrom16(group)
}
