package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/encap"
)

// settleLimit is how long agents may take to have learned and counted what has passed. It
// is a fraction of that: a MAC gets into the table a moment after its frame has passed.
const settleLimit = 2 * time.Second

// settle calls look until it is content, or settleLimit is over. What look saw last is then
// what is shown, content or not.
func settle(ctx context.Context, look func() (bool, error)) error {
	limit := time.NewTimer(settleLimit)
	defer limit.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if content, err := look(); content || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-limit.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// showLearned shows what each host has learned from the tunnel. It should be the MAC of
// every other host, at the VTEP that is there.
func (d *demo) showLearned(ctx context.Context) error {
	d.say("\nLearned from the tunnel (vxtap fdb show)\n")
	var right int
	t := table{indent: "  "}
	for _, h := range d.hosts {
		var learned []api.FDBEntry
		var known int
		err := settle(ctx, func() (_ bool, err error) {
			learned, err = h.learned(ctx)
			known = d.countKnown(h, learned)
			return known == len(d.hosts)-1, err
		})
		if err != nil {
			return err
		}
		right += known
		if len(d.hosts) > maxShown && h != d.hosts[0] {
			continue
		}
		for _, entry := range learned {
			t.add(h.Name(), entry.MAC.String(), "at "+entry.Dst.String(), d.nameOf(entry.MAC))
		}
	}
	d.say("%s", textOf(&t))
	if len(d.hosts) > maxShown {
		d.say("  and so on for the other hosts\n")
	}
	want := len(d.hosts) * (len(d.hosts) - 1)
	d.proof.add(right == want, "every host has learned where the others are", "%d of %d", right, want)
	return nil
}

// learned asks the agent for the part of its table that came from the tunnel.
func (h *demoHost) learned(ctx context.Context) ([]api.FDBEntry, error) {
	all, err := h.client.FDB(ctx, demoVNI)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", h.Name(), err)
	}
	return slices.DeleteFunc(all, func(e api.FDBEntry) bool { return e.Class != api.ClassLearned }), nil
}

// countKnown returns how many of the others h has at their VTEP.
func (d *demo) countKnown(h *demoHost, learned []api.FDBEntry) (n int) {
	for _, other := range d.hosts {
		right := func(e api.FDBEntry) bool { return e.MAC == other.mac() && e.Dst == other.underlay }
		if other != h && slices.ContainsFunc(learned, right) {
			n++
		}
	}
	return n
}

// mac is the TAP's: derived from its first address, so that it survives a restart.
func (h *demoHost) mac() encap.MAC { return encap.MACFromAddr(h.v4) }

// nameOf says whose MAC that is.
func (d *demo) nameOf(mac encap.MAC) string {
	for _, h := range d.hosts {
		if h.mac() == mac {
			return "which is " + h.Name()
		}
	}
	return ""
}
