package main

import (
	"context"
	"errors"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/control/api"
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
systemd too. SIGTERM or Ctrl-C ends it, a second one at once; what it made goes with
it, however it ends.` + sealedHelp,
		Example: `  vxtap up --vni 42 --local 10.9.0.1 --remote 10.9.0.2 --address 192.168.77.1/24
  vxtap up --vni 43 --local 10.9.0.1 --remote 10.9.0.2 --sealed --psk-file /etc/vxtap/psk`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.checkSealing(); err != nil {
				return usageError{err}
			}
			if err := o.finish(); err != nil {
				return usageError{err}
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			context.AfterFunc(ctx, stop) // a second signal ends the process at once
			return o.run(ctx, e)
		},
	}
	c.Flags().SortFlags = false
	o.flags(c.Flags())
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
	log := newLogger(e.stderr)
	secrets, err := o.keys()
	if err != nil {
		return err
	}
	ln, err := api.Listen(e.socket)
	if err != nil {
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
	return serve(ctx, agent, ln, log)
}

// serve answers on the API until ctx ends or the agent fails.
func serve(ctx context.Context, agent *control.Agent, ln net.Listener, log *zap.Logger) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	served := make(chan error, 1)
	go func() {
		defer stop() // an agent that nobody can ask is of no use
		served <- api.Serve(ctx, ln, agent)
	}()
	log.Info("ready", zap.Stringer("socket", ln.Addr()))
	notify(log, daemon.SdNotifyReady)
	err := agent.Wait(ctx)
	notify(log, daemon.SdNotifyStopping)
	log.Info("stopping", zap.NamedError("why", context.Cause(ctx)))
	stop()
	return errors.Join(err, <-served)
}

// notify tells the service manager, if there is one.
func notify(log *zap.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("cannot notify the service manager", zap.Error(err))
	}
}
