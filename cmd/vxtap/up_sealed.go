package main

import (
	"fmt"

	"github.com/spf13/pflag"

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

// sealFlags adds what is about the sealing of the network, and of all that the node has.
func (o *upOptions) sealFlags(fs *pflag.FlagSet) {
	seal := &o.node.Seal
	fs.BoolVar(&o.network.Sealed, "sealed", false, "encrypt frames and authenticate who they come from; with --key and --peer, or --psk-file")
	fs.StringVar(&seal.KeyFile, "key", "", "`FILE` with this node's private key")
	listOf(fs, &seal.Peers, control.ParsePeer, "peer", "ADDR[:PORT]=PUBKEY", "VTEP of a peer with its public key; it is a --remote, too")
	fs.StringVar(&seal.PSKFile, "psk-file", "", "`FILE` with a secret that all peers share; alone, its holders are not told apart from each other; with --key, one more that a peer must know")
	flagOf(fs, &seal.Suite, control.ParseCipher, "cipher", "aes-128-gcm|aes-256-gcm", "aes-128-gcm", "what frames are sealed with; peers must agree")
	fs.BoolVar(&seal.NAT, "nat", false, "this node is behind NAT: send from --port alone, and often enough that the way back stays open")
	flagOf(fs, &seal.Keepalive, control.ParseKeepalive, "keepalive", "TIME", "", "how often something is sent to each peer at least (default 20s with --nat, or else never)")
}

// checkSealFlags refuses words about sealing for a network that would not be sealed: who
// gives them does not want it plain.
func (o *upOptions) checkSealFlags(fs *pflag.FlagSet) error {
	for _, name := range []string{"key", "peer", "psk-file", "cipher", "nat", "keepalive"} {
		if fs.Changed(name) && !o.network.Sealed {
			return fmt.Errorf("--%s without --sealed: say --sealed too, or leave --%s out of a plain network", name, name)
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
