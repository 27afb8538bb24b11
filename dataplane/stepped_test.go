package dataplane

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

// stepped is a VTEP whose workers do not run: a test takes their steps, one batch at a
// time, on its own goroutine. What it sends and writes is counted and forgotten.
type stepped struct {
	v     *VTEP
	n     *Network
	out   *outWorker
	in    *inWorker
	u     *mem.Underlay
	first *mem.Port // what the out-worker reads
}

var (
	steppedMAC = encap.MAC{0x02, 0, 0, 0, 0, 1} // of the first port
	remoteMAC  = encap.MAC{0x02, 0, 0, 0, 0, 2} // behind the first remote
	nobodyMAC  = encap.MAC{0x02, 0, 0, 0, 0, 3}
)

// newStepped has as many remotes on its flood list as asked for.
func newStepped(tb testing.TB, ipv6 bool, remotes int) *stepped {
	tb.Helper()
	base := netip.MustParseAddr("10.9.0.1")
	if ipv6 {
		base = netip.MustParseAddr("fd09::1")
	}
	return openStepped(tb, base, following(base, remotes), nil)
}

// following are as many addresses as asked for, after the first.
func following(first netip.Addr, n int) (list []netip.Addr) {
	for range n {
		first = first.Next()
		list = append(list, first)
	}
	return list
}

// openStepped has these remotes on its flood list, and if it is sealing, as peers.
func openStepped(tb testing.TB, local netip.Addr, remotes []netip.Addr, sealing *crypto.Config) *stepped {
	tb.Helper()
	wire := mem.NewNetwork(mem.Impairments{}, 1)
	u, err := wire.Underlay(netip.AddrPortFrom(local, DefaultPort), mem.UnderlayConfig{Sources: 16})
	if err != nil {
		tb.Fatal(err)
	}
	v, err := newVTEP(Config{
		Local:     local,
		Underlays: []Underlay{u},
		NewPoller: func() (Poller, error) { return mem.NewPoller(), nil },
		FlowSeed:  1,
		Sealing:   sealing,
	})
	if err != nil {
		tb.Fatal(err)
	}
	cfg := NetworkConfig{VNI: 42, Sealed: sealing != nil}
	for _, addr := range remotes {
		sink, err := wire.Underlay(netip.AddrPortFrom(addr, DefaultPort), mem.UnderlayConfig{Discard: true})
		if err != nil {
			tb.Fatal(err)
		}
		cfg.Remotes = append(cfg.Remotes, sink.Addr())
		if sealing != nil {
			cfg.Peers = append(cfg.Peers, addPeer(tb, v.Node(), addr))
		}
	}
	n, err := v.AddNetwork(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	if len(cfg.Remotes) > 0 {
		if err := n.AddEntry(remoteMAC, cfg.Remotes[0]); err != nil {
			tb.Fatal(err)
		}
	}
	s := &stepped{v: v, n: n, out: v.out[0], in: v.in[0], u: u}
	s.first = s.addPort(tb, "first", steppedMAC, encap.OffloadCSUM|encap.OffloadTSO|encap.OffloadUSO)
	return s
}

func (s *stepped) addPort(tb testing.TB, name string, mac encap.MAC, o encap.OffloadSet) *mem.Port {
	tb.Helper()
	p := mem.NewPort(mem.PortConfig{Overflow: mem.Discard, Offloads: o})
	if err := s.n.AddPort(PortConfig{Name: name, MAC: mac, MTU: 1450, Queues: []Queue{p}}); err != nil {
		tb.Fatal(err)
	}
	return p
}

// stepOut carries one batch of the first port.
func (s *stepped) stepOut() int {
	n := s.out.serve(0)
	s.v.learnSightings()
	return n
}

// stepIn carries one batch of the underlay.
func (s *stepped) stepIn() int {
	n, err := s.in.wait()
	if err != nil {
		return 0
	}
	s.in.batch(n)
	s.v.learnSightings()
	return n
}

// steppedFrame is a UDP frame with size bytes of payload, its checksums left out.
func steppedFrame(dst, src encap.MAC, ipv6 bool, size int) []byte {
	l3 := encap.IPv4MinSize
	if ipv6 {
		l3 = encap.IPv6Size
	}
	b := make([]byte, encap.EthernetSize+l3+encap.UDPSize+size)
	eth, ip := encap.Ethernet(b), b[encap.EthernetSize:]
	eth.SetDst(dst)
	eth.SetSrc(src)
	if ipv6 {
		eth.SetType(encap.EtherTypeIPv6)
		ip[0], ip[6], ip[7], ip[23], ip[39] = 0x60, encap.ProtoUDP, 64, 1, 2
		binary.BigEndian.PutUint16(ip[4:], uint16(encap.UDPSize+size))
	} else {
		eth.SetType(encap.EtherTypeIPv4)
		ip[0], ip[8], ip[9], ip[15], ip[19] = 0x45, 64, encap.ProtoUDP, 1, 2
		binary.BigEndian.PutUint16(ip[2:], uint16(l3+encap.UDPSize+size))
	}
	udp := encap.UDP(ip[l3:])
	udp.SetSrcPort(40000)
	udp.SetDstPort(4000)
	udp.SetLength(encap.UDPSize + size)
	return b
}

// superOffload leaves the checksum of a frame to be done and has it cut up by size.
func superOffload(frame []byte, size int) encap.Offload {
	var l encap.Layers
	l.Parse(frame)
	binary.BigEndian.PutUint16(frame[l.L4+encap.UDPChecksumOffset:], encap.PseudoHeader(frame, &l))
	return encap.Offload{
		NeedsCSUM: true, GSO: encap.GSOUDP, SegmentSize: uint16(size), HeaderLen: uint16(l.Payload),
		CSUMStart: uint16(l.L4), CSUMOffset: encap.UDPChecksumOffset,
	}
}

// vxlanOf puts the header of VNI 42 before a frame.
func vxlanOf(frame []byte) []byte {
	b := make([]byte, encap.VXLANSize, encap.VXLANSize+len(frame))
	encap.PutVXLAN(b, 42)
	return append(b, frame...)
}

// conserved fails the test unless every frame has one fate.
func (s *stepped) conserved(tb testing.TB) {
	tb.Helper()
	st := s.n.Stats()
	for name, c := range map[string]Counts{"out": st.Out, "in": st.In, "stray": s.v.Stats().Stray} {
		if c.Frames != c.Forwarded+c.Dropped() {
			tb.Fatalf("%s: %d frames, %d forwarded, drops %v", name, c.Frames, c.Forwarded, c.Drops)
		}
	}
}
