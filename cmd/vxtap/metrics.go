package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/spf13/pflag"
	"go.uber.org/zap"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/control/metrics"
)

// metricsFlag adds --metrics.
func metricsFlag(fs *pflag.FlagSet, e *env) {
	flagOf(fs, &e.metrics, parseListen, "metrics", "[ADDR]:PORT", "", "where Prometheus may ask for counters, under /metrics; whoever reaches it may")
}

func parseListen(s string) (string, error) {
	if _, port, err := net.SplitHostPort(s); err != nil || port == "" {
		return "", fmt.Errorf("bad address %q: want one with a port, like 127.0.0.1:9473 or :9473", s)
	}
	return s, nil
}

// serveAll is serve, and with --metrics answers Prometheus as well.
func serveAll(ctx context.Context, e *env, agent *control.Agent, ln net.Listener, log *zap.Logger, hangups <-chan os.Signal) error {
	if e.metrics == "" {
		return serve(ctx, agent, ln, log, hangups)
	}
	scrapes, err := net.Listen("tcp", e.metrics)
	if err != nil {
		return errors.Join(fmt.Errorf("cannot serve metrics: choose another address with --metrics: %w", err), ln.Close())
	}
	log.Info("metrics", zap.Stringer("address", scrapes.Addr()))
	ctx, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() {
		defer stop() // who asked for metrics is to notice that there are none
		served <- metrics.Serve(ctx, scrapes, agent)
	}()
	err = serve(ctx, agent, ln, log, hangups)
	stop()
	return errors.Join(err, <-served)
}
