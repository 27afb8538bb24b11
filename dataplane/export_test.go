package dataplane

import (
	"net/netip"

	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/dataplane/fdb"
	"github.com/vxtap/vxtap/encap"
)

// SpendKeys has every key refuse to seal for a worker, as it does when the worker's share
// of its packets is used up: after thousands of millions, which no test sends. Nothing may
// be on its way meanwhile.
func (v *VTEP) SpendKeys() {
	for _, w := range v.out {
		w.sends.seal.queue = crypto.MaxQueues + 1
	}
}

// Control makes a controlled entry, as a cluster does.
func (n *Network) Control(mac encap.MAC, addr netip.AddrPort) error {
	return n.setEntry(mac, addr, func(mac encap.MAC, _ fdb.Class, d *destination) error {
		return n.table.Set(mac, fdb.Controlled, d)
	})
}
