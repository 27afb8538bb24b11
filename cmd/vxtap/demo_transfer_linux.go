package main

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/vxtap/vxtap/dataplane/netlab"
)

// transferGrace is how much longer than asked for a transfer may take: it has to connect,
// and what is in buffers at the end has to arrive.
const transferGrace = 20 * time.Second

// transferAll sends data over TCP: from the first host to the second over IPv4, and from
// the last to the first over IPv6.
func (d *demo) transferAll(ctx context.Context) error {
	d.say("\nTCP through the overlay, %v each, every byte compared\n", d.duration)
	first, second, last := d.hosts[0], d.hosts[1], d.hosts[len(d.hosts)-1]
	if err := d.transfer(ctx, "IPv4", first, second, second.v4); err != nil {
		return err
	}
	if err := d.transfer(ctx, "IPv6", last, first, first.v6); err != nil {
		return err
	}
	return d.checkChecksums()
}

// transfer sends for the duration asked for. That it fails is a finding; an error means
// that the demo has ended.
func (d *demo) transfer(ctx context.Context, family string, from, to *demoHost, addr netip.Addr) error {
	limited, cancel := context.WithTimeout(ctx, d.duration+transferGrace)
	defer cancel()
	title := fmt.Sprintf("%s to %s over %s", from.Name(), to.Name(), family)
	bar := newTransferBar(d.out, d.term, title, d.duration)
	res, err := netlab.Transfer(limited, from.Host, to.Host, netip.AddrPortFrom(addr, 0), netlab.TransferConfig{
		Duration: d.duration,
		Verify:   true,
		Progress: bar.progress,
	})
	bar.end()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	to.received += res.Bytes
	check := "TCP from " + title
	if err != nil {
		d.say("  %s: %v\n", title, err)
		d.proof.add(false, check, "%v", err)
		return nil
	}
	result := fmt.Sprintf("%s in %.1f s: %s", byteCount(res.Bytes), res.Elapsed.Seconds(), bitRate(res.Rate()))
	d.say("  %s: %s\n", title, result)
	d.proof.add(true, check, "%s", result)
	return nil
}

// checkChecksums asks the hosts' IP stacks whether they got anything broken, inside the
// overlay or below it. Frames cross between vxtap and kernel with checksums that are not
// computed yet, and an error in that would show here while ping still works.
func (d *demo) checkChecksums() error {
	var broken uint64
	for _, h := range d.hosts {
		counters, err := h.SNMP()
		if err != nil {
			return err
		}
		for _, name := range []string{"TcpInCsumErrors", "UdpInCsumErrors", "Udp6InCsumErrors", "IcmpInCsumErrors", "Icmp6InCsumErrors"} {
			broken += counters[name]
		}
	}
	d.proof.add(broken == 0, "no wrong checksum on any host", "%d counted", broken)
	return nil
}

// bitRate formats bits per second.
func bitRate(r float64) string {
	if r >= 1e9 {
		return fmt.Sprintf("%.2f Gbit/s", r/1e9)
	}
	return fmt.Sprintf("%.1f Mbit/s", r/1e6)
}

// byteCount formats bytes, in powers of ten as rates are.
func byteCount(n int64) string {
	if n >= 1e9 {
		return fmt.Sprintf("%.2f GB", float64(n)/1e9)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}
