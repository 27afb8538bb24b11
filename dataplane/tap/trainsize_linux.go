package tap

import (
	"fmt"

	"github.com/vishvananda/netlink"
	"github.com/vxtap/vxtap/encap"
)

// What one send of the underlay takes as a train: UDP_MAX_SEGMENTS before Linux 6.9, and
// a UDP payload of 65507 bytes at most, here with some room to spare.
const (
	trainSegments = 64
	trainBytes    = 65000
)

// superframeLimits returns the most segments and the most bytes that a superframe of an
// interface may have to fit one train. As a train it is longer than before, since every
// segment has the headers that the superframe has once, and a VXLAN header: n segments
// are at most n times a full frame with that. So the number of segments keeps to both
// limits, whatever their size; the bytes follow from it, for what does not look at the
// number. Two VLAN tags are allowed for, that the MTU does not know of.
func superframeLimits(mtu int) (segments, size int) {
	frame := mtu + encap.EthernetSize + 2*encap.VLANTagSize
	segments = max(1, min(trainSegments, trainBytes/(frame+encap.VXLANSize)))
	return segments, min(segments*frame, maxGSOSize)
}

// maxGSOSize is GSO_LEGACY_MAX_SIZE, which a TAP cannot exceed.
const maxGSOSize = 65536

// limitSuperframes has the kernel make no superframes on link, in this thread's
// namespace, that would need more than one train. Larger ones are no error, they only
// take longer.
func limitSuperframes(link netlink.Link, mtu int) error {
	segments, size := superframeLimits(mtu)
	if err := netlink.LinkSetGSOMaxSegs(link, segments); err != nil {
		return fmt.Errorf("set gso_max_segs %d: %w", segments, err)
	}
	if err := netlink.LinkSetGSOMaxSize(link, size); err != nil {
		return fmt.Errorf("set gso_max_size %d: %w", size, err)
	}
	if err := netlink.LinkSetGSOIPv4MaxSize(link, size); err != nil {
		return fmt.Errorf("set gso_ipv4_max_size %d: %w", size, err)
	}
	link, err := netlink.LinkByIndex(link.Attrs().Index)
	if err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	a := link.Attrs()
	// Before Linux 6.3 there is one limit for both families, and 0 for what is unknown.
	v4 := int(a.GSOIPv4MaxSize)
	if int(a.GSOMaxSegs) != segments || int(a.GSOMaxSize) != size || v4 != size && v4 != 0 {
		return fmt.Errorf("read back: gso_max_segs %d, gso_max_size %d, gso_ipv4_max_size %d; asked for %d and %d",
			a.GSOMaxSegs, a.GSOMaxSize, v4, segments, size)
	}
	return nil
}
