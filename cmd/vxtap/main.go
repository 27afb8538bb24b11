// Command vxtap is a VXLAN tunnel endpoint in userspace, and the client of one that
// runs.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"
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
	err := profiled(e.getenv(profileVariable), func() error {
		root := newRoot(e)
		root.SetArgs(args)
		return root.ExecuteContext(ctx)
	})
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

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
