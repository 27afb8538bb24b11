package encap

import "encoding/binary"

// VXLANSize is the length in bytes of a VXLAN header.
const VXLANSize = 8

// The VXLAN header as one 64-bit word, big endian (RFC 7348 section 5): flags (8
// bits), reserved (24), VNI (24), reserved (8).
const (
	// VXLANFlagI says that the VNI is valid; it is set in every header.
	VXLANFlagI uint64 = 0x08 << 56
	// VXLANVNIMask covers the VNI.
	VXLANVNIMask = uint64(MaxVNI) << vxlanVNIShift
	// VXLANReserved covers all the other bits, which are sent as zero.
	VXLANReserved = ^(VXLANFlagI | VXLANVNIMask)

	vxlanVNIShift = 8
)

// VXLANFault says why a header was refused, one reason for each way to count it.
type VXLANFault uint8

const (
	VXLANOK           VXLANFault = iota // nothing is wrong
	VXLANShort                          // fewer bytes than a header
	VXLANNoVNI                          // the I flag is clear
	VXLANReservedBits                   // a reserved bit is set that is not tolerated
)

// VXLAN is a VXLAN header, at least [VXLANSize] bytes.
type VXLAN []byte

// Word returns the whole header.
func (v VXLAN) Word() uint64 { return binary.BigEndian.Uint64(v) }

// VNI returns the network identifier, whether or not the I flag says it is valid.
func (v VXLAN) VNI() VNI { return VNI(v.Word()&VXLANVNIMask) >> vxlanVNIShift }

// PutVXLAN writes a header for vni to b, which has at least [VXLANSize] bytes. Bits of
// vni above the 24th are not sent.
func PutVXLAN(b []byte, vni VNI) {
	binary.BigEndian.PutUint64(b, VXLANFlagI|uint64(vni&MaxVNI)<<vxlanVNIShift)
}

// CheckVXLAN reads the header that b begins with, and says what is wrong with it. It
// is stricter than RFC 7348, by which reserved bits are ignored on receipt, and as
// strict as Linux: a set reserved bit is some extension, and a frame that means more
// than we understand is not to be delivered as if it did not. The bits set in
// tolerate are let pass; those of the I flag and the VNI mean nothing there.
func CheckVXLAN(b []byte, tolerate uint64) (VNI, VXLANFault) {
	if len(b) < VXLANSize {
		return 0, VXLANShort
	}
	w := VXLAN(b).Word()
	switch {
	case w&VXLANFlagI == 0:
		return 0, VXLANNoVNI
	case w&VXLANReserved&^tolerate != 0:
		return 0, VXLANReservedBits
	}
	return VXLAN(b).VNI(), VXLANOK
}
