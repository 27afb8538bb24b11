package encap

import "encoding/binary"

// UDPSize is the length in bytes of a UDP header.
const UDPSize = 8

// Offsets in the UDP header (RFC 768).
const (
	udpSrcPort  = 0
	udpDstPort  = 2
	udpLength   = 4
	udpChecksum = 6
)

// UDPChecksumOffset is where the checksum lies in a UDP header, in bytes.
const UDPChecksumOffset = udpChecksum

// UDP is a UDP datagram, at least [UDPSize] bytes.
type UDP []byte

// SrcPort returns the source port.
func (u UDP) SrcPort() uint16 { return binary.BigEndian.Uint16(u[udpSrcPort:]) }

// DstPort returns the destination port.
func (u UDP) DstPort() uint16 { return binary.BigEndian.Uint16(u[udpDstPort:]) }

// Length returns the length field, header and payload in bytes, which nothing has
// compared with that of the packet.
func (u UDP) Length() int { return int(binary.BigEndian.Uint16(u[udpLength:])) }

// Checksum returns the checksum; 0 stands for none.
func (u UDP) Checksum() uint16 { return binary.BigEndian.Uint16(u[udpChecksum:]) }

// The setters leave the checksum as it is.

// SetSrcPort sets the source port.
func (u UDP) SetSrcPort(v uint16) { binary.BigEndian.PutUint16(u[udpSrcPort:], v) }

// SetDstPort sets the destination port.
func (u UDP) SetDstPort(v uint16) { binary.BigEndian.PutUint16(u[udpDstPort:], v) }

// SetLength sets the length of header and payload in bytes; n is below 65536.
func (u UDP) SetLength(n int) { binary.BigEndian.PutUint16(u[udpLength:], uint16(n)) }

// SetChecksum sets the checksum.
func (u UDP) SetChecksum(v uint16) { binary.BigEndian.PutUint16(u[udpChecksum:], v) }
