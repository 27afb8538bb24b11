package main

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/encap"
)

func newFDBCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "fdb",
		Short: "Look at forwarding tables, and change them",
		Long: `Look at forwarding tables, and change them, in words shaped like those of
bridge fdb: "dst ADDR" means --dst ADDR, and so on.

The network is named by its VNI ("vni 42") or by one of its ports ("dev vx42"). It
need not be named if the agent has only one. The MAC 00:00:00:00:00:00 stands for the
flood list: the VTEPs that receive what has no entry.`,
		Args: cobra.ArbitraryArgs,
		RunE: chooseCommand,
	}
	c.AddCommand(
		newFDBShowCommand(e),
		newFDBChangeCommand(e, api.OpAdd, "Add an entry for a MAC that has no static one, or the first VTEP of the flood list"),
		newFDBChangeCommand(e, api.OpAppend, "Add a VTEP to the flood list or to a group MAC, or an entry for a MAC that has none"),
		newFDBChangeCommand(e, api.OpReplace, "Make an entry, or the only VTEP of the flood list, in the place of what there is"),
		newFDBDelCommand(e),
		newFDBFlushCommand(e),
	)
	return c
}

// selection is what words and flags say about entries and where they are.
type selection struct {
	vni  encap.VNI // 0 if not named
	dev  string
	mac  encap.MAC
	dst  netip.Addr
	port uint16 // of dst
}

func (s *selection) networkFlags(fs *pflag.FlagSet) {
	flagOf(fs, &s.vni, encap.ParseVNI, "vni", "N", "", "the network with this VNI")
	fs.StringVar(&s.dev, "dev", "", "the network that has this port, a `NAME`")
}

func (s *selection) dstFlags(fs *pflag.FlagSet) {
	flagOf(fs, &s.dst, parseDst, "dst", "ADDR", "", "the VTEP that holds the MAC")
	flagOf(fs, &s.port, control.ParsePort, "port", "N", "", "its UDP port, if it is not the agent's own")
}

func parseDst(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err == nil {
		return a, nil
	}
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return netip.Addr{}, fmt.Errorf("bad address %q: write dst %v port %d", s, ap.Addr(), ap.Port())
	}
	return netip.Addr{}, fmt.Errorf("bad address %q: want an IP address, like 10.9.0.2", s)
}

// network returns the VNI that the selection means. It asks the agent only if it has to.
func (s *selection) network(ctx context.Context, c *api.Client) (encap.VNI, error) {
	if s.vni != 0 && s.dev == "" {
		return s.vni, nil
	}
	node, err := c.Node(ctx)
	if err != nil {
		return 0, err
	}
	nets := node.Networks
	if s.dev != "" {
		return s.networkOfDev(nets)
	}
	switch len(nets) {
	case 0:
		return 0, fmt.Errorf("the agent on %v has no network", node.Local)
	case 1:
		return nets[0].VNI, nil
	}
	return 0, usagef("the agent has several networks: name one with vni N of %s", networkList(nets))
}

// networkOfDev finds the network of a port, and holds it against a VNI that was named
// too: to bridge fdb, that would be a VNI for this entry alone.
func (s *selection) networkOfDev(nets []api.Network) (encap.VNI, error) {
	for i := range nets {
		if !hasDev(&nets[i], s.dev) {
			continue
		}
		if s.vni != 0 && s.vni != nets[i].VNI {
			return 0, usagef("%s is on network %v, not %v: an entry cannot have a VNI of its own", s.dev, nets[i].VNI, s.vni)
		}
		return nets[i].VNI, nil
	}
	return 0, fmt.Errorf("no network has a port %s: there are %s", s.dev, networkList(nets))
}

func hasDev(n *api.Network, dev string) bool {
	for _, p := range n.Ports {
		if p.Name == dev {
			return true
		}
	}
	return dev == devOf(n)
}

// devOf returns what stands for a network after "dev": its only port, or the name that
// a TAP of it would get.
func devOf(n *api.Network) string {
	if len(n.Ports) == 1 {
		return n.Ports[0].Name
	}
	return fmt.Sprintf("vx%v", n.VNI)
}

func networkList(nets []api.Network) string {
	words := make([]string, len(nets))
	for i := range nets {
		words[i] = fmt.Sprintf("%v (dev %s)", nets[i].VNI, devOf(&nets[i]))
	}
	return orNone(strings.Join(words, ", "))
}
