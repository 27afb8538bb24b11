package main

import (
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/crypto"
)

func newKeysRotateCommand(e *env) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "rotate [PEER]",
		Short: "Change the keys shared with a peer, or with all, now",
		Long: `Ask for new keys with one peer, named by its public key or its VTEP's address, or with
every peer. Traffic goes on meanwhile, under the old keys until the new ones are there:
then the epoch in vxtap keys show has gone up.`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("unexpected %q: want %s", args[1], c.UseLine())
			}
			return nil
		},
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			var which api.KeysRotate
			if len(args) > 0 {
				var err error
				if which, err = parsePeer(args[0]); err != nil {
					return usageError{err}
				}
			}
			n, err := api.NewClient(e.socket).RotateKeys(cmd.Context(), which)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(e.stdout, api.KeysRotated{Peers: n})
			}
			_, err = fmt.Fprintf(e.stdout, "rotating the keys of %d\n", n)
			return err
		},
	}
	jsonFlag(c.Flags(), &asJSON)
	return c
}

// parsePeer parses what names a peer of the agent.
func parsePeer(s string) (which api.KeysRotate, err error) {
	if which.VTEP, err = netip.ParseAddr(s); err == nil {
		return which, nil
	}
	if which.PublicKey, err = crypto.ParsePublicKey(s); err == nil {
		return which, nil
	}
	return which, fmt.Errorf("bad peer %q: want the address of its VTEP, or its public key as vxtap keys show has it", s)
}
