package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

// How many hosts a demo may have. More would not fit on a screen.
const (
	minDemoHosts = 2
	maxDemoHosts = 8
)

// demoOptions is what the flags of demo say.
type demoOptions struct {
	hosts    int           // minDemoHosts to maxDemoHosts
	ipv6     bool          // underlay; the overlay always has both families
	keep     bool          // until Ctrl-C
	duration time.Duration // of each TCP transfer
}

// newDemoCommand makes the command. It has a flag for everything that changes what one
// sees, and none that has to be given.
func newDemoCommand(e *env) *cobra.Command {
	o := &demoOptions{hosts: minDemoHosts, duration: 2 * time.Second}
	c := &cobra.Command{
		Use:   "demo [flags]",
		Short: "Make hosts and an overlay on this machine, and prove that it carries traffic",
		Long: `Make hosts out of network namespaces on this machine, start a vxtap on each, and
prove that the overlay between them carries traffic: ping, TCP, what was learned, and
what was counted. All of it is removed in the end, on Ctrl-C too.

Needs Linux, and root or a /dev/net/tun that everybody may use. Changes nothing on the
machine itself: what happens, happens in the namespaces.`,
		Example: "  vxtap demo\n  vxtap demo --hosts 3 --ipv6\n  vxtap demo --keep",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runDemo(cmd.Context(), e, o) },
	}
	fs := c.Flags()
	fs.SortFlags = false
	flagOf(fs, &o.hosts, parseDemoHosts, "hosts", "N", "2", "how many hosts, 2 to 8")
	fs.BoolVar(&o.ipv6, "ipv6", false, "carry the overlay over an IPv6 underlay")
	flagOf(fs, &o.duration, parseDemoDuration, "duration", "TIME", "2s", "how long each TCP transfer runs")
	fs.BoolVar(&o.keep, "keep", false, "leave it up until Ctrl-C, and say how to look around in it")
	return c
}

func parseDemoHosts(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < minDemoHosts || n > maxDemoHosts {
		return 0, fmt.Errorf("bad number of hosts %q: want one from %d to %d", s, minDemoHosts, maxDemoHosts)
	}
	return n, nil
}

func parseDemoDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("bad duration %q: want a time, like 500ms or 10s", s)
	}
	return d, nil
}
