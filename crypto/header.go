package crypto

import "encoding/binary"

// The sealed header. All numbers are big endian.
//
//	0      1        2..3    4..7             8..15
//	type   version  flags   receiver index   counter
//
// The handshake's messages begin with its first eight bytes, and have no counter.
const (
	typeOffset    = 0
	versionOffset = 1
	flagsOffset   = 2
	indexOffset   = 4
	counterOffset = 8
)

// Types of messages: the first byte. From 0x40 to 0x47 the I flag of RFC 7348 section 5 is
// clear, so that a plain VTEP drops what is sealed instead of misreading it.
const (
	TypeData       = 0x40 // a VXLAN header and a frame, sealed
	TypeInitiation = 0x41 // the first message of a handshake
	TypeResponse   = 0x42 // the second
	TypeCookie     = 0x43 // instead of the second: a cookie or a challenge
	TypeKeepalive  = 0x44 // a keepalive or confirmation, sealed like data

	typeMask = 0xf8 // leaves 0x40 of all sealed types, and of the reserved ones
)

// Version is the second byte of every message.
const Version = 1

const (
	HeaderSize = 16                   // of sealed data and keepalives
	TagSize    = 16                   // of AES-GCM, behind what is sealed
	Overhead   = HeaderSize + TagSize // by which a sealed packet is longer than what it carries
)

const (
	MaxQueues    = 16 // sending queues of a node, numbered from 0
	ControlQueue = 16 // the number of one more, for what does not come from a worker
)

// FlagPartialChecksum says that the transport checksum of the inner packet is the sum of
// its pseudo-header only: the receiver, or whoever it gives the frame to, completes it.
// Data has no other flag, and keepalives have none.
const FlagPartialChecksum uint16 = 1

// The top byte of a counter is the queue, the rest counts the queue's packets from zero.
const (
	queueShift  = 56
	counterMask = 1<<queueShift - 1
)

// Header is a view of a sealed packet that begins with a header; its methods must only be
// called on [HeaderSize] bytes or more. What it says is a stranger's word until the packet
// was opened.
type Header []byte

// Sealed reports whether a datagram is one of ours rather than plain VXLAN. Of the types
// that it stands for, some are reserved.
func Sealed(datagram []byte) bool {
	return len(datagram) > 0 && datagram[typeOffset]&typeMask == TypeData
}

// Type returns the message's type.
func (h Header) Type() byte { return h[typeOffset] }

// Version returns the version of the format, see [Version].
func (h Header) Version() byte { return h[versionOffset] }

// Flags returns the flags, see [FlagPartialChecksum].
func (h Header) Flags() uint16 { return binary.BigEndian.Uint16(h[flagsOffset:]) }

// Index returns the number by which the receiver finds its key.
func (h Header) Index() uint32 { return binary.BigEndian.Uint32(h[indexOffset:]) }

// Queue returns the sending queue: 0 to 15, or [ControlQueue], or nonsense.
func (h Header) Queue() int { return int(h[counterOffset]) }

// Counter returns how many packets the queue had sealed before this one.
func (h Header) Counter() uint64 {
	return binary.BigEndian.Uint64(h[counterOffset:]) & counterMask
}

// appendHeader appends a header; the counter has the queue in its top byte.
func appendHeader(dst []byte, kind byte, flags uint16, index uint32, counter uint64) []byte {
	dst = append(dst, kind, Version)
	dst = binary.BigEndian.AppendUint16(dst, flags)
	dst = binary.BigEndian.AppendUint32(dst, index)
	return binary.BigEndian.AppendUint64(dst, counter)
}

// known reports whether type, version and flags are such as we seal.
func (h Header) known() bool {
	switch h.Type() {
	case TypeData:
		return h.Version() == Version && h.Flags()&^FlagPartialChecksum == 0
	case TypeKeepalive:
		return h.Version() == Version && h.Flags() == 0
	}
	return false
}

// slot is the place of a queue among the state of a number of queues, which ends with that
// of the control queue, or -1 if there is no such queue.
func slot(queue, queues int) int {
	switch {
	case queue >= 0 && queue < queues:
		return queue
	case queue == ControlQueue:
		return queues
	}
	return -1
}
