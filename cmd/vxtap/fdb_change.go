package main

import (
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/encap"
)

// newFDBChangeCommand makes add, append and replace.
func newFDBChangeCommand(e *env, op api.Op, short string) *cobra.Command {
	s := &selection{}
	g := entryGrammar()
	c := &cobra.Command{
		Use:                   string(op) + " MAC dst ADDR [port N] [vni N | dev NAME]",
		Short:                 short,
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := s.takeEntry(&g, cmd, args); err != nil {
				return err
			}
			if !s.dst.IsValid() {
				return usagef("dst is missing: want %s", cmd.UseLine())
			}
			client := api.NewClient(e.socket)
			vni, err := s.network(cmd.Context(), client)
			if err != nil {
				return err
			}
			return client.ChangeFDB(cmd.Context(), vni, api.FDBChange{Op: op, MAC: s.mac, Dst: s.dst, DstPort: s.port})
		},
	}
	s.networkFlags(c.Flags())
	s.dstFlags(c.Flags())
	return c
}

func newFDBDelCommand(e *env) *cobra.Command {
	s := &selection{}
	g := entryGrammar()
	c := &cobra.Command{
		Use:                   "del MAC [dst ADDR [port N]] [vni N | dev NAME]",
		Aliases:               []string{"delete"},
		Short:                 "Remove a MAC's learned or static entry, or a VTEP from the flood list",
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := s.takeEntry(&g, cmd, args); err != nil {
				return err
			}
			dst, err := s.deleted()
			if err != nil {
				return err
			}
			client := api.NewClient(e.socket)
			vni, err := s.network(cmd.Context(), client)
			if err != nil {
				return err
			}
			return client.DeleteFDB(cmd.Context(), vni, s.mac, dst)
		},
	}
	s.networkFlags(c.Flags())
	s.dstFlags(c.Flags())
	return c
}

// entryGrammar is that of the commands about one entry. What they make is static, and
// in the table of the network itself.
func entryGrammar() grammar {
	return grammar{
		mac:    true,
		values: strings.Fields("dst port vni dev"),
		silent: strings.Fields("self static permanent"),
	}
}

func (s *selection) takeEntry(g *grammar, cmd *cobra.Command, args []string) error {
	mac, err := g.take(cmd, args)
	if err != nil {
		return err
	}
	if s.mac, err = encap.ParseMAC(mac); err != nil {
		return usageError{err}
	}
	return nil
}

// deleted returns where a deleted entry must lead, invalid for anywhere.
func (s *selection) deleted() (netip.AddrPort, error) {
	switch {
	case s.dst.IsValid():
		return netip.AddrPortFrom(s.dst, s.port), nil
	case s.port != 0:
		return netip.AddrPort{}, usagef("port %d is given without dst", s.port)
	case s.mac.IsZero():
		return netip.AddrPort{}, usagef("dst is missing: it says which VTEP leaves the flood list")
	}
	return netip.AddrPort{}, nil
}
