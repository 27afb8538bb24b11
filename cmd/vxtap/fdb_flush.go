package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/encap"
)

// flushOptions is what the flags and words of flush say.
type flushOptions struct {
	selection
	fromPort        string
	learned, static bool
	asJSON          bool
}

func newFDBFlushCommand(e *env) *cobra.Command {
	o := &flushOptions{}
	g := grammar{
		values: strings.Fields("mac dst port vni dev"),
		marks:  strings.Fields("learned static"),
		silent: []string{"self"},
	}
	c := &cobra.Command{
		Use:   "flush [learned | static] [mac MAC] [dst ADDR] [port NAME] [vni N | dev NAME]",
		Short: "Remove the learned and static entries to which every given word applies",
		Long: `Remove the learned and static entries of a network to which every given word
applies, all of them without any. Ports of the node and the flood list stay.`,
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := g.take(cmd, args); err != nil {
				return err
			}
			return o.run(e, cmd)
		},
	}
	fs := c.Flags()
	o.networkFlags(fs)
	fs.BoolVar(&o.learned, "learned", false, "only learned entries")
	fs.BoolVar(&o.static, "static", false, "only static entries")
	flagOf(fs, &o.mac, encap.ParseMAC, "mac", "MAC", "", "only the entry of this MAC")
	flagOf(fs, &o.dst, parseDst, "dst", "ADDR", "", "only entries that lead to this VTEP")
	fs.StringVar(&o.fromPort, "port", "", "only entries behind this port of the node, a `NAME`")
	jsonFlag(fs, &o.asJSON)
	return c
}

func (o *flushOptions) run(e *env, cmd *cobra.Command) error {
	filter := api.FDBFlush{MAC: o.mac, Dst: o.dst, Port: o.fromPort}
	switch {
	case o.learned && o.static:
		return usagef("learned and static contradict each other: leave both out to flush both")
	case cmd.Flags().Changed("mac") && o.mac.IsZero():
		return usagef("the flood list is not flushed: use vxtap fdb del %v dst ADDR", o.mac)
	case o.learned:
		filter.Class = api.ClassLearned
	case o.static:
		filter.Class = api.ClassStatic
	}
	client := api.NewClient(e.socket)
	vni, err := o.network(cmd.Context(), client)
	if err != nil {
		return err
	}
	n, err := client.FlushFDB(cmd.Context(), vni, filter)
	if err != nil {
		return err
	}
	if o.asJSON {
		return printJSON(e.stdout, api.FDBFlushed{Removed: n})
	}
	_, err = fmt.Fprintf(e.stdout, "removed %d\n", n)
	return err
}
