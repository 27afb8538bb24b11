package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/vxtap/vxtap/control/keys"
	"github.com/vxtap/vxtap/crypto"
)

func newPubkeyCommand(e *env) *cobra.Command {
	return &cobra.Command{
		Use:   "pubkey [FILE]",
		Short: "Print the public key that belongs to a private one",
		Long: `Print the public key that belongs to the private key in a file, or on standard input.
It is no secret: peers name it with vxtap up --peer ADDR=PUBKEY.`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("unexpected %q: want %s", args[1], c.UseLine())
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			k, err := e.privateKey(args)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(e.stdout, k.Public())
			return err
		},
		DisableFlagsInUseLine: true,
	}
}

// privateKey reads the key in the file that is named, or else on standard input.
func (e *env) privateKey(file []string) (crypto.PrivateKey, error) {
	if len(file) > 0 {
		return keys.ReadPrivateKey(file[0])
	}
	k, err := keys.ParseFrom(e.stdin)
	if err != nil {
		return k, fmt.Errorf("standard input: %w", err)
	}
	return k, nil
}
