package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vxtap/vxtap/control/api"
)

// reading is the counters at one time.
type reading struct {
	at    time.Time
	stats api.Stats
}

// pair is one group of counters now and, for rates, before.
type pair struct {
	title       string
	now, before *api.Direction // before is nil if there is no earlier reading
}

// counter is one line of a group.
type counter struct {
	name string
	of   func(*api.Direction) uint64
}

// describeStats returns a table for each network and one for what belongs to none. With
// an earlier reading, it shows rates per second; with all, drop reasons that are zero.
func describeStats(now, before *reading, all bool) string {
	var b strings.Builder
	seconds := 0.0
	if before != nil {
		seconds = now.at.Sub(before.at).Seconds()
	}
	for i := range now.stats.Networks {
		n := &now.stats.Networks[i]
		out, in := pair{"out", &n.Out, nil}, pair{"in", &n.In, nil}
		if old := earlier(before, n); old != nil {
			out.before, in.before = &old.Out, &old.In
		}
		describeCounters(&b, fmt.Sprintf("network %v", n.VNI), seconds, all, out, in)
		describeLosses(&b, n)
		b.WriteByte('\n')
	}
	stray := pair{"in", &now.stats.Stray, nil}
	if before != nil {
		stray.before = &before.stats.Stray
	}
	describeCounters(&b, "no network", seconds, all, stray)
	fmt.Fprintf(&b, "  dropped by the kernel at the sockets: %d\n", now.stats.UnderlayDrops)
	if n := now.stats.ReceiveErrors; n > 0 || all {
		fmt.Fprintf(&b, "  failures to receive from the sockets: %d\n", n)
	}
	fmt.Fprintf(&b, "  new MACs put off, too many at once: %d\n", now.stats.Unlearned)
	fmt.Fprintf(&b, "  handshakes put off, too many at once: %d\n", now.stats.HandshakesLost)
	return b.String()
}

// earlier returns what the network counted before; nil if it was not there.
func earlier(before *reading, n *api.NetworkStats) *api.NetworkStats {
	if before == nil {
		return nil
	}
	for i := range before.stats.Networks {
		if old := &before.stats.Networks[i]; old.VNI == n.VNI {
			return old
		}
	}
	return nil
}

func describeCounters(b *strings.Builder, title string, seconds float64, all bool, pairs ...pair) {
	t := table{numbers: 1}
	header := []string{title}
	for _, p := range pairs {
		header = append(header, p.title)
		if seconds > 0 {
			header = append(header, "/s")
		}
	}
	t.add(header...)
	for _, c := range counters(all, pairs) {
		row := []string{"  " + c.name}
		for _, p := range pairs {
			row = append(row, strconv.FormatUint(c.of(p.now), 10))
			if seconds > 0 {
				row = append(row, c.rate(&p, seconds))
			}
		}
		t.add(row...)
	}
	t.writeTo(b)
}

// counters returns the lines of a group: those that are always there, then each reason
// that dropped something, or all reasons.
func counters(all bool, pairs []pair) []counter {
	list := []counter{
		{"frames", func(d *api.Direction) uint64 { return d.Frames }},
		{"bytes", func(d *api.Direction) uint64 { return d.Bytes }},
		{"forwarded", func(d *api.Direction) uint64 { return d.Forwarded }},
		{"forwarded bytes", func(d *api.Direction) uint64 { return d.ForwardedBytes }},
		{"copies", func(d *api.Direction) uint64 { return d.Copies }},
		{"dropped", func(d *api.Direction) uint64 { return d.Dropped }},
	}
	answers := func(d *api.Direction) uint64 { return d.Answers }
	if all || slices.ContainsFunc(pairs, func(p pair) bool { return answers(p.now) > 0 }) {
		list = slices.Insert(list, len(list)-1, counter{"answered", answers})
	}
	reasons := map[string]bool{}
	for _, p := range pairs {
		for reason, n := range p.now.Drops {
			if n > 0 || all {
				reasons[reason] = true
			}
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(reasons)) {
		list = append(list, counter{"  " + reason, func(d *api.Direction) uint64 { return d.Drops[reason] }})
	}
	return list
}

// rate returns the change per second; nothing if there is no earlier reading, or it is
// of an agent that has been restarted since.
func (c *counter) rate(p *pair, seconds float64) string {
	if p.before == nil || c.of(p.now) < c.of(p.before) {
		return "-"
	}
	return strconv.FormatFloat(float64(c.of(p.now)-c.of(p.before))/seconds, 'f', 0, 64)
}

// describeLosses says what a network lost apart from frames that were read.
func describeLosses(b *strings.Builder, n *api.NetworkStats) {
	for _, port := range slices.Sorted(maps.Keys(n.PortDrops)) {
		fmt.Fprintf(b, "  dropped by the kernel at port %s: %d\n", port, n.PortDrops[port])
	}
	fmt.Fprintf(b, "  MACs not learned, table full: %d\n", n.MACsRefused)
	fmt.Fprintf(b, "  moves of MACs not followed, too many: %d\n", n.MovesHeld)
}
