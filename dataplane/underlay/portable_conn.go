package underlay

import (
	"net"
	"net/netip"
	"sync"

	"golang.org/x/net/bpf"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// portableConn is a UDP socket whose IP header can be set and seen as far as the
// system and golang.org/x/net go.
type portableConn struct {
	*net.UDPConn
	ip ipConn
	// sending is held from setHeader to the last write that it is for: Send and Post meet
	// at the listening socket.
	sending sync.Mutex
	// What the socket sends now; options are only set when a datagram differs.
	tos, ttl    uint8
	mayFragment bool
	defaultTTL  uint8
}

// ipConn is what differs between IPv4 and IPv6.
type ipConn interface {
	read(b []byte) (received, error)
	setTOS(tos int) error
	setTTL(ttl int) error
	SetBPF(filter []bpf.RawInstruction) error
}

// received describes a datagram.
type received struct {
	len      int
	from     netip.AddrPort
	tos, ttl uint8
}

// newPortableConn asks for TTL and TOS of what is received, and returns which of them
// the system has.
func newPortableConn(c *net.UDPConn, local netip.Addr) (*portableConn, []Feature) {
	if local.Is4() {
		p := ipv4.NewPacketConn(c)
		ttl, _ := p.TTL()
		features := []Feature{
			{FeatureTTL, p.SetControlMessage(ipv4.FlagTTL, true)}, // tune has asked for the TOS
		}
		return &portableConn{UDPConn: c, ip: conn4{p, c, make([]byte, 64)}, ttl: uint8(ttl), defaultTTL: uint8(ttl)}, features
	}
	p := ipv6.NewPacketConn(c)
	ttl, _ := p.HopLimit()
	features := []Feature{
		{FeatureTOS, p.SetControlMessage(ipv6.FlagTrafficClass, true)},
		{FeatureTTL, p.SetControlMessage(ipv6.FlagHopLimit, true)},
	}
	return &portableConn{UDPConn: c, ip: conn6{p}, ttl: uint8(ttl), defaultTTL: uint8(ttl)}, features
}

func (c *portableConn) read(b []byte) (received, error) { return c.ip.read(b) }

// setHeader sets TOS and TTL, 0 being the system's TTL, for the datagrams that follow.
// A system without such an option sends its own.
func (c *portableConn) setHeader(tos, ttl uint8) {
	if ttl == 0 {
		ttl = c.defaultTTL
	}
	if tos != c.tos {
		c.tos = tos
		_ = c.ip.setTOS(int(tos))
	}
	if ttl != c.ttl {
		c.ttl = ttl
		_ = c.ip.setTTL(int(ttl))
	}
}

// setFragments has datagrams that follow be fragmented on the way, or not.
func (c *portableConn) setFragments(may bool) {
	if may == c.mayFragment {
		return
	}
	c.mayFragment = may
	if raw, err := c.SyscallConn(); err == nil {
		_, v6 := c.ip.(conn6)
		_ = raw.Control(func(fd uintptr) { setFragments(fd, v6, may) })
	}
}

// neverRead keeps what arrives from being stored, by a filter where there are filters,
// and otherwise by a buffer that soon is full.
func (c *portableConn) neverRead() {
	_ = c.ip.SetBPF([]bpf.RawInstruction{{Op: 0x06}}) // ret #0
	_ = c.SetReadBuffer(1)
}

// receiveBuffer is the size of the buffer in force, 0 if the system does not tell.
func (c *portableConn) receiveBuffer() (size int) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) { size = receiveBufferOf(fd) })
	return size
}

// conn4 and conn6 bring the two packages of golang.org/x/net into one shape. Control
// messages are nil on systems that have none; those of IPv4 are read past the package,
// which leaves out the TOS.
type conn4 struct {
	*ipv4.PacketConn
	udp     *net.UDPConn
	control []byte // room for one datagram's
}

func (c conn4) setTOS(tos int) error { return c.SetTOS(tos) }
func (c conn4) setTTL(ttl int) error { return c.SetTTL(ttl) }

type conn6 struct{ *ipv6.PacketConn }

func (c conn6) setTOS(tos int) error { return c.SetTrafficClass(tos) }
func (c conn6) setTTL(ttl int) error { return c.SetHopLimit(ttl) }

func (c conn6) read(b []byte) (received, error) {
	n, control, from, err := c.ReadFrom(b)
	if err != nil {
		return received{}, err
	}
	r := received{len: n, from: plain(from)}
	if control != nil {
		r.tos, r.ttl = uint8(control.TrafficClass), uint8(control.HopLimit)
	}
	return r, nil
}

// plain returns an address without its zone, IPv4 not mapped.
func plain(a net.Addr) netip.AddrPort {
	udp, ok := a.(*net.UDPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	at := udp.AddrPort()
	return netip.AddrPortFrom(at.Addr().Unmap().WithZone(""), at.Port())
}
