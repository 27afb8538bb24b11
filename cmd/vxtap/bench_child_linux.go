package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/vxtap/vxtap/dataplane/netlab"
)

const (
	benchReadyLimit = 20 * time.Second // for a child to be ready; it takes a tenth of one
	benchEndLimit   = 10 * time.Second // for one to end when asked
)

// benchChild is a program that runs in a host: this one as a "vxtap up" or the sink, or
// that of --tunnels.
type benchChild struct {
	name  string
	cmd   *exec.Cmd
	log   *agentLog
	ended chan struct{} // closed when it has ended, and err is set
	err   error
}

// startBenchChild starts one. It is killed when this process dies, however it dies.
func startBenchChild(h *netlab.Host, exe, name string, env []string, args ...string) (*benchChild, error) {
	c := newBenchChild(exe, name+" on host "+h.Name(), args...)
	c.cmd.Env = append(c.cmd.Env, env...)
	if err := c.start(h); err != nil {
		return nil, err
	}
	return c, nil
}

// newBenchChild prepares one, which says what goes wrong to its stderr.
func newBenchChild(exe, name string, args ...string) *benchChild {
	c := &benchChild{
		name:  name,
		cmd:   exec.Command(exe, args...),
		log:   &agentLog{ready: make(chan time.Time, 1)},
		ended: make(chan struct{}),
	}
	// Ready is said to us, not to a service manager that runs the bench.
	c.cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "NOTIFY_SOCKET=") || strings.HasPrefix(v, profileVariable+"=")
	})
	// Ctrl-C is for the bench, which ends its children in order.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.cmd.Stderr = c.log
	// Whoever inherited stderr from it is not waited for.
	c.cmd.WaitDelay = time.Second
	return c
}

func (c *benchChild) start(h *netlab.Host) error {
	if err := h.Start(c.cmd); err != nil {
		return err
	}
	go func() {
		defer close(c.ended)
		c.err = c.cmd.Wait()
		if c.err == nil {
			c.err = errors.New("exit status 0")
		}
	}()
	return nil
}

// waitReady waits until it says that it is.
func (c *benchChild) waitReady(ctx context.Context) error {
	limit := time.NewTimer(benchReadyLimit)
	defer limit.Stop()
	select {
	case <-c.log.ready:
		return nil
	case <-c.ended:
		return c.alive()
	case <-ctx.Done():
		return ctx.Err()
	case <-limit.C:
		return fmt.Errorf("%s is not ready after %v: %s", c.name, benchReadyLimit, strings.Join(c.log.tail(), "; "))
	}
}

// alive is an error if the child has ended, with the last line that it logged.
func (c *benchChild) alive() error {
	select {
	case <-c.ended:
	default:
		return nil
	}
	lines := c.log.tail()
	if len(lines) == 0 {
		return fmt.Errorf("%s ended (%w)", c.name, c.err)
	}
	return fmt.Errorf("%s ended (%w): %s", c.name, c.err, lines[len(lines)-1])
}

func (c *benchChild) pid() int { return c.cmd.Process.Pid }

// interrupt asks it to end.
func (c *benchChild) interrupt() {
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
}

// end waits until it has ended, and sees to it that it does.
func (c *benchChild) end() {
	limit := time.AfterFunc(benchEndLimit, func() { _ = c.cmd.Process.Kill() })
	defer limit.Stop()
	<-c.ended
}
