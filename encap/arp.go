package encap

import "encoding/binary"

// ARPSize is the length in bytes of an ARP packet for IPv4 over Ethernet.
const ARPSize = 28

// ARP operations (RFC 826).
const (
	ARPRequest = 1
	ARPReply   = 2
)

// Offsets in an ARP packet whose addresses are of 6 and 4 bytes (RFC 826).
const (
	arpHardware  = 0
	arpProtocol  = 2
	arpHWLength  = 4
	arpPrLength  = 5
	arpOperation = 6
	arpSenderMAC = 8
	arpSenderIP  = 14
	arpTargetMAC = 18
	arpTargetIP  = 24
)

// ARP is an ARP packet for IPv4 over Ethernet, at least [ARPSize] bytes. One that
// came from somebody else is to be asked whether it is [ARP.Valid] first.
type ARP []byte

// ParseARP returns the ARP packet that b begins with, and reports whether there is one
// and it is [ARP.Valid]. Short frames are padded, so there may be more behind it.
func ParseARP(b []byte) (ARP, bool) {
	if len(b) < ARPSize || !ARP(b).Valid() {
		return nil, false
	}
	return ARP(b[:ARPSize]), true
}

// PutARP writes the constant part of a packet for IPv4 over Ethernet, and its
// operation, to b, which has [ARPSize] bytes.
func PutARP(b []byte, op uint16) {
	binary.BigEndian.PutUint16(b[arpHardware:], 1) // Ethernet
	binary.BigEndian.PutUint16(b[arpProtocol:], EtherTypeIPv4)
	b[arpHWLength], b[arpPrLength] = 6, 4
	binary.BigEndian.PutUint16(b[arpOperation:], op)
}

// Valid reports whether the packet is about IPv4 over Ethernet; only then are the
// addresses where the other accessors look.
func (a ARP) Valid() bool {
	return binary.BigEndian.Uint16(a[arpHardware:]) == 1 &&
		binary.BigEndian.Uint16(a[arpProtocol:]) == EtherTypeIPv4 &&
		a[arpHWLength] == 6 && a[arpPrLength] == 4
}

// Operation returns [ARPRequest], [ARPReply] or another.
func (a ARP) Operation() uint16 { return binary.BigEndian.Uint16(a[arpOperation:]) }

// SenderMAC returns the sender's hardware address.
func (a ARP) SenderMAC() MAC { return MAC(a[arpSenderMAC:arpSenderIP]) }

// SenderIP returns the sender's IPv4 address.
func (a ARP) SenderIP() [4]byte { return [4]byte(a[arpSenderIP:arpTargetMAC]) }

// TargetMAC returns the target's hardware address, zero in most requests.
func (a ARP) TargetMAC() MAC { return MAC(a[arpTargetMAC:arpTargetIP]) }

// TargetIP returns the IPv4 address that is asked for or answered to.
func (a ARP) TargetIP() [4]byte { return [4]byte(a[arpTargetIP:ARPSize]) }

// SetSender sets both addresses of the sender.
func (a ARP) SetSender(m MAC, ip [4]byte) {
	copy(a[arpSenderMAC:], m[:])
	copy(a[arpSenderIP:], ip[:])
}

// SetTarget sets both addresses of the target.
func (a ARP) SetTarget(m MAC, ip [4]byte) {
	copy(a[arpTargetMAC:], m[:])
	copy(a[arpTargetIP:], ip[:])
}
