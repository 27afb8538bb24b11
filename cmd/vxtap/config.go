package main

import (
	_ "embed"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/control/config"
)

//go:embed vxtap.example.yaml
var exampleConfig string

func newConfigCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Check a configuration file, or print one to begin with",
		Args:  cobra.ArbitraryArgs,
		RunE:  chooseCommand,
	}
	c.AddCommand(
		&cobra.Command{
			Use:   "check FILE",
			Short: "Say what is wrong with a configuration file, with its line and column",
			Long: `Read a configuration file as vxtap run would, and say what is wrong with it, with its
line and column. Nothing of the system is touched. A FILE of - is standard input.`,
			Args: func(c *cobra.Command, args []string) error {
				if len(args) != 1 {
					return usagef("want one file: %s", c.UseLine())
				}
				return nil
			},
			DisableFlagsInUseLine: true,
			RunE: func(_ *cobra.Command, args []string) error {
				return checkConfig(e, args[0])
			},
		},
		&cobra.Command{
			Use:   "example",
			Short: "Print a configuration file with comments",
			Args:  noArgs,
			RunE: func(*cobra.Command, []string) error {
				_, err := io.WriteString(e.stdout, exampleConfig)
				return err
			},
		},
	)
	return c
}

func checkConfig(e *env, path string) (err error) {
	var spec control.Spec
	if path == "-" {
		spec, err = config.Read(e.stdin, "standard input", control.Words(checkTAPName))
	} else {
		spec, err = loadConfig(path)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "%s: %d networks, no mistakes found\n", path, len(spec.Networks))
	return err
}
