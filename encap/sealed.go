package encap

import "encoding/binary"

// SealedSize is the length in bytes of the header of a sealed packet.
const SealedSize = 16

// Offsets in the sealed header. All numbers are big endian.
//
//	0      1        2..3    4..7             8..15
//	type   version  flags   receiver index   counter
//
// Type and version begin every sealed message; the rest is that of data and keepalives.
const (
	sealedType     = 0
	sealedVersion  = 1
	sealedFlags    = 2
	sealedReceiver = 4
	sealedCounter  = 8
)

// Types of sealed messages: the first byte.
const (
	SealedData       = 0x40 // a VXLAN header and a frame
	SealedInitiation = 0x41 // the first message of a handshake
	SealedResponse   = 0x42 // the second
	SealedCookie     = 0x43 // instead of the second: a cookie or a challenge
	SealedKeepalive  = 0x44 // a keepalive or confirmation

	sealedTypeMask = 0xf8 // leaves 0x40 of all types, and of those yet to come
)

// SealedQueueOffset is where the queue of a sealed header lies, in bytes: the top byte of
// the counter.
const SealedQueueOffset = sealedCounter

// IsSealed reports whether b begins like a sealed message, one of a type yet to come
// included. In what begins so the I flag of VXLAN (RFC 7348 section 5) is clear: it is
// never a plain frame, and a plain VTEP drops it. It says nothing about the length of b.
func IsSealed(b []byte) bool { return len(b) > 0 && b[0]&sealedTypeMask == SealedData }

// Sealed is the header of sealed data or of a keepalive, at least [SealedSize] bytes. It
// is a stranger's word until the packet was opened.
type Sealed []byte

// Type returns the type, one of those above unless the sender knows more.
func (s Sealed) Type() uint8 { return s[sealedType] }

// Version returns the version of the format.
func (s Sealed) Version() uint8 { return s[sealedVersion] }

// Flags returns the flags, which are sealed packets' own and not those of VXLAN.
func (s Sealed) Flags() uint16 { return binary.BigEndian.Uint16(s[sealedFlags:]) }

// Receiver returns the number that the receiver has given to the session.
func (s Sealed) Receiver() uint32 { return binary.BigEndian.Uint32(s[sealedReceiver:]) }

// Counter returns the whole counter, the queue in its top byte.
func (s Sealed) Counter() uint64 { return binary.BigEndian.Uint64(s[sealedCounter:]) }

// Queue returns the number of the sender's queue: each counts its packets by itself.
func (s Sealed) Queue() uint8 { return s[SealedQueueOffset] }
