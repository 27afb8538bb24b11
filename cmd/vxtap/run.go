package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/control/config"
	"github.com/vxtap/vxtap/control/keys"
)

func newRunCommand(e *env) *cobra.Command {
	var path string
	c := &cobra.Command{
		Use:   "run -c FILE",
		Short: "Run many networks in one agent, as a configuration file says",
		Long: `Run the networks of a configuration file in one agent. Its keys are the words of
vxtap up; vxtap config example prints one with comments.

Stays in the foreground, logs to stderr, and says "ready" once frames flow, to systemd
too. SIGHUP, or vxtap reload, has it read the file again and carry out the difference:
networks that are described as before go on without losing a frame. A file with a mistake
changes nothing.`,
		Example: `  vxtap config example > /etc/vxtap/vxtap.yaml
  vxtap run -c /etc/vxtap/vxtap.yaml`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if path == "" {
				return usagef("no configuration file: name it with -c FILE")
			}
			ctx, stop := untilSignal(cmd.Context())
			defer stop()
			return runFile(ctx, e, path)
		},
	}
	c.Flags().StringVarP(&path, "config", "c", "", "configuration `FILE`")
	metricsFlag(c.Flags(), e)
	return c
}

// loadConfig reads a configuration file in the words that this system knows.
func loadConfig(path string) (control.Spec, error) {
	return config.Load(path, control.Words(checkTAPName))
}

// runFile is the life of an agent with a configuration file.
func runFile(ctx context.Context, e *env, path string) (err error) {
	log := newLogger(e.stderr)
	spec, err := loadConfig(path)
	if err != nil {
		return err
	}
	cfg := control.AgentConfig{
		Node: spec.Node, Drivers: drivers(), Logger: log, Version: programVersion(),
		Load: func() (control.Spec, error) { return loadConfig(path) },
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
	return serveAll(ctx, e, agent, ln, log, true)
}
