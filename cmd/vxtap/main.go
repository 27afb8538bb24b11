// Command vxtap is a VXLAN tunnel endpoint in userspace, and the client of one that
// runs.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/term"
)

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// env is what commands use of the world around them.
type env struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	now            func() time.Time
	terminal       bool   // stdout is one
	socket         string // of the agent; set by --socket
	metrics        string // address for Prometheus; set by --metrics
	lookupGroup    func(string) (*user.Group, error)
}

func main() {
	args := os.Args[1:]
	if isPlugin(os.Args, os.Getenv) {
		args = []string{"cni"}
	}
	os.Exit(run(context.Background(), &env{
		stdin:  os.Stdin,
		stdout: os.Stdout,
		stderr: os.Stderr,
		getenv: os.Getenv,
		now:    time.Now,

		lookupGroup: user.LookupGroup,
		terminal:    term.IsTerminal(int(os.Stdout.Fd())),
	}, args))
}

// run executes one command line and returns the exit code. What went wrong is one line
// on stderr.
func run(ctx context.Context, e *env, args []string) int {
	defer e.closeLog()
	out := &standardOutput{w: e.stdout}
	e.stdout = out
	err := profiled(e.getenv(profileVariable), func() error {
		root := newRoot(e)
		root.SetArgs(args)
		return root.ExecuteContext(ctx)
	})
	if err == nil {
		err = out.failed()
	}
	if err == nil {
		return exitDone
	}
	fmt.Fprintln(e.stderr, "vxtap:", oneLine(err))
	var usage usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailed
}

// standardOutput remembers that it could not be written: not every line that is
// printed is looked after, but all that was asked for was not done then.
type standardOutput struct {
	w   io.Writer
	mu  sync.Mutex
	err error // the first
}

// Write implements [io.Writer].
func (o *standardOutput) Write(b []byte) (int, error) {
	n, err := o.w.Write(b)
	if err != nil && !errors.Is(err, syscall.EPIPE) { // a reader has had enough
		o.mu.Lock()
		defer o.mu.Unlock()
		o.err = cmp.Or(o.err, err)
	}
	return n, err
}

func (o *standardOutput) failed() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		return nil
	}
	return fmt.Errorf("not all could be printed: %w", o.err)
}

// childStdout is standard output as a child is to have it: a terminal stays one.
func (e *env) childStdout() io.Writer {
	if o, ok := e.stdout.(*standardOutput); ok {
		return o.w
	}
	return e.stdout
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
