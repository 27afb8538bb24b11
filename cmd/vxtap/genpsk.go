package main

import (
	"github.com/spf13/cobra"

	"github.com/vxtap/vxtap/crypto"
)

func newGenpskCommand(e *env) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "genpsk [-o FILE]",
		Short: "Make a secret that nodes share",
		Long: `Make a pre-shared key, 32 random bytes in base64, for vxtap up --psk-file.

Alone it is enough for a small lab: each node derives its identity and those of the
others from it. Whoever holds the file can be any of them, so its holders are not told
apart from each other. Beside --key it is one more secret that a peer must know.`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			p, err := crypto.GeneratePSK()
			if err != nil {
				return err
			}
			return putSecret(e, file, p.Base64())
		},
		DisableFlagsInUseLine: true,
	}
	secretFlag(c, &file)
	return c
}
