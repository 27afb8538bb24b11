package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/spf13/cobra"

	"github.com/vxtap/vxtap/control/api"
)

// home moves the cursor of a terminal to the upper left and clears what is below.
const home = "\x1b[H\x1b[J"

// statsOptions is what the flags of stats say.
type statsOptions struct {
	asJSON, watch, all bool
	interval           time.Duration
	before             *reading // the last one, when watching
}

func newStatsCommand(e *env) *cobra.Command {
	o := &statsOptions{interval: time.Second}
	c := &cobra.Command{
		Use:   "stats",
		Short: "Show what each network counts, in both directions, and each reason for a drop",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client := api.NewClient(e.socket)
			if o.watch {
				return o.follow(cmd.Context(), e, client)
			}
			return o.once(cmd.Context(), e, client)
		},
	}
	fs := c.Flags()
	jsonFlag(fs, &o.asJSON)
	fs.BoolVar(&o.watch, "watch", false, "show again and again, with rates per second, until Ctrl-C")
	flagOf(fs, &o.interval, parseInterval, "interval", "TIME", "1s", "how often --watch does")
	fs.BoolVar(&o.all, "all", false, "show every drop reason, also those that never occurred")
	return c
}

func parseInterval(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("bad interval %q: want a time, like 500ms or 2s", s)
	}
	return d, nil
}

// once prints one reading; the one before, if there is one, for rates.
func (o *statsOptions) once(ctx context.Context, e *env, c *api.Client) error {
	stats, err := c.Stats(ctx)
	if err != nil {
		return err
	}
	now := &reading{e.now(), stats}
	defer func() { o.before = now }()
	switch {
	case o.asJSON && o.watch:
		return json.NewEncoder(e.stdout).Encode(stats) // a line each
	case o.asJSON:
		return printJSON(e.stdout, stats)
	}
	text := describeStats(now, o.before, o.all)
	switch {
	case o.watch && e.terminal:
		text = home + text
	case o.before != nil:
		text = "\n" + text
	}
	_, err = io.WriteString(e.stdout, text)
	return err
}

// follow prints a reading at every interval until it is interrupted, which is no
// failure.
func (o *statsOptions) follow(ctx context.Context, e *env, c *api.Client) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	ticker := time.NewTicker(o.interval)
	defer ticker.Stop()
	for {
		if err := o.once(ctx, e, c); err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}
