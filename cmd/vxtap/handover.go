package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"go.uber.org/zap"

	"github.com/vxtap/vxtap/control/api"
)

// releaseTimeout bounds the wait for another agent to take our network down.
const releaseTimeout = 10 * time.Second

// answers reports whether an agent does on the socket.
func answers(ctx context.Context, e *env) bool {
	_, err := api.NewClient(e.socket).Node(ctx)
	return err == nil
}

// canHandOver reports whether err, of an attempt to make the socket, may mean that somebody
// else serves it.
func canHandOver(ctx context.Context, e *env, err error) bool {
	var use *api.InUseError
	return errors.As(err, &use) || errors.Is(err, fs.ErrPermission) && answers(ctx, e)
}

// handOver gives the network to the agent that answers on the socket, and stays for it
// until ctx ends. The request's connection is the lease: however this process ends, the
// agent takes the network down.
func (o *upOptions) handOver(ctx context.Context, e *env, log *zap.Logger) error {
	if e.metrics != "" {
		return usagef("--metrics %s: an agent runs on %s already, and its metrics are where it was told: leave --metrics out", e.metrics, e.socket)
	}
	held := context.WithoutCancel(ctx) // to be asked for its end first, and then let go
	lease, err := api.NewClient(e.socket).Lease(held, o.words)
	if err != nil {
		return handOverProblem(err)
	}
	defer lease.Close()
	n := &lease.Network
	fields := []zap.Field{zap.Stringer("vni", n.VNI), zap.Int("mtu", n.MTU)}
	for _, p := range n.Ports {
		fields = append(fields, zap.String("port", p.Name), zap.Stringer("mac", p.MAC))
	}
	log.Info("network up in the agent that runs", fields...)
	log.Info("ready", zap.String("socket", e.socket))
	notify(log, daemon.SdNotifyReady)

	var ended error
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		ended = lease.Wait()
	}()
	select {
	case <-gone:
		err = ended
	case <-ctx.Done():
		notify(log, daemon.SdNotifyStopping)
		log.Info("stopping", zap.NamedError("why", context.Cause(ctx)))
		err = release(held, lease)
		<-gone // that it is, which was asked for
	}
	log.Info("stopped")
	return err
}

// release waits until the network is gone, so that its device is when this process is.
func release(ctx context.Context, lease *api.Lease) error {
	ctx, cancel := context.WithTimeout(ctx, releaseTimeout)
	defer cancel()
	return lease.Release(ctx)
}

// handOverProblem makes what the agent calls a bad request bad usage: no agent would take it.
func handOverProblem(err error) error {
	var refused *api.Error
	switch {
	case !errors.As(err, &refused):
		return fmt.Errorf("%w; or start a second agent with --socket", err)
	case refused.Status == http.StatusBadRequest:
		return usageError{err}
	}
	return err
}
