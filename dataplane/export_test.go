package dataplane

import "github.com/vxtap/vxtap/crypto"

// SpendKeys has every key refuse to seal for a worker, as it does when the worker's share
// of its packets is used up: after thousands of millions, which no test sends. Nothing may
// be on its way meanwhile.
func (v *VTEP) SpendKeys() {
	for _, w := range v.out {
		w.sends.seal.queue = crypto.MaxQueues + 1
	}
}
