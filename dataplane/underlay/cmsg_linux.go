package underlay

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/encap"
)

// controlSize holds the most control messages that a datagram has, in bytes: TOS,
// TTL, segment size, each a header of up to 16 bytes and a value padded to 8; and the
// interface that it leaves by.
const controlSize = 3*(16+8) + 16 + 24

// readControl sets the fields of d that arrive as control messages. Unknown messages
// and those cut short are passed over.
func readControl(control []byte, d *encap.Datagram) {
	for len(control) >= unix.SizeofCmsghdr {
		hdr, data, rest, err := unix.ParseOneSocketControlMessage(control)
		if err != nil {
			return
		}
		readMessage(hdr.Level, hdr.Type, data, d)
		control = rest
	}
}

// readMessage sets the field that one control message stands for. On receipt only the
// IPv4 TOS is a byte; all other values are ints, of which the low byte counts.
func readMessage(level, kind int32, data []byte, d *encap.Datagram) {
	switch {
	case level == unix.IPPROTO_IP && kind == unix.IP_TOS && len(data) >= 1:
		d.TOS = data[0]
	case len(data) < 4:
	case level == unix.IPPROTO_IP && kind == unix.IP_TTL,
		level == unix.IPPROTO_IPV6 && kind == unix.IPV6_HOPLIMIT:
		d.TTL = uint8(binary.NativeEndian.Uint32(data))
	case level == unix.IPPROTO_IPV6 && kind == unix.IPV6_TCLASS:
		d.TOS = uint8(binary.NativeEndian.Uint32(data))
	case level == unix.IPPROTO_UDP && kind == unix.UDP_GRO:
		// An int, although UDP_SEGMENT is a u16.
		d.SegmentSize = uint16(binary.NativeEndian.Uint32(data))
	}
}

// writeControl puts the control messages that d asks for in b, which holds
// controlSize bytes, and returns their length, 0 if there are none.
func writeControl(b []byte, v6 bool, d *encap.Datagram) int {
	level, tos, ttl := int32(unix.IPPROTO_IP), int32(unix.IP_TOS), int32(unix.IP_TTL)
	if v6 {
		level, tos, ttl = unix.IPPROTO_IPV6, unix.IPV6_TCLASS, unix.IPV6_HOPLIMIT
	}
	n := 0
	if d.TOS != 0 {
		value := putMessage(b[n:], level, tos, 4)
		binary.NativeEndian.PutUint32(value, uint32(d.TOS))
		n += unix.CmsgSpace(4)
	}
	if d.TTL != 0 {
		value := putMessage(b[n:], level, ttl, 4)
		binary.NativeEndian.PutUint32(value, uint32(d.TTL))
		n += unix.CmsgSpace(4)
	}
	if d.SegmentSize != 0 {
		value := putMessage(b[n:], unix.IPPROTO_UDP, unix.UDP_SEGMENT, 2)
		binary.NativeEndian.PutUint16(value, d.SegmentSize)
		n += unix.CmsgSpace(2)
	}
	return n
}

// writeInterface puts a control message in b that has a datagram leave by an interface,
// from a local address, and returns its length. It is a struct in_pktinfo (index,
// source, destination) or in6_pktinfo (source, index); without the source, the kernel would
// choose one and not keep the socket's.
func writeInterface(b []byte, local netip.Addr, index uint32) int {
	if local.Is4() {
		value := putMessage(b, unix.IPPROTO_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo)
		clear(value)
		binary.NativeEndian.PutUint32(value, index)
		*(*[4]byte)(value[4:]) = local.As4()
		return unix.CmsgSpace(unix.SizeofInet4Pktinfo)
	}
	value := putMessage(b, unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo)
	*(*[16]byte)(value) = local.As16()
	binary.NativeEndian.PutUint32(value[16:], index)
	return unix.CmsgSpace(unix.SizeofInet6Pktinfo)
}

// putMessage writes the header of a control message whose value takes size bytes, and
// returns the value to be filled in. A struct cmsghdr is a length as wide as a
// pointer, the level and the type.
func putMessage(b []byte, level, kind int32, size int) []byte {
	const lengthSize = unix.SizeofCmsghdr - 8
	if lengthSize == 8 {
		binary.NativeEndian.PutUint64(b, uint64(unix.CmsgLen(size)))
	} else {
		binary.NativeEndian.PutUint32(b, uint32(unix.CmsgLen(size)))
	}
	binary.NativeEndian.PutUint32(b[lengthSize:], uint32(level))
	binary.NativeEndian.PutUint32(b[lengthSize+4:], uint32(kind))
	return b[unix.CmsgLen(0):unix.CmsgLen(size)]
}
