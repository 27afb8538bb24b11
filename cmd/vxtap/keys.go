package main

import "github.com/spf13/cobra"

func newKeysCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "keys",
		Short: "Look at the keys of sealed networks, and change them",
		Long: `Look at the keys that the agent shares with its peers in sealed networks, and change
them. They are made anew every 12 hours by themselves, and never shown.`,
		Args: cobra.ArbitraryArgs,
		RunE: chooseCommand,
	}
	c.AddCommand(newKeysShowCommand(e), newKeysRotateCommand(e))
	return c
}
