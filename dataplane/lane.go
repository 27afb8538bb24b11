package dataplane

import (
	"iter"
	"net/netip"

	"github.com/vxtap/vxtap/crypto"
)

// lane is one remote of one destination, as the path book has to do with it.
type lane struct {
	to   netip.AddrPort
	peer *crypto.Peer // nil in a plain network
	path *path
}

// way is what the path book knows something of: how an address is reached by one peer's
// sealed datagrams, or by all plain ones. What plain networks are made to believe changes
// nothing for sealed ones, nor what one peer has said for another at the same address.
type way struct {
	to   netip.Addr
	peer *crypto.Peer
}

func (l *lane) way() way { return way{l.to.Addr(), l.peer} }

// lanes goes through all remotes of all destinations, peers where they are now.
func lanes(networks []*Network) iter.Seq[lane] {
	return func(yield func(lane) bool) {
		for _, n := range networks {
			for _, d := range n.table.Destinations() {
				for i := range d.remotes {
					if !yield(d.lane(i)) {
						return
					}
				}
			}
		}
	}
}

// lane is the one to remote i.
func (d *destination) lane(i int) lane {
	l := lane{to: d.remotes[i], path: &d.paths[i]}
	if d.network.cfg.Sealed {
		l.peer = d.peers[i]
		l.to = l.peer.Endpoint()
	}
	return l
}
