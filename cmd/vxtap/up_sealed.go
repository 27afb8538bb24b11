package main

import (
	"fmt"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/control/keys"
)

// sealedHelp is what the help of up says about sealed networks.
const sealedHelp = `

With --sealed, frames cross the underlay encrypted, and nothing is sent to, or taken
from, anyone who does not prove to be a peer. Either every node has a key of its own
(vxtap genkey), named with --key, and knows the others' public ones (vxtap pubkey) from
--peer. Or, for small labs, all share one file (vxtap genpsk), named with --psk-file,
and the others are the --remotes; the holders of that file are not told apart from each
other: each can pose as any of them.`

// checkSealing refuses words about sealing for a network that would not be sealed: who
// says them does not want it plain.
func (o *upOptions) checkSealing() error {
	for _, w := range control.Words(nil) { // in the order of help
		if _, said := o.words[w.Name]; said && w.Sealing && !o.network.Sealed {
			return fmt.Errorf("--%s without --sealed: say --sealed too, or leave --%s out of a plain network", w.Name, w.Name)
		}
	}
	return nil
}

// keys reads the files with keys of a node that has sealed networks, and returns nil for
// one that has none.
func (o *upOptions) keys() (control.Keys, error) {
	if !o.network.Sealed {
		return nil, nil
	}
	return keys.Load(o.node)
}
