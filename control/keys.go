package control

import (
	"net/netip"

	"github.com/vxtap/vxtap/crypto"
)

// Keys says who this node is and who its peers are in sealed networks. Whoever hands keys
// out implements it: files that the user made (package control/keys), or a cluster. Its
// methods may be called from any goroutine and do not wait for anything.
//
// What an answer says is authority: a node that can prove to have the private key is the
// VTEP of that address, for every network that has the address among its members.
type Keys interface {
	// Identity is this node's private key. It stays as long as the agent runs.
	Identity() crypto.PrivateKey
	// Peer returns the keys of the node whose VTEP has the address, which carries no
	// zone; ok is false if nobody is known to. Its VTEP is the caller's to fill in.
	Peer(vtep netip.Addr) (p crypto.PeerConfig, ok bool)
	// Changed returns a channel that is closed once Peer answers for any address
	// differently from how it did when the channel was returned; nil if it never will.
	// The agent asks for it first, and then for peers, so that it misses no change. It
	// cuts off whoever has other keys, or none; new ones are for networks that are made
	// afterwards.
	Changed() <-chan struct{}
}
