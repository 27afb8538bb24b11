package encap

import "encoding/binary"

// Ethernet header sizes in bytes.
const (
	EthernetSize = 14 // destination, source, type
	VLANTagSize  = 4  // IEEE 802.1Q
)

// Offsets in the Ethernet header (IEEE 802.3 section 3.1).
const (
	ethDst  = 0
	ethSrc  = 6
	ethType = 12
)

// Ethernet is a frame from its destination address on, at least [EthernetSize] bytes.
type Ethernet []byte

// Dst returns the destination address.
func (e Ethernet) Dst() MAC { return MAC(e[ethDst:ethSrc]) }

// Src returns the source address.
func (e Ethernet) Src() MAC { return MAC(e[ethSrc:ethType]) }

// Type returns the EtherType, which in a tagged frame is that of its outermost tag;
// the type behind the tags is [Layers.EtherType].
func (e Ethernet) Type() uint16 { return binary.BigEndian.Uint16(e[ethType:]) }

// SetDst sets the destination address.
func (e Ethernet) SetDst(m MAC) { copy(e[ethDst:], m[:]) }

// SetSrc sets the source address.
func (e Ethernet) SetSrc(m MAC) { copy(e[ethSrc:], m[:]) }

// SetType sets the EtherType that follows the addresses.
func (e Ethernet) SetType(t uint16) { binary.BigEndian.PutUint16(e[ethType:], t) }

// Tag returns VLAN tag i, 0 the outermost. It must exist: i is less than
// [Layers.Tags].
func (e Ethernet) Tag(i int) VLANTag {
	off := ethType + i*VLANTagSize
	return VLANTag(e[off : off+VLANTagSize])
}

// VLANTag is one tag of a frame, [VLANTagSize] bytes (IEEE 802.1Q section 9.6).
type VLANTag []byte

// TPID returns the tag's protocol, [EtherTypeVLAN] or [EtherTypeQinQ].
func (t VLANTag) TPID() uint16 { return binary.BigEndian.Uint16(t) }

// ID returns the VLAN, 12 bits.
func (t VLANTag) ID() uint16 { return binary.BigEndian.Uint16(t[2:]) & 0x0fff }

// Priority returns the priority code point, 0 to 7.
func (t VLANTag) Priority() uint8 { return t[2] >> 5 }

// DropEligible returns the drop eligible indicator.
func (t VLANTag) DropEligible() bool { return t[2]&0x10 != 0 }

// PutVLANTag writes a tag with priority 0 to b, which has [VLANTagSize] bytes.
func PutVLANTag(b []byte, tpid, id uint16) {
	binary.BigEndian.PutUint16(b, tpid)
	binary.BigEndian.PutUint16(b[2:], id&0x0fff)
}
