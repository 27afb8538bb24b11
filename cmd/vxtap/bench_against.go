package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/dataplane/netlab/traffic"
)

// benchForeign is a tunnel that the user has up, and a sink at its far end.
type benchForeign struct {
	name  string
	sink  netip.AddrPort
	netns string // where traffic is sent from; "" is here
}

// parseBenchForeign parses NAME=ADDR[:PORT]@NETNS. Without the last part, traffic is sent
// from the namespace of this process.
func parseBenchForeign(s string) (benchForeign, error) {
	name, rest, named := strings.Cut(s, "=")
	addr, netns, _ := strings.Cut(rest, "@")
	f := benchForeign{name: name, netns: netns}
	if !named || name == "" || addr == "" {
		return f, fmt.Errorf("bad tunnel %q: want NAME=ADDR[:PORT]@NETNS, like mine=10.7.0.2@blue", s)
	}
	if findBenchKind(name) != nil {
		return f, fmt.Errorf("bad tunnel %q: %s is one of bench's own subjects, give another name", s, name)
	}
	var err error
	if f.sink, err = netip.ParseAddrPort(addr); err == nil {
		return f, nil
	}
	ip, err := netip.ParseAddr(addr)
	if err != nil {
		return f, fmt.Errorf("bad address %q of tunnel %s: want an IP address, with or without a port", addr, name)
	}
	f.sink = netip.AddrPortFrom(ip, traffic.DefaultPort)
	return f, nil
}

// checkAgainst refuses two tunnels of one name.
func (o *benchOptions) checkAgainst() error {
	for i, f := range o.against {
		if slices.ContainsFunc(o.against[:i], func(g benchForeign) bool { return g.name == f.name }) {
			return fmt.Errorf("--against: there are two tunnels %s, give them different names", f.name)
		}
	}
	return nil
}

// place is where traffic is sent from.
func (f benchForeign) place() traffic.Place {
	if f.netns == "" {
		return traffic.Here
	}
	return func(open func() error) error { return netlab.Inside(f.netns, open) }
}
