package netlab

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// bridgeName is the bridge in a switch.
const bridgeName = "br0"

// Switch adds a host that is a switch: it has a bridge br0, which floods multicast and
// takes no part in spanning trees, so that a port forwards as soon as it is up.
func (l *Lab) Switch(name string) (*Host, error) {
	h, err := l.Host(name)
	if err != nil {
		return nil, err
	}
	snooping := false
	bridge := &netlink.Bridge{LinkAttrs: netlink.NewLinkAttrs(), MulticastSnooping: &snooping}
	bridge.Name = bridgeName
	if err := h.nl.LinkAdd(bridge); err != nil {
		return nil, fmt.Errorf("add a bridge to host %s: %w", name, err)
	}
	return h, h.setLinkUp(bridgeName)
}

// Plug puts a cable between a host and a switch. The switch's end is named port, and
// cfg.B is not used.
func (l *Lab) Plug(h *Host, ifname string, sw *Host, port string, cfg LinkConfig) error {
	bridge, err := sw.link(bridgeName)
	if err != nil {
		return err
	}
	cfg.B = nil
	if err := l.Link(h, ifname, sw, port, cfg); err != nil {
		return err
	}
	end, err := sw.link(port)
	if err != nil {
		return err
	}
	if err := sw.nl.LinkSetMaster(end, bridge); err != nil {
		return fmt.Errorf("plug %s of host %s into switch %s: %w", ifname, h.name, sw.name, err)
	}
	return nil
}

// Segment plugs hosts into a switch of their own. Each gets an eth0 with an address of
// prefix: the first .1, the second .2, and so on. It returns the addresses.
func (l *Lab) Segment(hosts []*Host, prefix netip.Prefix) ([]netip.Addr, error) {
	addrs, err := firstAddrs(prefix, len(hosts))
	if err != nil {
		return nil, err
	}
	sw, err := l.Switch(l.segmentName())
	if err != nil {
		return nil, err
	}
	for i, h := range hosts {
		cfg := LinkConfig{A: []netip.Prefix{netip.PrefixFrom(addrs[i], prefix.Bits())}}
		if err := l.Plug(h, "eth0", sw, fmt.Sprintf("port%d", i+1), cfg); err != nil {
			return nil, err
		}
	}
	return addrs, nil
}

func (l *Lab) segmentName() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.segments++
	return fmt.Sprintf("switch%d", l.segments)
}

// firstAddrs are the first n addresses of prefix behind that of the network.
func firstAddrs(prefix netip.Prefix, n int) ([]netip.Addr, error) {
	addrs := make([]netip.Addr, n)
	addr := prefix.Masked().Addr()
	for i := range addrs {
		addr = addr.Next()
		if !prefix.Contains(addr) {
			return nil, fmt.Errorf("prefix %v has no address for host number %d", prefix, i+1)
		}
		addrs[i] = addr
	}
	return addrs, nil
}
