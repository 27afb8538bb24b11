package main

import (
	"context"
	"errors"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"go.uber.org/zap"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/control/api"
)

// untilSignal returns a context that ends with SIGTERM or Ctrl-C. A second one ends the
// process at once.
func untilSignal(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// untilHangup returns a context that ends with SIGHUP, which comes when the terminal goes. Whoever
// is told to ignore that (nohup) goes on. Further ones change nothing.
func untilHangup(ctx context.Context) (context.Context, context.CancelFunc) {
	if signal.Ignored(syscall.SIGHUP) {
		return context.WithCancel(ctx)
	}
	return signal.NotifyContext(ctx, syscall.SIGHUP)
}

// serve answers on the API until ctx ends or the agent fails. Each of hangups, nil for none, has
// the agent read its configuration anew, also one that came before.
func serve(ctx context.Context, agent *control.Agent, ln net.Listener, log *zap.Logger, hangups <-chan os.Signal) error {
	ctx, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	told := announced{agent, log}
	go func() {
		defer stop() // an agent that nobody can ask is of no use
		served <- api.Serve(ctx, ln, told)
	}()
	var others sync.WaitGroup
	defer others.Wait()
	defer stop()
	if hangups != nil {
		others.Go(func() { told.reloadAt(ctx, hangups) })
	}
	log.Info("ready", zap.Stringer("socket", ln.Addr()))
	notify(log, daemon.SdNotifyReady)
	others.Go(func() { watchdog(ctx, agent, log) })
	err := agent.Wait(ctx)
	notify(log, daemon.SdNotifyStopping)
	log.Info("stopping", zap.NamedError("why", context.Cause(ctx)))
	stop()
	return errors.Join(err, <-served)
}

// announced is an agent whose reloads the service manager hears of.
type announced struct {
	*control.Agent
	log *zap.Logger
}

// Reload implements [api.Backend].
func (a announced) Reload() (api.Reloaded, error) {
	notify(a.log, daemon.SdNotifyReloading+"\n"+daemon.SdNotifyMonotonicUsec())
	defer notify(a.log, daemon.SdNotifyReady)
	return a.Agent.Reload()
}

// reloadAt reloads at every signal; the agent logs what comes of it.
func (a announced) reloadAt(ctx context.Context, hangups <-chan os.Signal) {
	for {
		select {
		case <-hangups:
			_, _ = a.Reload()
		case <-ctx.Done():
			return
		}
	}
}

// watchdog tells the service manager, if it wants to know, that the agent is alive: twice as
// often as it asks. An agent that hangs does not get that far, and is restarted.
func watchdog(ctx context.Context, agent *control.Agent, log *zap.Logger) {
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("the service manager's watchdog cannot be served", zap.Error(err))
	}
	if err != nil || every <= 0 {
		return
	}
	tick := time.NewTicker(every / 2)
	defer tick.Stop()
	for {
		if agent.Alive(ctx) != nil {
			return
		}
		notify(log, daemon.SdNotifyWatchdog)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// notify tells the service manager, if there is one.
func notify(log *zap.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("cannot notify the service manager", zap.Error(err))
	}
}
