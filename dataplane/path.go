package dataplane

import (
	"sync/atomic"

	"github.com/vxtap/vxtap/encap"
)

// path is what is known of the way to one remote, as workers read it.
type path struct {
	// mtu of the narrowest link in bytes of IP packet, as far as it is known to be
	// narrower than the first; 0 if not.
	mtu atomic.Uint32
}

// narrowest returns the smallest MTU among the paths to destinations, 0 if none is known
// to be narrow.
func narrowest(list []*destination) (mtu uint32) {
	for _, d := range list {
		for i := range d.paths {
			if m := d.paths[i].mtu.Load(); m != 0 && (mtu == 0 || m < mtu) {
				mtu = m
			}
		}
	}
	return mtu
}

// passes reports whether an IP packet of so many bytes may be sent on remote i's path.
func (d *destination) passes(i int, bytes uint32) bool {
	mtu := d.paths[i].mtu.Load()
	return mtu == 0 || bytes <= mtu
}

// overlayMTU returns what inner packets have of an underlay packet of mtu bytes.
func (n *Network) overlayMTU(mtu, tags int) int {
	return encap.OverlayMTU(mtu, n.vtep.cfg.Local.Is6(), n.cfg.Sealed, tags)
}

// carried is how many bytes the underlay packet of a frame may have that goes to its remotes
// whatever their paths take, in fragments if need be: IPv6 has to be able to count on 1280
// bytes, which the layer below is to see to (RFC 8200 section 5), and IPv4 hosts may ignore
// whoever asks for less than [encap.MinTold]. So nobody who makes a path seem narrow stops
// traffic. It is 0 for other protocols.
func (n *Network) carried(l *encap.Layers) uint32 {
	var least int
	switch {
	case l.End == 0:
		return 0
	case l.EtherType == encap.EtherTypeIPv4:
		least = encap.MinTold
	default:
		least = encap.MinMTU6
	}
	return uint32(encap.UnderlayMTU(least, n.vtep.cfg.Local.Is6(), n.cfg.Sealed, int(l.Tags)))
}

// bulk is how many bytes the underlay packet of a frame has, or of the largest segment
// of a superframe.
func (n *Network) bulk(f *encap.Frame, l *encap.Layers) uint32 {
	size := len(f.Data)
	if f.Offload.GSO != encap.GSONone && l.Payload != 0 {
		size = min(size, l.Payload+int(f.Offload.SegmentSize))
	}
	return uint32(size - encap.EthernetSize + encap.Overhead(n.vtep.cfg.Local.Is6(), n.cfg.Sealed, 0))
}
