package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/vxtap/vxtap/control"
)

// upOptions is what the flags of up say.
type upOptions struct{ said }

func newUpCommand(e *env) *cobra.Command {
	o := &upOptions{}
	c := &cobra.Command{
		Use:   "up --vni N --local ADDR --remote ADDR [flags]",
		Short: "Make a TAP and carry its Ethernet frames to other VTEPs as VXLAN",
		Long: `Make a TAP and carry its Ethernet frames to other VTEPs as VXLAN (RFC 7348).

Stays in the foreground, logs to stderr, and says "ready" once frames flow, to
systemd too. SIGTERM, Ctrl-C or the end of its terminal ends it, a second one of the first
two at once; what it made goes with it, however it ends.

Where an agent answers on the socket already, it is that agent which gets the network,
for as long as this command runs; --local and the other words about the node may then be
left out, or have to agree with how it runs.` + sealedHelp,
		Example: `  vxtap up --vni 42 --local 10.9.0.1 --remote 10.9.0.2 --address 192.168.77.1/24
  vxtap up --vni 43 --local 10.9.0.1 --remote 10.9.0.2 --sealed --psk-file /etc/vxtap/psk`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.checkSealing(); err != nil {
				return usageError{err}
			}
			ctx, stop := untilSignal(cmd.Context())
			defer stop()
			ctx, stopHangup := untilHangup(ctx)
			defer stopHangup()
			if err := o.finish(); err != nil {
				if answers(ctx, e) { // an agent that has what is missing here, or says so better
					return o.handOver(ctx, e, e.logger())
				}
				return usageError{err}
			}
			return o.run(ctx, e)
		},
	}
	c.Flags().SortFlags = false
	o.flags(c.Flags(), control.OfBoth)
	metricsFlag(c.Flags(), e)
	return c
}

// finish checks together what the flags say.
func (o *upOptions) finish() error {
	o.network.FloodPeers(o.node)
	if err := o.node.Check(); err != nil {
		return err
	}
	return o.network.Check(o.node)
}

// run is the agent's life.
func (o *upOptions) run(ctx context.Context, e *env) (err error) {
	log := e.logger()
	secrets, err := o.keys()
	if err != nil {
		return err
	}
	ln, err := listen(e)
	if err != nil {
		if canHandOver(ctx, e, err) {
			return o.handOver(ctx, e, log)
		}
		return err
	}
	agent, err := control.Open(control.AgentConfig{Node: o.node, Keys: secrets, Drivers: drivers(), Logger: log, Version: programVersion()})
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	defer func() {
		err = errors.Join(err, agent.Close())
		log.Info("stopped")
	}()
	if err := agent.AddNetwork(o.network); err != nil {
		return errors.Join(err, ln.Close())
	}
	return serveAll(ctx, e, agent, ln, log, nil)
}
