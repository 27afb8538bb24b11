package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/vxtap/vxtap/control/api"
)

func newEventsCommand(e *env) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "events",
		Short: "Print what happens to the agent, as it happens",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := untilSignal(cmd.Context())
			defer stop()
			return api.NewClient(e.socket).Events(ctx, nil, func(event api.Event) error {
				if asJSON {
					return printJSON(e.stdout, event)
				}
				_, err := fmt.Fprintln(e.stdout, describeEvent(&event))
				return err
			})
		},
	}
	jsonFlag(c.Flags(), &asJSON)
	return c
}

// describeEvent says an event in one line.
func describeEvent(e *api.Event) string {
	line := fmt.Sprintf("%s %s", e.Time.Format(time.RFC3339), e.Kind)
	if e.VNI != 0 {
		line += fmt.Sprintf(" vni %d", e.VNI)
	}
	if e.Port != "" {
		line += " port " + e.Port
	}
	if e.Remote.IsValid() {
		line += " remote " + e.Remote.String()
	}
	if !e.MAC.IsZero() {
		line += " mac " + e.MAC.String()
	}
	if e.MTU != 0 {
		line += fmt.Sprintf(" mtu %d", e.MTU)
	}
	line += ": " + e.Message
	if e.Missed > 0 {
		line += fmt.Sprintf(" (%d before this were missed)", e.Missed)
	}
	return line
}
