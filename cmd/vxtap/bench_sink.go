package main

import (
	"context"
	"net/netip"
	"os"
	"os/signal"
	"syscall"

	"go.uber.org/zap"

	"github.com/vxtap/vxtap/dataplane/netlab/traffic"
)

// runBenchSink is the far end of a bench: it counts what comes until it is told to end.
// A bench starts one for its own subjects; users start one for theirs.
func runBenchSink(ctx context.Context, e *env) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	sink, err := traffic.Listen(traffic.Here, netip.AddrPortFrom(netip.IPv6Unspecified(), traffic.DefaultPort))
	if err != nil {
		return err
	}
	benchThreads()
	newLogger(e.stderr).Info("ready", zap.Stringer("address", sink.Addr()))
	return sink.Serve(ctx)
}
