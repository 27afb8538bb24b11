package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

const (
	demoPings    = 5  // echo requests from a host to an address
	demoPingSize = 56 // bytes of data, as ping sends
)

// pingAll pings between each pair of hosts, in both families. A reply shows that both
// directions work, and so one direction of asking is enough. It also is what tables are
// learned from.
func (d *demo) pingAll(ctx context.Context) error {
	d.say("\nPing through the overlay (median of %d; the first also asks for the MAC)\n", demoPings)
	var v4, v6 pings
	for i, from := range d.hosts {
		for _, to := range d.hosts[i+1:] {
			a := v4.ping(ctx, from, to.v4)
			b := v6.ping(ctx, from, to.v6)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			d.say("  %s to %s  %v: %s   %v: %s\n", from.Name(), to.Name(), to.v4, a, to.v6, b)
		}
	}
	d.proof.add(v4.answered == v4.sent, "ping over IPv4, every pair of hosts", "%v", &v4)
	d.proof.add(v6.answered == v6.sent, "ping over IPv6, every pair of hosts", "%v", &v6)
	return nil
}

// pings is how those of one family went.
type pings struct {
	sent, answered int             // echo requests
	times          []time.Duration // all but the first of each pair
}

// ping sends some and says how that went.
func (p *pings) ping(ctx context.Context, from *demoHost, to netip.Addr) string {
	p.sent += demoPings
	// If nobody answers the first, the others would only be waited for.
	first, err := from.Ping(ctx, to, 1, demoPingSize)
	if err != nil {
		return "no answer"
	}
	rest, err := from.Ping(ctx, to, demoPings-1, demoPingSize)
	p.answered += len(first) + len(rest)
	if err != nil {
		return "only the first was answered"
	}
	p.times = append(p.times, rest...)
	return fmt.Sprintf("%s (first %s)", milliseconds(median(rest)), milliseconds(first[0]))
}

// String sums it up.
func (p *pings) String() string {
	s := fmt.Sprintf("%d of %d answered", p.answered, p.sent)
	if len(p.times) > 0 {
		s += ", median " + milliseconds(median(p.times))
	}
	return s
}

// median returns the middle one of at least one.
func median(times []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(times))[len(times)/2]
}

// milliseconds keeps two digits after the point: round trips take a tenth of one.
func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.2f ms", d.Seconds()*1e3)
}
