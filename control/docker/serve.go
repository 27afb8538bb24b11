package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"
)

// Socket is where engines look for the plugin.
const Socket = "/run/docker/plugins/vxtap.sock"

// endTimeout bounds the wait for requests under way.
const endTimeout = 5 * time.Second

// Serve answers engines on a listener until ctx ends, and closes it.
func (d *Driver) Serve(ctx context.Context, ln net.Listener) error {
	srv := &http.Server{
		Handler:           d.Handler(),
		ReadHeaderTimeout: endTimeout,
		ErrorLog:          log.New(io.Discard, "", 0), // what engines do wrong is theirs to tell
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }()
	select {
	case err := <-done:
		return fmt.Errorf("serve docker engines on %v: %w", ln.Addr(), err)
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	err := srv.Shutdown(last)
	if errors.Is(err, context.DeadlineExceeded) {
		err = srv.Close()
	}
	<-done //nolint:errcheck // it says that it was shut down
	return err
}
