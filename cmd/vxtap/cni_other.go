//go:build !linux

package main

import (
	"errors"

	"github.com/spf13/cobra"
)

func newCNICommand(*env) *cobra.Command {
	return &cobra.Command{
		Use:    "cni",
		Short:  "Be a CNI plugin, for container runtimes to call (on Linux)",
		Hidden: true,
		RunE: func(*cobra.Command, []string) error {
			return errors.New("vxtap cni is for Linux: its containers have network namespaces")
		},
	}
}

func isPlugin([]string, func(string) string) bool { return false }
