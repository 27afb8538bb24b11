package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/encap"
)

// newPortAddCommand asks for a port as its flags say. It prints the port's name, by which it
// can be removed.
func newPortAddCommand(e *env) *cobra.Command {
	var vni encap.VNI
	var asJSON bool
	spec := api.PortSpec{}
	c := &cobra.Command{
		Use:   "add --device NAME [--netns NAME|PATH | --pid PID] [flags]",
		Short: "Make an interface, perhaps in a network namespace, and put it on a network",
		Long: `Make an interface, perhaps in a network namespace, and put it on a network. Prints the
port's name. The port stays until it is removed, its namespace goes away, or the agent ends.`,
		Example: `  vxtap port add --network 42 --netns red --device eth0 \
      --address 192.168.77.5/24 --route default=192.168.77.1
  vxtap port add --pid 4711 --device eth0 --address 192.168.77.6/24
  vxtap port add --kind interface --device eth1.100`,
		Args:                  noArgs,
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if spec.Device == "" {
				return usagef("--device is missing: want %s", cmd.UseLine())
			}
			client := api.NewClient(e.socket)
			vni, err := oneNetworkOf(cmd.Context(), client, vni)
			if err != nil {
				return err
			}
			made, err := client.AddPort(cmd.Context(), vni, spec)
			switch {
			case err != nil:
				return err
			case asJSON:
				return printJSON(e.stdout, made)
			}
			_, err = fmt.Fprintln(e.stdout, made.Name)
			return err
		},
	}
	fs := c.Flags()
	fs.SortFlags = false
	networkFlag(fs, &vni, "the network that is to have it")
	portFlags(fs, &spec)
	jsonFlag(fs, &asJSON)
	return c
}

// portFlags has flags say what a port is to be. The agent judges the rest.
func portFlags(fs *pflag.FlagSet, p *api.PortSpec) {
	fs.StringVar(&p.Device, "device", "", "`NAME` of the interface, in its namespace")
	flagOf(fs, &p.NetNS, control.AbsoluteNamespace, "netns", "NAME|PATH", "", "network namespace for the interface, by name or path")
	flagOf(fs, &p.PID, parsePID, "pid", "PID", "", "the same, by a process that is in it")
	listOf(fs, &p.Addresses, control.ParseAddress, "address", "ADDR/LEN", "address for the interface")
	listOf(fs, &p.Routes, control.ParseRoute, "route", "TO[=GATEWAY]", "route out by the interface; TO is a prefix, or default")
	flagOf(fs, &p.MAC, control.ParseDeviceMAC, "mac", "MAC", "", "MAC of the interface (default one that stays the same)")
	flagOf(fs, &p.MTU, control.ParseMTU, "mtu", "auto|N", "auto", "MTU of the interface")
	fs.StringVar(&p.Name, "name", "", "`NAME` of the port (default that of its device, and its namespace)")
	flagOf(fs, &p.Kind, parseKind, "kind", "tap|tun|interface", "tap", "a TAP, a TUN, or an interface that the host has")
}

func parsePID(s string) (int, error) {
	pid, err := strconv.Atoi(s)
	if err != nil || pid <= 0 {
		return 0, fmt.Errorf("bad pid %q: want that of a process", s)
	}
	return pid, nil
}

func parseKind(s string) (api.PortKind, error) {
	switch k := api.PortKind(s); k {
	case api.KindTAP, api.KindTUN, api.KindInterface:
		return k, nil
	}
	return "", fmt.Errorf("bad kind %q: want tap, tun or interface", s)
}
