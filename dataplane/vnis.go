package dataplane

import (
	"math/bits"

	"github.com/vxtap/vxtap/encap"
)

// vniIndex finds a network by its VNI, for workers: an immutable open-addressed
// array, at most half full, replaced whole when a network comes or goes.
type vniIndex struct {
	slots []*Network
	mask  uint32
	shift uint8 // leaves as many bits of the hash as mask has
}

func newVNIIndex(networks map[encap.VNI]*Network) *vniIndex {
	size := uint32(4)
	for int(size) < 2*len(networks) {
		size *= 2
	}
	x := &vniIndex{
		slots: make([]*Network, size),
		mask:  size - 1,
		shift: uint8(32 - bits.TrailingZeros32(size)),
	}
	for vni, n := range networks {
		i := x.home(vni)
		for x.slots[i] != nil {
			i = (i + 1) & x.mask
		}
		x.slots[i] = n
	}
	return x
}

// home is Fibonacci hashing (Knuth, volume 3, section 6.4): it spreads VNIs in a row, or
// in steps, and leaves gaps between them, at which the search for an unknown one ends.
func (x *vniIndex) home(vni encap.VNI) uint32 { return uint32(vni) * 0x9e3779b1 >> x.shift }

// find returns the network, or nil.
func (x *vniIndex) find(vni encap.VNI) *Network {
	for i := x.home(vni); ; i = (i + 1) & x.mask {
		if n := x.slots[i]; n == nil || n.vni == vni {
			return n
		}
	}
}
