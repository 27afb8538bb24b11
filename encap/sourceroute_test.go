package encap_test

import (
	"bytes"
	"net"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/vxtap/vxtap/encap"
)

// route is what an IP header is followed by in packets that do not go straight: an IPv4
// option, or an IPv6 extension header whose own next header is left out.
type route struct {
	header []byte
	next   layers.IPProtocol // its type, of IPv6
	final  net.IP            // for which checksums are made; nil: the destination
}

var (
	final6, final4 = net.ParseIP("fd00::22"), net.IPv4(10, 0, 0, 22).To4()

	// Two segments, the first of which the packet is on its way to.
	routeSegments = route{routing6(4, 1, final6, net.ParseIP("fd00::2")), layers.IPProtocolIPv6Routing, final6}
	routeType0    = route{routing6(0, 2, net.ParseIP("fd00::9"), final6), layers.IPProtocolIPv6Routing, final6}
	routeLong     = route{make([]byte, 384), layers.IPProtocolIPv6Destination, nil}
	route4        = route{route4Of(137, 8, net.IPv4(10, 0, 0, 9), final4), 0, final4}
)

// routing6 returns a routing header.
func routing6(kind, segmentsLeft uint8, addresses ...net.IP) []byte {
	b := []byte{0, byte(2 * len(addresses)), kind, segmentsLeft, byte(len(addresses) - 1), 0, 0, 0}
	for _, a := range addresses {
		b = append(b, a.To16()...)
	}
	return b
}

// route4Of returns an option with a source route, whose pointer counts from 1.
func route4Of(kind, pointer uint8, addresses ...net.IP) []byte {
	b := []byte{kind, byte(3 + 4*len(addresses)), pointer}
	for _, a := range addresses {
		b = append(b, a.To4()...)
	}
	return b
}

// before returns the extension header in front of TCP or UDP.
func (r route) before(udp bool) gopacket.SerializableLayer {
	h := bytes.Clone(r.header)
	if h[0] != 0 {
		return gopacket.Payload(h) // a chain that says what follows
	}
	h[0] = encap.ProtoTCP
	if udp {
		h[0] = encap.ProtoUDP
	}
	h[1] = byte(len(h)/8 - 1)
	return gopacket.Payload(h)
}

// Where a packet that was sent by way of others is to arrive.
func TestFinalDestination(t *testing.T) {
	a, b := net.ParseIP("fd00::a"), net.ParseIP("fd00::b")
	x, y := net.IPv4(10, 0, 0, 10), net.IPv4(10, 0, 0, 11)
	six := func(headers ...[]byte) []byte {
		var all []byte
		for i, h := range headers {
			h[0] = encap.ProtoTCP
			if i < len(headers)-1 {
				h[0] = 43
			}
			all = append(all, h...)
		}
		return cat(ethOf(encap.EtherTypeIPv6), ip6Of(43, len(all)+20), all, tcpOf(20))
	}
	four := func(options ...byte) []byte {
		for len(options)%4 != 0 {
			options = append(options, 0)
		}
		h := ip4Of(encap.ProtoTCP, 0, len(options), 20)
		copy(h[20:], options)
		return cat(ethOf(encap.EtherTypeIPv4), h, tcpOf(20))
	}
	short := routing6(4, 1, a)
	short[1] = 1
	beyond := six(routing6(4, 1, a))
	beyond[14+40+1] = 200

	for name, c := range map[string]struct {
		frame []byte
		want  int // behind the IP header; 0: none
	}{
		"segments":              {six(routing6(4, 1, a, b)), 40 + 8},
		"segments, arrived":     {six(routing6(4, 0, a, b)), 0},
		"segments, one listed":  {six(routing6(4, 1, a)), 40 + 8},
		"no room for a segment": {six(short[:16]), 0},
		"no addresses":          {six(routing6(4, 1)), 0},
		"behind the packet":     {beyond, 0},
		"type 0":                {six(routing6(0, 1, a, b)), 40 + 24},
		"type 0, arrived":       {six(routing6(0, 0, a, b)), 0},
		"type 2":                {six(routing6(2, 1, a)), 40 + 8},
		"type 3":                {six(routing6(3, 1, a)), 0},
		"two routing headers":   {six(routing6(4, 1, a), routing6(0, 1, b)), 40 + 24 + 8},
		"second has arrived":    {six(routing6(4, 1, a), routing6(0, 0, b)), 40 + 8},

		"loose":             {four(route4Of(131, 4, x, y)...), 20 + 7},
		"strict":            {four(route4Of(137, 8, x, y)...), 20 + 7},
		"used up":           {four(route4Of(137, 12, x, y)...), 0},
		"behind others":     {four(append([]byte{1, 148, 4, 0, 0, 1}, route4Of(131, 4, x)...)...), 20 + 6 + 3},
		"behind the end":    {four(append([]byte{0}, route4Of(131, 4, x)...)...), 0},
		"option cut":        {four(1, 1, 1, 131), 0},
		"longer than there": {four(131, 12, 4, 1, 2, 3, 4), 0},
		"no address":        {four(131, 6, 4, 1, 2, 3), 0},
		"length zero":       {four(7, 0, 131, 7, 4, 1, 2, 3, 4), 0},
		"not a route":       {four(7, 7, 4, 1, 2, 3, 4), 0},
	} {
		var l encap.Layers
		l.Parse(c.frame)
		if c.want != 0 {
			c.want += l.L3
		}
		if l.L3 == 0 || l.FinalDst != c.want {
			t.Errorf("%s: final destination at %d, want %d; layers %+v", name, l.FinalDst, c.want, l)
		}
	}
}

// Headers as long as can be followed are cut in front of their payload too.
func TestSegmentsOfTheLongestHeaders(t *testing.T) {
	const extensions, each = 8, 2048
	p := packet{name: "longest", v6: true, tags: 2, options: true, flags: encap.TCPAck, payload: payloadOf(40000)}
	p.route = route{next: layers.IPProtocolIPv6Destination}
	for range extensions {
		h := make([]byte, each)
		h[0], h[1] = uint8(layers.IPProtocolIPv6Destination), each/8-1
		p.route.header = append(p.route.header, h...)
	}
	p.route.header[(extensions-1)*each] = encap.ProtoTCP
	p.checkSegments(t, 1000)
}

// Where the end of the way cannot be told (RFC 6554), the sender's sum still says it.
func TestSegmentsOnUnknownRoute(t *testing.T) {
	p := packet{name: "type 3", v6: true, flags: encap.TCPAck, payload: payloadOf(3001)}
	p.route = route{routing6(3, 1, final6), layers.IPProtocolIPv6Routing, final6}
	p.checkSegments(t, 1000)
}
