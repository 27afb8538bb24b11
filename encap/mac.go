package encap

import (
	"fmt"
	"net/netip"
)

// MAC is an Ethernet address (IEEE 802 EUI-48). It is comparable and can be a map
// key; the zero MAC stands for "none", and in a forwarding table for "any destination
// that is not known".
type MAC [6]byte

// Broadcast is ff:ff:ff:ff:ff:ff.
var Broadcast = MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// ParseMAC parses six hexadecimal octets separated by colons or hyphens
// ("02:42:0a:00:00:01"). The error carries the input.
func ParseMAC(s string) (MAC, error) {
	var m MAC
	if len(s) != 17 {
		return MAC{}, macError(s)
	}
	sep := s[2]
	if sep != ':' && sep != '-' {
		return MAC{}, macError(s)
	}
	for i := range m {
		if i > 0 && s[3*i-1] != sep {
			return MAC{}, macError(s)
		}
		hi, ok1 := unhex(s[3*i])
		lo, ok2 := unhex(s[3*i+1])
		if !ok1 || !ok2 {
			return MAC{}, macError(s)
		}
		m[i] = hi<<4 | lo
	}
	return m, nil
}

func macError(s string) error {
	return fmt.Errorf("bad MAC address %q: want six hexadecimal octets, like 02:42:0a:00:00:01", s)
}

func unhex(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// MACFromAddr returns a MAC that belongs to an IP address: a node that restarts with
// the same address keeps its MAC, so its neighbours' ARP entries stay true. For IPv4 it
// is 02:42 and the four octets, as Docker gives it to an interface; for IPv6, 02:42 and
// a hash (FNV-1a) of the address. An address that is not valid gives the zero MAC.
func MACFromAddr(a netip.Addr) MAC {
	a = a.Unmap()
	switch {
	case a.Is4():
		b := a.As4()
		return MAC{0x02, 0x42, b[0], b[1], b[2], b[3]}
	case a.Is6():
		b := a.As16()
		h := uint32(2166136261)
		for _, o := range b {
			h = (h ^ uint32(o)) * 16777619
		}
		return MAC{0x02, 0x42, byte(h >> 24), byte(h >> 16), byte(h >> 8), byte(h)}
	}
	return MAC{}
}

// MACFromName returns a MAC that belongs to a name, the same one each time: 06 and 40 bits
// of a hash (FNV-1a).
func MACFromName(name string) MAC {
	h := uint64(14695981039346656037)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	return MAC{0x06, byte(h >> 32), byte(h >> 24), byte(h >> 16), byte(h >> 8), byte(h)}
}

// MACFromUint64 is the inverse of [MAC.Uint64]; the upper 16 bits are ignored.
func MACFromUint64(v uint64) MAC {
	return MAC{byte(v >> 40), byte(v >> 32), byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}
}

// Uint64 returns the address in the low 48 bits, first octet highest.
func (m MAC) Uint64() uint64 {
	return uint64(m[0])<<40 | uint64(m[1])<<32 | uint64(m[2])<<24 |
		uint64(m[3])<<16 | uint64(m[4])<<8 | uint64(m[5])
}

// IsZero reports whether m is 00:00:00:00:00:00.
func (m MAC) IsZero() bool { return m == MAC{} }

// IsMulticast reports whether the group bit is set; true for broadcast too.
func (m MAC) IsMulticast() bool { return m[0]&1 != 0 }

// IsUnicast reports whether m can be the source of a frame: neither zero nor a group.
func (m MAC) IsUnicast() bool { return !m.IsMulticast() && !m.IsZero() }

// String returns the address in lower case with colons.
func (m MAC) String() string {
	const hex = "0123456789abcdef"
	b := make([]byte, 0, 17)
	for i, o := range m {
		if i > 0 {
			b = append(b, ':')
		}
		b = append(b, hex[o>>4], hex[o&0xf])
	}
	return string(b)
}

// MarshalText implements [encoding.TextMarshaler].
func (m MAC) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (m *MAC) UnmarshalText(text []byte) (err error) {
	*m, err = ParseMAC(string(text))
	return err
}
