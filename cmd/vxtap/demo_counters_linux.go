package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/dataplane"
)

// The two ways of a frame, as the table calls them.
const (
	outward = "from " + demoTAP + " to the tunnel"
	inward  = "from the tunnel to " + demoTAP
)

// showCounters shows what each host has counted, and checks two things about it: that
// every frame that was read has one fate, and that the TCP data went through the tunnel.
func (d *demo) showCounters(ctx context.Context) error {
	d.say("\nCounted, in frames of wire size (vxtap stats)\n")
	t := table{indent: "  ", numbers: 2}
	t.add("host", "", "received", "forwarded", "dropped", "lost in the kernel")
	balanced, carried := 0, true
	var counted []hostCounters
	for _, h := range d.hosts {
		var now hostCounters
		err := settle(ctx, func() (_ bool, err error) {
			now, err = h.count(ctx)
			return now.balanced(), err
		})
		if err != nil {
			return err
		}
		if now.balanced() {
			balanced++
		}
		carried = carried && now.net.In.ForwardedBytes >= uint64(h.received)
		now.addTo(&t, h.Name())
		counted = append(counted, now)
	}
	d.say("%s", textOf(&t))
	for i, h := range d.hosts {
		d.explainDrops(h.Name(), &counted[i])
	}
	d.proof.add(balanced == len(d.hosts), "received = forwarded + dropped", "on %d of %d hosts", balanced, len(d.hosts))
	d.proof.add(carried, "all of the TCP data came out of the tunnel", "%s", byteCount(d.received()))
	return nil
}

// received is how many bytes of TCP data arrived anywhere.
func (d *demo) received() (n int64) {
	for _, h := range d.hosts {
		n += h.received
	}
	return n
}

// hostCounters is the counters of a host.
type hostCounters struct {
	net      api.NetworkStats
	underlay uint64 // lost by the kernel at the sockets
}

// count asks the agent, which has one network.
func (h *demoHost) count(ctx context.Context) (hostCounters, error) {
	stats, err := h.client.Stats(ctx)
	if err == nil && len(stats.Networks) != 1 {
		err = fmt.Errorf("%d networks", len(stats.Networks))
	}
	if err != nil {
		return hostCounters{}, fmt.Errorf("counters of %s: %w", h.Name(), errors.Join(err, ctx.Err()))
	}
	return hostCounters{stats.Networks[0], stats.UnderlayDrops}, nil
}

// balanced is so unless frames are under way.
func (c *hostCounters) balanced() bool {
	out, in := &c.net.Out, &c.net.In
	return out.Frames == out.Forwarded+out.Dropped && in.Frames == in.Forwarded+in.Dropped
}

// addTo adds a line for each direction. What the kernel lost was read by nobody, and is not
// among the frames received.
func (c *hostCounters) addTo(t *table, host string) {
	var atPorts uint64
	for n := range maps.Values(c.net.PortDrops) {
		atPorts += n
	}
	addDirection(t, host, outward, &c.net.Out, atPorts)
	addDirection(t, "", inward, &c.net.In, c.underlay)
}

func addDirection(t *table, host, name string, d *api.Direction, lost uint64) {
	t.add(host, name, fmt.Sprint(d.Frames), fmt.Sprint(d.Forwarded), fmt.Sprint(d.Dropped), fmt.Sprint(lost))
}

// explainDrops says for what reasons a host dropped frames.
func (d *demo) explainDrops(host string, c *hostCounters) {
	for _, way := range [...]struct {
		name   string
		counts *api.Direction
	}{{outward, &c.net.Out}, {inward, &c.net.In}} {
		if way.counts.Dropped > 0 {
			d.say("  %s dropped %s: %s\n", host, way.name, reasons(way.counts.Drops))
		}
	}
}

// floodDrops are what becomes of a flooded frame where nobody needs it.
var floodDrops = [...]dataplane.Drop{dataplane.DropNoDestination, dataplane.DropSplitHorizon}

// reasons lists those that occurred, as "name 3".
func reasons(drops map[string]uint64) string {
	var list []string
	for _, reason := range slices.Sorted(maps.Keys(drops)) {
		n := drops[reason]
		if n == 0 {
			continue
		}
		flooded := slices.ContainsFunc(floodDrops[:], func(d dataplane.Drop) bool { return d.String() == reason })
		if flooded {
			reason += " (flooded, no use for it)"
		}
		list = append(list, fmt.Sprintf("%d %s", n, reason))
	}
	return strings.Join(list, ", ")
}
