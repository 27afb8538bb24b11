package underlay

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// sockaddr is a struct sockaddr_in or sockaddr_in6, by its first two bytes: the
// family in the byte order of the host. Then, both: port (2..3, network order).
// IPv4: address (4..7). IPv6: flow info (4..7), address (8..23), scope (24..27, host
// order).
type sockaddr [unix.SizeofSockaddrInet6]byte

// put writes an address and returns the length of the struct. The scope of a
// link-local IPv6 address is the given one, the index of an interface; its zone is not
// looked at.
func (s *sockaddr) put(remote netip.AddrPort, scope uint32) uint32 {
	binary.BigEndian.PutUint16(s[2:], remote.Port())
	a := remote.Addr()
	if a.Is4() {
		binary.NativeEndian.PutUint16(s[0:], unix.AF_INET)
		*(*[4]byte)(s[4:]) = a.As4()
		return unix.SizeofSockaddrInet4
	}
	binary.NativeEndian.PutUint16(s[0:], unix.AF_INET6)
	binary.NativeEndian.PutUint32(s[4:], 0)
	*(*[16]byte)(s[8:]) = a.As16()
	if !a.IsLinkLocalUnicast() && !a.IsLinkLocalMulticast() {
		scope = 0
	}
	binary.NativeEndian.PutUint32(s[24:], scope)
	return unix.SizeofSockaddrInet6
}

// addrPort reads an address, without its zone; a mapped IPv4 address becomes plain.
func (s *sockaddr) addrPort() netip.AddrPort {
	port := binary.BigEndian.Uint16(s[2:])
	switch binary.NativeEndian.Uint16(s[0:]) {
	case unix.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(s[4:8])), port)
	case unix.AF_INET6:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(s[8:24])).Unmap(), port)
	}
	return netip.AddrPort{}
}

// systemAddress returns the same for the calls that are not on the hot path.
func systemAddress(local netip.AddrPort, scope uint32) unix.Sockaddr {
	if local.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(local.Port()), Addr: local.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(local.Port()), Addr: local.Addr().As16(), ZoneId: scope}
}
