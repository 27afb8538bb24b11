package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/vxtap/vxtap/control/api"
)

// usageError is a command line that cannot be carried out, whatever the state of the
// agent and the host.
type usageError struct{ error }

// Unwrap returns what was wrong.
func (u usageError) Unwrap() error { return u.error }

func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// newRoot makes the whole command. Commands write to e and read nothing else of the
// world, so that a test can run several in one process.
func newRoot(e *env) *cobra.Command {
	root := &cobra.Command{
		Use:           "vxtap",
		Short:         "A VXLAN tunnel endpoint in userspace",
		Args:          cobra.ArbitraryArgs,
		RunE:          chooseCommand,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetOut(e.stdout)
	root.SetErr(e.stderr)
	root.SetFlagErrorFunc(flagProblem)
	e.socket = cmp.Or(e.getenv("VXTAP_SOCKET"), api.DefaultSocket)
	root.PersistentFlags().StringVar(&e.socket, "socket", e.socket, "`PATH` of the agent's socket; VXTAP_SOCKET is the default")
	root.AddCommand(
		newUpCommand(e),
		newRunCommand(e),
		newReloadCommand(e),
		newConfigCommand(e),
		newShowCommand(e),
		newPortCommand(e),
		newFDBCommand(e),
		newStatsCommand(e),
		newEventsCommand(e),
		newCaptureCommand(e),
		newCNICommand(e),
		newKeysCommand(e),
		newGenkeyCommand(e),
		newPubkeyCommand(e),
		newGenpskCommand(e),
		newDemoCommand(e),
		newBenchCommand(e),
		newVersionCommand(e),
	)
	return root
}

// chooseCommand runs where a command was to be chosen and none was, or none that there
// is.
func chooseCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return c.Help()
	}
	c.SuggestionsMinimumDistance = 2 // letters that may differ
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		return usagef("unknown command %q: did you mean %s %s?", args[0], c.CommandPath(), strings.Join(near, " or "))
	}
	return usagef("unknown command %q: see %s --help", args[0], c.CommandPath())
}

// noArgs refuses whatever is no flag.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("unexpected %q: %s takes flags only, see %s --help", args[0], c.Name(), c.CommandPath())
	}
	return nil
}

// flagProblem says what was wrong with a flag. The parser of a bad value says so itself.
func flagProblem(c *cobra.Command, err error) error {
	var value *pflag.InvalidValueError
	if errors.As(err, &value) {
		return usagef("--%s: %w", value.GetFlag().Name, value.Unwrap())
	}
	return usagef("%w: see %s --help", err, c.CommandPath())
}
