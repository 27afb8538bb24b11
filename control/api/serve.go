package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Limits of a connection. They are generous: a client is on this host, but one that
// stopped in a debugger must not hold an agent for ever.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 30 * time.Second
	writeTimeout  = time.Minute // a table of a million entries
	idleTimeout   = 2 * time.Minute
	drainTimeout  = 2 * time.Second // for requests under way when the agent stops
	maxHeader     = 64 << 10
)

// Serve answers requests on ln until ctx ends, then lets those under way finish, closes
// ln and returns nil. It owns ln and closes it in every case.
func Serve(ctx context.Context, ln net.Listener, b Backend) error {
	srv := &http.Server{
		Handler:           NewHandler(b),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		BaseContext:       func(net.Listener) context.Context { return ctx }, // which ends streams
	}
	drained := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(drained)
		drain(srv)
	})
	err := srv.Serve(ln)
	if stop() { // ctx has not ended: the listener failed or was closed
		srv.Close()
		return fmt.Errorf("serve the API on %v: %w", ln.Addr(), err)
	}
	<-drained
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the API on %v: %w", ln.Addr(), err)
	}
	return nil
}

func drain(srv *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	if srv.Shutdown(ctx) != nil {
		srv.Close() // cuts the connections that did not finish in time
	}
}
