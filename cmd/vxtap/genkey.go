package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/vxtap/vxtap/control/keys"
	"github.com/vxtap/vxtap/crypto"
)

func newGenkeyCommand(e *env) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "genkey [-o FILE]",
		Short: "Make the private key of a node",
		Long: `Make a private key, with which a node proves who it is to its peers in sealed
networks: 32 random bytes, in base64. It stays on the node. The others get the public
key that vxtap pubkey makes of it.`,
		Example: `  vxtap genkey -o /etc/vxtap/key
  vxtap pubkey /etc/vxtap/key`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			k, err := crypto.GenerateKey()
			if err != nil {
				return err
			}
			return putSecret(e, file, k.Base64())
		},
		DisableFlagsInUseLine: true,
	}
	secretFlag(c, &file)
	return c
}

// secretFlag adds -o, which says where a new secret goes.
func secretFlag(c *cobra.Command, file *string) {
	c.Flags().StringVarP(file, "output", "o", "", "write to a new `FILE` that its owner alone may read, instead of printing")
}

func putSecret(e *env, file, secret string) error {
	if file != "" {
		return keys.Create(file, secret)
	}
	_, err := fmt.Fprintln(e.stdout, secret)
	return err
}
