package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/encap"
)

func newPortCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "port",
		Short: "Put ports on networks, and take them off",
		Long: `Put ports on networks, and take them off. A port is an interface whose frames a network
carries, in a network namespace if need be: that of a container has a port of its own.

The network is named by its VNI (--network 42). It need not be named if the agent has only
one.`,
		Args: cobra.ArbitraryArgs,
		RunE: chooseCommand,
	}
	c.AddCommand(newPortAddCommand(e), newPortDelCommand(e), newPortShowCommand(e))
	return c
}

func networkFlag(fs *pflag.FlagSet, vni *encap.VNI, usage string) {
	flagOf(fs, vni, encap.ParseVNI, "network", "VNI", "", usage)
}

// oneNetworkOf returns the network that was named, or the agent's only one.
func oneNetworkOf(ctx context.Context, c *api.Client, vni encap.VNI) (encap.VNI, error) {
	if vni != 0 {
		return vni, nil
	}
	node, err := c.Node(ctx)
	if err != nil {
		return 0, err
	}
	switch len(node.Networks) {
	case 0:
		return 0, fmt.Errorf("the agent on %v has no network", node.Local)
	case 1:
		return node.Networks[0].VNI, nil
	}
	return 0, usagef("the agent has several networks: name one of %s with --network", networkList(node.Networks))
}

func newPortDelCommand(e *env) *cobra.Command {
	var vni encap.VNI
	c := &cobra.Command{
		Use:                   "del NAME [--network VNI]",
		Aliases:               []string{"delete"},
		Short:                 "Take a port off its network, and remove its interface",
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || args[0] == "" {
				return usagef("name one port, as vxtap port show has it: want %s", cmd.UseLine())
			}
			client := api.NewClient(e.socket)
			vni, err := oneNetworkOf(cmd.Context(), client, vni)
			if err != nil {
				return err
			}
			return client.RemovePort(cmd.Context(), vni, args[0])
		},
	}
	networkFlag(c.Flags(), &vni, "the network that has it")
	return c
}

// portLine is a port with the network that it is on.
type portLine struct {
	VNI encap.VNI `json:"vni"`
	api.Port
}

func newPortShowCommand(e *env) *cobra.Command {
	var vni encap.VNI
	var asJSON bool
	c := &cobra.Command{
		Use:     "show",
		Aliases: []string{"list"},
		Short:   "Show the ports of all networks, or of one",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			node, err := api.NewClient(e.socket).Node(cmd.Context())
			if err != nil {
				return err
			}
			if vni != 0 && !slices.ContainsFunc(node.Networks, func(n api.Network) bool { return n.VNI == vni }) {
				return fmt.Errorf("no network %v: there are %s", vni, networkList(node.Networks))
			}
			lines := []portLine{} // an empty array, not null
			for _, n := range node.Networks {
				for _, p := range n.Ports {
					if vni == 0 || n.VNI == vni {
						lines = append(lines, portLine{n.VNI, p})
					}
				}
			}
			if asJSON {
				return printJSON(e.stdout, lines)
			}
			_, err = io.WriteString(e.stdout, describePortLines(lines))
			return err
		},
	}
	networkFlag(c.Flags(), &vni, "only ports of this network")
	jsonFlag(c.Flags(), &asJSON)
	return c
}

// describePortLines returns a line for each port. Those that can be removed are marked as
// added, with who asked for them.
func describePortLines(lines []portLine) string {
	if len(lines) == 0 {
		return ""
	}
	var t table
	t.add("network", "port", "device", "mac", "mtu", "netns", "addresses", "added")
	for _, l := range lines {
		mac, added := "", ""
		if !l.MAC.IsZero() {
			mac = l.MAC.String()
		}
		if l.Added {
			added = "yes"
		}
		if l.Owner != "" {
			added = "by " + l.Owner
		}
		t.add(l.VNI.String(), l.Name, string(l.Kind)+" "+l.Device, orNone(mac), strconv.Itoa(l.MTU), orNone(l.NetNS), orNone(prefixList(&l.Port)), orNone(added))
	}
	var b strings.Builder
	t.writeTo(&b)
	return b.String()
}

// prefixList is a port's addresses, for people.
func prefixList(p *api.Port) string {
	var list []string
	for _, a := range p.Addresses {
		list = append(list, a.String())
	}
	return strings.Join(list, " ")
}
