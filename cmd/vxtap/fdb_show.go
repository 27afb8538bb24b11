package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/encap"
)

// fdbLine is an entry with the network that it belongs to.
type fdbLine struct {
	VNI encap.VNI `json:"vni"`
	Dev string    `json:"dev"`
	api.FDBEntry
}

func newFDBShowCommand(e *env) *cobra.Command {
	s := &selection{}
	var asJSON bool
	g := grammar{values: strings.Fields("vni dev mac dst")}
	c := &cobra.Command{
		Use:     "show [mac MAC] [dst ADDR] [vni N | dev NAME]",
		Aliases: []string{"list"},
		Short:   "Show the entries of all networks, or those that are asked for",
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := g.take(cmd, args); err != nil {
				return err
			}
			lines, port, err := s.lines(cmd.Context(), api.NewClient(e.socket), cmd.Flags().Changed("mac"))
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(e.stdout, lines)
			}
			_, err = io.WriteString(e.stdout, describeLines(lines, port))
			return err
		},
		DisableFlagsInUseLine: true,
	}
	s.networkFlags(c.Flags())
	flagOf(c.Flags(), &s.mac, encap.ParseMAC, "mac", "MAC", "", "only entries of this MAC")
	flagOf(c.Flags(), &s.dst, parseDst, "dst", "ADDR", "", "only entries that lead to this VTEP")
	jsonFlag(c.Flags(), &asJSON)
	return c
}

// lines asks for the selected entries, and returns the node's own UDP port with them.
func (s *selection) lines(ctx context.Context, c *api.Client, oneMAC bool) ([]fdbLine, uint16, error) {
	node, err := c.Node(ctx)
	if err != nil {
		return nil, 0, err
	}
	nets, err := s.networks(node.Networks)
	if err != nil {
		return nil, 0, err
	}
	lines := []fdbLine{}
	for i := range nets {
		entries, err := c.FDB(ctx, nets[i].VNI)
		if err != nil {
			return nil, 0, err
		}
		for _, entry := range entries {
			if (!oneMAC || entry.MAC == s.mac) && (!s.dst.IsValid() || entry.Dst == s.dst.Unmap()) {
				lines = append(lines, fdbLine{nets[i].VNI, lineDev(&nets[i], &entry), entry})
			}
		}
	}
	return lines, node.Port, nil
}

// networks returns those that the selection names, all if it names none.
func (s *selection) networks(all []api.Network) ([]api.Network, error) {
	vni := s.vni
	if s.dev != "" {
		var err error
		if vni, err = s.networkOfDev(all); err != nil {
			return nil, err
		}
	}
	if vni == 0 {
		return all, nil
	}
	for i := range all {
		if all[i].VNI == vni {
			return all[i : i+1], nil
		}
	}
	return nil, fmt.Errorf("no network %v: there are %s", vni, networkList(all))
}

// lineDev is what stands after "dev": the port that holds the MAC, or else the network.
func lineDev(n *api.Network, entry *api.FDBEntry) string {
	if entry.Port != "" {
		return entry.Port
	}
	return devOf(n)
}

// describeLines returns lines like those of bridge fdb, in columns.
func describeLines(lines []fdbLine, port uint16) string {
	var t table
	for _, l := range lines {
		dst, age := "", ""
		if l.Dst.IsValid() {
			dst = "dst " + l.Dst.String()
		}
		if l.DstPort != 0 && l.DstPort != port {
			dst += fmt.Sprintf(" port %d", l.DstPort)
		}
		if l.Class == api.ClassLearned {
			age = fmt.Sprintf("age %v", time.Duration(l.AgeSeconds)*time.Second)
		}
		t.add(l.MAC.String(), "dev "+l.Dev, dst, string(l.Class), age)
	}
	var b strings.Builder
	t.writeTo(&b)
	return b.String()
}
