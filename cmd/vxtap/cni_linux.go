package main

import (
	_ "embed"
	"os"
	"path/filepath"
	"strings"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/spf13/cobra"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/control/cni"
)

// exampleConflist is a network for container runtimes.
//
//go:embed vxtap.example.conflist
var exampleConflist string

// pluginPath is where address plugins are looked for if a runtime does not say; the
// specification leaves that to it, and package skel insists.
const pluginPath = "/opt/cni/bin:/usr/lib/cni"

const aboutCNI = "vxtap is a CNI plugin when a container runtime calls it: see vxtap cni --help"

func newCNICommand(e *env) *cobra.Command {
	return &cobra.Command{
		Use:   "cni",
		Short: "Be a CNI plugin, for container runtimes to call",
		Long: `Be a plugin of the Container Network Interface (1.1.0, 1.0.0 and 0.4.0), which gives
containers an interface on a network of the agent that runs on this host. Runtimes call it
by the name of its type, so make a link of that name where they look for plugins:

  ln -s "$(command -v vxtap)" /opt/cni/bin/vxtap

A network is a file like the one below in /etc/cni/net.d. Its keys are CNI's own, the words
of vxtap up, of which vni alone is required, and "socket", the path of the agent's. The
first container has the network made, and it goes with the last; one that is there already
is joined. With "address" the host is on the network, too, and can be its gateway. Give
each host a range of addresses of its own.`,
		Example: strings.TrimRight("  "+strings.ReplaceAll(exampleConflist, "\n", "\n  "), " \n"),
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			return runCNI(e)
		},
	}
}

// runCNI answers the call that the environment and stdin describe. What went wrong is on
// stdout, for the runtime; people have it from there, and from stderr.
func runCNI(e *env) error {
	if os.Getenv("CNI_PATH") == "" {
		if err := os.Setenv("CNI_PATH", pluginPath); err != nil {
			return err
		}
	}
	p := &cni.Plugin{Words: control.Words(checkTAPName), Socket: e.socket, Stdout: e.stdout}
	failed := skel.PluginMainFuncsWithError(p.Funcs(), cni.Versions, aboutCNI)
	if failed == nil {
		return nil
	}
	if err := p.WriteError(failed); err != nil {
		return err
	}
	return failed
}

// isPlugin reports whether a runtime has called the program, which says so by a variable and
// no argument, or a link to it that is named for the command.
func isPlugin(args []string, getenv func(string) string) bool {
	if len(args) != 1 {
		return false
	}
	name := filepath.Base(args[0])
	return getenv("CNI_COMMAND") != "" || name == "cni" || strings.HasSuffix(name, "-cni")
}
