package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/control/config"
	"github.com/vxtap/vxtap/control/keys"
)

// runOptions is what the flags of run say.
type runOptions struct {
	said          // of the node, unless a file does
	path   string // of the configuration file; empty if there is none
	docker dockerOptions
}

func newRunCommand(e *env) *cobra.Command {
	o := &runOptions{}
	c := &cobra.Command{
		Use:   "run {-c FILE | --docker --local ADDR} [flags]",
		Short: "Run many networks in one agent, as a configuration file says, or Docker",
		Long: `Run the networks of a configuration file in one agent. Its keys are the words of
vxtap up; vxtap config example prints one with comments.

With --docker, networks are made by Docker engines as well, or alone: then no file is
needed, and the flags about the node say what it would.` + dockerHelp + `

Stays in the foreground, logs to stderr, and says "ready" once frames flow, to systemd
too. SIGHUP, or vxtap reload, has it read the file again and carry out the difference:
networks that are described as before go on without losing a frame. A file with a mistake
changes nothing.`,
		Example: `  vxtap config example > /etc/vxtap/vxtap.yaml
  vxtap run -c /etc/vxtap/vxtap.yaml
  vxtap run --docker --local 10.9.0.1`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return usageError{err}
			}
			ctx, stop := untilSignal(cmd.Context())
			defer stop()
			return o.run(ctx, e)
		},
	}
	c.Flags().SortFlags = false
	c.Flags().StringVarP(&o.path, "config", "c", "", "configuration `FILE`")
	o.docker.flags(c.Flags())
	o.flags(c.Flags(), control.OfNode)
	metricsFlag(c.Flags(), e)
	return c
}

func (o *runOptions) check() error {
	switch {
	case o.path == "" && !o.docker.on:
		return errors.New("no configuration file: name it with -c FILE")
	case o.path == "":
		return o.node.Check()
	}
	if said := slices.Sorted(maps.Keys(o.words)); len(said) > 0 {
		return fmt.Errorf("--%s with -c: what is about the node goes to the top of %s", said[0], o.path)
	}
	return nil
}

// loadConfig reads a configuration file in the words that this system knows.
func loadConfig(path string) (control.Spec, error) {
	return config.Load(path, control.Words(checkTAPName))
}

// spec is what to run: that of the file, or a node without networks.
func (o *runOptions) spec() (control.Spec, error) {
	if o.path == "" {
		return control.Spec{Node: o.node}, nil
	}
	return loadConfig(o.path)
}

// run is the life of an agent with many networks.
func (o *runOptions) run(ctx context.Context, e *env) (err error) {
	log := e.logger()
	var hangups chan os.Signal // reload; one that comes before all is up waits for that
	if o.path != "" {
		hangups = make(chan os.Signal, 1)
		signal.Notify(hangups, syscall.SIGHUP)
		defer signal.Stop(hangups)
	} else {
		var stop context.CancelFunc
		ctx, stop = untilHangup(ctx)
		defer stop()
	}
	spec, err := o.spec()
	if err != nil {
		return err
	}
	cfg := control.AgentConfig{Node: spec.Node, Drivers: drivers(), Logger: log, Version: programVersion()}
	if o.path != "" {
		cfg.Load = func() (control.Spec, error) { return loadConfig(o.path) }
	}
	if spec.Node.Seal.KeyFile != "" || spec.Node.Seal.PSKFile != "" {
		secrets, err := keys.Load(spec.Node)
		if err != nil {
			return err
		}
		cfg.Keys = secrets
	}
	ln, err := listen(e)
	if err != nil {
		return err
	}
	agent, err := control.Open(cfg)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	defer func() {
		err = errors.Join(err, agent.Close())
		log.Info("stopped")
	}()
	for _, n := range spec.Networks {
		if err := agent.AddConfigured(n); err != nil {
			return errors.Join(fmt.Errorf("network %d: %w", n.VNI, err), ln.Close())
		}
	}
	return o.docker.beside(ctx, agent, log, func(ctx context.Context) error {
		return serveAll(ctx, e, agent, ln, log, hangups)
	}, ln)
}
