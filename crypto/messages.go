package crypto

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// The messages of the handshake, as bytes. Everything starts like data does: type,
// version, flags (none are known here), the receiver's index. The documentation of the
// package draws each of them.
const (
	startSize = 8  // type, version, flags, index
	pointSize = 32 // a Curve25519 point
	macSize   = 16 // a truncated HMAC-SHA256

	initiationPayload = 60
	initiationSize    = startSize + pointSize + (pointSize + TagSize) + (initiationPayload + TagSize) + 2*macSize
	responsePayload   = 50
	responseSize      = startSize + pointSize + (responsePayload + TagSize) + 2*macSize
	answerSize        = startSize + 4 + nonceSize + macSize + TagSize // cookie or challenge
	signSize          = HeaderSize + signBody + TagSize               // keepalive or confirmation
	signBody          = 20
	nonceSize         = 12 // of AES-GCM, RFC 5116 section 5.1
)

// peerNAT is the bit of a payload's flags by which the sender says that it knows itself
// behind a NAT.
const peerNAT = 1

// signAnswer is the bit of a sign's flags by which the sender asks for a sign.
const signAnswer = 1

// putStart appends the first eight bytes of a message.
func putStart(dst []byte, kind byte, index uint32) []byte {
	dst = append(dst, kind, Version, 0, 0)
	return binary.BigEndian.AppendUint32(dst, index)
}

// stamp is the time of an initiation: seconds since 1970 and nanoseconds, big endian, so
// that stamps compare like their bytes.
type stamp [12]byte

func stampOf(t time.Time) (s stamp) {
	binary.BigEndian.PutUint64(s[:], uint64(max(t.Unix(), 0)))
	binary.BigEndian.PutUint32(s[8:], uint32(t.Nanosecond()))
	return s
}

// next is the smallest stamp after s.
func (s stamp) next() stamp {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i]++; s[i] != 0 {
			break
		}
	}
	return s
}

// hello is what an initiation says under encryption. The index is that of the first
// eight bytes once more, where no stranger can change it.
type hello struct {
	stamp     stamp
	challenge [macSize]byte // that of the receiver, all zero if it gave none
	number    uint64        // the epoch's, see [epoch]
	index     uint32
	queues    uint8
	nat       bool
	claimed   netip.AddrPort // the sender's VTEP, as it knows itself
}

func (h *hello) append(dst []byte) []byte {
	dst = append(dst, h.stamp[:]...)
	dst = append(dst, h.challenge[:]...)
	dst = appendSession(dst, h.number, h.index, h.queues, h.nat)
	return appendAddress(dst, h.claimed)
}

// parse reads a payload; the caller has checked its size.
func (h *hello) parse(b []byte) {
	h.stamp, h.challenge = stamp(b[:12]), [macSize]byte(b[12:28])
	h.number, h.index, h.queues, h.nat = session(b[28:])
	h.claimed = address(b[42:])
}

// welcome is what a response says under encryption.
type welcome struct {
	number   uint64 // at least the hello's, and what counts
	index    uint32 // the responder's
	queues   uint8
	nat      bool
	claimed  netip.AddrPort // the responder's VTEP
	observed netip.AddrPort // where the initiation came from
}

func (w *welcome) append(dst []byte) []byte {
	dst = appendSession(dst, w.number, w.index, w.queues, w.nat)
	dst = appendAddress(dst, w.claimed)
	return appendAddress(dst, w.observed)
}

// parse reads a payload; the caller has checked its size.
func (w *welcome) parse(b []byte) {
	w.number, w.index, w.queues, w.nat = session(b)
	w.claimed, w.observed = address(b[14:]), address(b[32:])
}

func appendSession(dst []byte, number uint64, index uint32, queues uint8, nat bool) []byte {
	dst = binary.BigEndian.AppendUint64(dst, number)
	dst = binary.BigEndian.AppendUint32(dst, index)
	flags := byte(0)
	if nat {
		flags |= peerNAT
	}
	return append(dst, queues, flags)
}

// session reads what appendSession wrote. Unknown flags are let pass: they come from a
// peer that is authenticated, and the next version of it may have more.
func session(b []byte) (number uint64, index uint32, queues uint8, nat bool) {
	return binary.BigEndian.Uint64(b), binary.BigEndian.Uint32(b[8:]), b[12], b[13]&peerNAT != 0
}

// appendAddress appends 18 bytes: the port, and the address as IPv6 (IPv4 is mapped, RFC
// 4291 section 2.5.5.2). An address that is not known is all zero.
func appendAddress(dst []byte, a netip.AddrPort) []byte {
	if !a.IsValid() {
		return append(dst, make([]byte, 18)...)
	}
	ip := a.Addr().As16()
	return append(binary.BigEndian.AppendUint16(dst, a.Port()), ip[:]...)
}

func address(b []byte) netip.AddrPort {
	ip := netip.AddrFrom16([16]byte(b[2:18])).Unmap()
	if ip.IsUnspecified() {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ip, binary.BigEndian.Uint16(b))
}

// plainAddress is an address as the wire has it: IPv4 not mapped, without a zone.
func plainAddress(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// sign is the body of a keepalive or confirmation.
type sign struct {
	answer   bool           // a sign is wanted in return
	observed netip.AddrPort // where the receiver is, as the sender sees it
}

func (s sign) append(dst []byte) []byte {
	flags := byte(0)
	if s.answer {
		flags |= signAnswer
	}
	return appendAddress(append(dst, flags, 0), s.observed)
}

func parseSign(b []byte) sign {
	return sign{answer: b[0]&signAnswer != 0, observed: address(b[2:])}
}
