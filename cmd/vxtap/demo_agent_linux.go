package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	agentReadyLimit = 20 * time.Second // for a vxtap to be ready; it takes a tenth of one
	agentEndLimit   = 5 * time.Second  // for one to end when asked
	agentLogLines   = 12               // what is kept of its log
)

// demoAgent is a "vxtap up" as a child process. The host that it was started in kills it
// when this process dies, however it dies (see [netlab.Host.Start]).
type demoAgent struct {
	host    string
	cmd     *exec.Cmd
	log     *agentLog     // its stderr
	started time.Time     // when it was
	ended   chan struct{} // closed when it has ended
}

// agentDiedError says that a vxtap ended which should not have.
type agentDiedError struct {
	host string
	err  error    // of the process
	log  []string // its last lines
}

// Error names the host and how the process ended.
func (e *agentDiedError) Error() string {
	return fmt.Sprintf("vxtap on %s ended (%v); what the demo made is removed", e.host, e.err)
}

// isAgentDeath reports whether a demo ended for that reason.
func isAgentDeath(err error) bool {
	var died *agentDiedError
	return errors.As(err, &died)
}

// startAgent starts one. If it ends, abort is told.
func startAgent(h *demoHost, exe string, args []string, abort context.CancelCauseFunc) (*demoAgent, error) {
	cmd := exec.Command(exe, append(args, "--socket", h.socket)...)
	// Ready is said to us, not to a service manager that runs the demo.
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "NOTIFY_SOCKET=") })
	// Ctrl-C is for the demo, which ends its children in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	a := &demoAgent{
		host:    h.Name(),
		cmd:     cmd,
		log:     &agentLog{ready: make(chan time.Time, 1)},
		started: time.Now(),
		ended:   make(chan struct{}),
	}
	cmd.Stderr = a.log
	if err := h.Start(cmd); err != nil {
		return nil, err
	}
	// The one who waits for the process; it ends with it.
	go func() {
		defer close(a.ended)
		err := cmd.Wait()
		if err == nil {
			err = errors.New("exit status 0")
		}
		abort(&agentDiedError{a.host, err, a.log.tail()})
	}()
	return a, nil
}

// waitReady waits until frames flow, and returns how long that took.
func (a *demoAgent) waitReady(ctx context.Context) (time.Duration, error) {
	limit := time.NewTimer(agentReadyLimit)
	defer limit.Stop()
	select {
	case at := <-a.log.ready:
		return at.Sub(a.started), nil
	case <-ctx.Done(): // also when it ended
		return 0, ctx.Err()
	case <-limit.C:
		return 0, fmt.Errorf("vxtap on %s is not ready after %v: %s", a.host, agentReadyLimit, strings.Join(a.log.tail(), "; "))
	}
}

// interrupt asks it to end in order.
func (a *demoAgent) interrupt() {
	_ = a.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
}

// end waits until it has ended, and kills it if it takes its time.
func (a *demoAgent) end() {
	limit := time.AfterFunc(agentEndLimit, func() { _ = a.cmd.Process.Kill() })
	defer limit.Stop()
	<-a.ended
}

// agentLog keeps the last lines that a vxtap logged, to show them only if it fails, and
// sees when it is ready.
type agentLog struct {
	ready  chan time.Time // gets the time of readiness, once
	begins string         // how a line begins that says so, of a program that logs otherwise; "" if it does not

	mu      sync.Mutex
	lines   []string
	partial []byte // the line that has no end yet
	said    bool   // ready
}

// Write takes a part of the log, which may end within a line.
func (l *agentLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.partial = append(l.partial, b...)
	for {
		line, rest, whole := bytes.Cut(l.partial, []byte("\n"))
		if !whole {
			return len(b), nil
		}
		l.add(string(line))
		l.partial = rest
	}
}

// add takes a whole line: time, level, message and particulars, separated by tabs (see
// [newLogger]). mu is held.
func (l *agentLog) add(line string) {
	if len(l.lines) == agentLogLines {
		l.lines = l.lines[1:]
	}
	l.lines = append(l.lines, line)
	fields := strings.Split(line, "\t")
	ready := len(fields) > 2 && fields[2] == "ready" || l.begins != "" && strings.HasPrefix(line, l.begins)
	if ready && !l.said {
		l.said = true
		l.ready <- time.Now()
	}
}

// tail returns the last lines.
func (l *agentLog) tail() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lines)
}
