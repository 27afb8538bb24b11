package control

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/encap"
)

// The words of the command line and of the configuration file, as values. Every error
// carries the word and says what would be right.

// ParseRemote parses the address of a VTEP with or without a UDP port: 10.9.0.2,
// 10.9.0.2:8472, 2001:db8::2, [2001:db8::2]:8472. Without one the port is 0.
func ParseRemote(s string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.AddrPortFrom(a.Unmap(), 0), nil
	}
	ap, err := netip.ParseAddrPort(s)
	if err != nil || ap.Port() == 0 {
		return netip.AddrPort{}, fmt.Errorf("bad address %q: want an IP address, or one with a port like 10.9.0.2:8472 or [2001:db8::2]:8472", s)
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), nil
}

// ParseGroup parses the address of a multicast group, an IPv6 one perhaps with its zone.
func ParseGroup(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if a = a.Unmap(); err != nil || !a.IsMulticast() {
		return netip.Addr{}, fmt.Errorf("bad group %q: want a multicast address, like 239.1.1.1 or ff05::42", s)
	}
	return a, nil
}

// ParseChecksum parses true or false, or ADDRESS=true or ADDRESS=false.
func ParseChecksum(s string) (c Checksum, err error) {
	addr, value, of := strings.Cut(s, "=")
	if !of {
		value = s
	}
	if of {
		if c.Addr, err = netip.ParseAddr(addr); err != nil {
			return Checksum{}, fmt.Errorf("bad checksum word %q: want true, false, or those of one VTEP, like 10.9.0.2=false", s)
		}
		c.Addr = c.Addr.Unmap()
	}
	if value != "true" && value != "false" {
		return Checksum{}, fmt.Errorf("bad checksum word %q: want true, false, or those of one VTEP, like 10.9.0.2=false", s)
	}
	c.Sent = value == "true"
	return c, nil
}

// ParseLocal parses the address of this VTEP.
func ParseLocal(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("bad address %q: want an IP address of this host", s)
	}
	return a.Unmap(), nil
}

// ParseAddress parses an address for a device with the length of its network's prefix.
func ParseAddress(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("bad address %q: want one with its prefix length, like 192.168.77.1/24", s)
	}
	return p, nil
}

// ParseRoute parses TO=GATEWAY, or TO alone for destinations on the link. TO is a prefix, or
// default, which is that of the gateway's family.
func ParseRoute(s string) (r api.Route, err error) {
	to, via, gated := strings.Cut(s, "=")
	if gated {
		if r.Via, err = netip.ParseAddr(via); err != nil {
			return api.Route{}, fmt.Errorf("bad gateway %q of route %q: want an IP address, as in default=192.168.77.1", via, s)
		}
		r.Via = r.Via.Unmap()
	}
	switch {
	case to == "default" && gated:
		r.To = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if r.Via.Is6() {
			r.To = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
		return r, nil
	case to == "default":
		return api.Route{}, errors.New("bad route default: name its gateway, as in default=192.168.77.1")
	}
	if r.To, err = netip.ParsePrefix(to); err != nil {
		return api.Route{}, fmt.Errorf("bad route %q: want TO=GATEWAY, as in 10.0.0.0/8=192.168.77.1 or default=192.168.77.1", s)
	}
	return r, nil
}

// ParseDeviceMAC parses the address of a device, which is not that of a group, and not
// zero: that would stand for one derived from its IP address.
func ParseDeviceMAC(s string) (encap.MAC, error) {
	m, err := encap.ParseMAC(s)
	if err == nil && !m.IsUnicast() {
		err = fmt.Errorf("bad MAC address %q: a device needs one of its own, neither zero nor of a group, like 02:42:0a:00:00:01", s)
	}
	return m, err
}

// ParseStaticEntry parses MAC=ADDRESS, with an optional port.
func ParseStaticEntry(s string) (StaticEntry, error) {
	mac, addr, ok := strings.Cut(s, "=")
	if !ok {
		return StaticEntry{}, fmt.Errorf("bad table entry %q: want MAC=ADDRESS, like 02:42:0a:00:00:02=10.9.0.2", s)
	}
	var e StaticEntry
	var err error
	if e.MAC, err = encap.ParseMAC(mac); err != nil {
		return StaticEntry{}, err
	}
	if e.MAC.IsZero() {
		return StaticEntry{}, fmt.Errorf("bad table entry %q: the zero MAC is the flood list; use --remote", s)
	}
	e.Remote, err = ParseRemote(addr)
	return e, err
}

// ParsePeer parses ADDRESS=PUBLICKEY, with an optional port.
func ParsePeer(s string) (p PeerKey, err error) {
	addr, key, ok := strings.Cut(s, "=")
	if !ok {
		return p, fmt.Errorf("bad peer %q: want ADDRESS=PUBKEY, the key as vxtap pubkey prints it", s)
	}
	if p.VTEP, err = ParseRemote(addr); err != nil {
		return PeerKey{}, err
	}
	if p.Public, err = crypto.ParsePublicKey(key); err != nil {
		return PeerKey{}, fmt.Errorf("peer %s: %w", addr, err)
	}
	return p, nil
}

// ParseCipher parses the name of what frames are sealed with.
func ParseCipher(s string) (crypto.Suite, error) {
	for _, suite := range []crypto.Suite{crypto.AES128GCM, crypto.AES256GCM} {
		if s == suite.String() {
			return suite, nil
		}
	}
	return 0, fmt.Errorf("bad cipher %q: want %v or %v", s, crypto.AES128GCM, crypto.AES256GCM)
}

// ParseKeepalive parses how often something is to be sent.
func ParseKeepalive(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < minKeepalive {
		return 0, fmt.Errorf("bad keepalive %q: want a time of at least %v, like 20s", s, minKeepalive)
	}
	return d, nil
}

// ParseMTU parses "auto", which is 0, or a number of bytes.
func ParseMTU(s string) (int, error) {
	if s == "auto" {
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < encap.MinMTU || n > encap.MaxMTU {
		return 0, fmt.Errorf("bad MTU %q: want auto, or a number from %d to %d", s, encap.MinMTU, encap.MaxMTU)
	}
	return n, nil
}

// ParseTOS parses "inherit" or a number from 0 to 255, decimal or 0x, without the bits of ECN:
// those are the inner packet's (RFC 6040).
func ParseTOS(s string) (t api.TOS, err error) {
	const ecn = 3
	if err := t.UnmarshalText([]byte(s)); err != nil {
		return t, err
	}
	if t.Value&ecn != 0 {
		return t, fmt.Errorf("bad tos %q: its two lowest bits are ECN, which follows the inner packet: want %#x", s, t.Value&^ecn)
	}
	return t, nil
}

// ParseTTL parses a number from 1 to 255.
func ParseTTL(s string) (uint8, error) {
	n, err := strconv.ParseUint(s, 10, 8)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("bad TTL %q: want a number from 1 to 255", s)
	}
	return uint8(n), nil
}

// ParsePort parses a UDP port, 1 to 65535.
func ParsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("bad port %q: want a number from 1 to 65535", s)
	}
	return uint16(n), nil
}

// ParseQueues parses a number of queues.
func ParseQueues(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 8)
	if err != nil || n == 0 || n > MaxQueues {
		return 0, fmt.Errorf("bad number of queues %q: want one from 1 to %d", s, MaxQueues)
	}
	return int(n), nil
}

// ParseAgeing parses a duration, or a number of seconds as iproute2 has it; 0 is for
// ever, which is negative in the result.
func ParseAgeing(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if n, e := strconv.ParseUint(s, 10, 31); e == nil {
		d, err = time.Duration(n)*time.Second, nil
	}
	switch {
	case err != nil || d < 0 || d > 0 && d < time.Second:
		return 0, fmt.Errorf("bad ageing time %q: want a duration of at least 1s like 300s, or 0 for ever", s)
	case d == 0:
		return -1, nil
	}
	return d, nil
}

// ParseReservedBits parses a mask over the 64 bits of the VXLAN header, in the form in
// which iproute2 prints it.
func ParseReservedBits(s string) (m api.Mask, err error) {
	return m, m.UnmarshalText([]byte(s))
}
