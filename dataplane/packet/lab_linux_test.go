package packet_test

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/dataplane/packet"
	"github.com/vxtap/vxtap/dataplane/tap"
	"github.com/vxtap/vxtap/encap"
)

// limit is when a test gives up waiting for what must happen.
const limit = 30 * time.Second

// A test has a cable from eth1 of a host, where the port is, to eth0 of another, which is
// the machine behind it.
type cable struct {
	t       *testing.T
	lab     *netlab.Lab
	host    *netlab.Host
	machine *netlab.Host
}

var (
	hostIP     = netip.MustParsePrefix("10.1.0.1/24")
	machineIP  = netip.MustParsePrefix("10.1.0.2/24")
	hostUDP    = netip.MustParseAddrPort("10.1.0.1:7000")
	machineUDP = netip.MustParseAddrPort("10.1.0.2:7001")

	stationMAC = encap.MAC{0x02, 0, 0, 0, 0, 1} // of somebody beyond the port
	otherMAC   = encap.MAC{0x02, 0, 0, 0, 0, 2}
)

func newCable(t *testing.T, cfg netlab.LinkConfig) *cable {
	t.Helper()
	lab, err := netlab.New("packet")
	must(t, err)
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	})
	c := &cable{t: t, lab: lab}
	c.host, err = lab.Host("host")
	must(t, err)
	c.machine, err = lab.Host("machine")
	must(t, err)
	must(t, lab.Link(c.host, "eth1", c.machine, "eth0", cfg))
	return c
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open makes a port of an interface of a host, closed with the test.
func open(t *testing.T, h *netlab.Host, c packet.Config) *packet.Device {
	t.Helper()
	d, err := tryOpen(h, c)
	must(t, err)
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func tryOpen(h *netlab.Host, c packet.Config) (d *packet.Device, err error) {
	doErr := h.Do(func() error {
		d, err = packet.Open(c)
		return nil
	})
	if doErr != nil {
		return nil, doErr
	}
	return d, err
}

// reader reads a device's queues.
type reader struct {
	t      testing.TB
	queues []*packet.Queue
	poller *tap.Poller
	bufs   [][]byte
	frames []encap.Frame
}

func newReader(t testing.TB, d *packet.Device) *reader {
	t.Helper()
	p, err := tap.NewPoller()
	must(t, err)
	t.Cleanup(func() { p.Close() })
	r := &reader{t: t, queues: d.Queues(), poller: p, frames: make([]encap.Frame, 8)}
	for token, q := range d.Queues() {
		q.Notify(func() { p.Wake(token) })
		must(t, p.Add(q.FD(), token))
	}
	for range r.frames {
		r.bufs = append(r.bufs, make([]byte, encap.ReadBuffer))
	}
	return r
}

// until reads frames and gives them to f, with the queue they came from, until it is
// satisfied, or Read fails, which it returns.
func (r *reader) until(f func(queue int, frame *encap.Frame) bool) error {
	r.t.Helper()
	watchdog := time.AfterFunc(limit, func() { r.poller.Close() })
	defer watchdog.Stop()
	var ready [4]int
	for {
		tokens, err := r.poller.Wait(ready[:])
		if err != nil {
			r.t.Fatalf("nothing came for %v: %v", limit, err)
		}
		for _, token := range ready[:tokens] {
			for i := range r.frames {
				r.frames[i] = encap.Frame{Data: r.bufs[i], More: [][]byte{{1}}}
			}
			n, err := r.queues[token].Read(r.frames)
			if err != nil {
				return err
			}
			done := false
			for i := range r.frames[:n] {
				done = done || f(token, &r.frames[i])
			}
			if done {
				return nil
			}
		}
	}
}

// next returns a copy of the next frame from a station, in one piece.
func (r *reader) next(from encap.MAC) (got encap.Frame) {
	r.t.Helper()
	must(r.t, r.until(func(_ int, f *encap.Frame) bool {
		if len(f.Data) < encap.EthernetSize || encap.Ethernet(f.Data).Src() != from {
			return false
		}
		if f.More != nil {
			r.t.Error("a frame that was read has more pieces")
		}
		got = encap.Frame{Data: bytes.Clone(f.Data), Offload: f.Offload}
		return true
	}))
	return got
}

// udpFrame builds a complete frame from a station to another.
func udpFrame(t testing.TB, src, dst encap.MAC, from, to netip.AddrPort, payload []byte) []byte {
	t.Helper()
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: from.Addr().AsSlice(), DstIP: to.Addr().AsSlice()}
	udp := &layers.UDP{SrcPort: layers.UDPPort(from.Port()), DstPort: layers.UDPPort(to.Port())}
	must(t, udp.SetNetworkLayerForChecksum(ip))
	b := gopacket.NewSerializeBuffer()
	must(t, gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
		&layers.Ethernet{SrcMAC: src[:], DstMAC: dst[:], EthernetType: layers.EthernetTypeIPv4}, ip, udp, gopacket.Payload(payload)))
	return b.Bytes()
}

// tcpFrame builds a complete TCP segment.
func tcpFrame(t testing.TB, src, dst encap.MAC, payload []byte) []byte {
	t.Helper()
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: hostUDP.Addr().AsSlice(), DstIP: machineUDP.Addr().AsSlice()}
	tcp := &layers.TCP{SrcPort: 1, DstPort: 2, Seq: 7, ACK: true, Window: 1000}
	must(t, tcp.SetNetworkLayerForChecksum(ip))
	b := gopacket.NewSerializeBuffer()
	must(t, gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
		&layers.Ethernet{SrcMAC: src[:], DstMAC: dst[:], EthernetType: layers.EthernetTypeIPv4}, ip, tcp, gopacket.Payload(payload)))
	return b.Bytes()
}

// tagged puts a VLAN tag into a frame.
func tagged(frame []byte, tpid, tci uint16) []byte {
	out := append([]byte(nil), frame[:12]...)
	out = append(out, byte(tpid>>8), byte(tpid), byte(tci>>8), byte(tci))
	return append(out, frame[12:]...)
}

// unfinished leaves the checksum of a frame to the kernel, and with segment > 0 the
// segmentation too.
func unfinished(t testing.TB, data []byte, segment int) encap.Frame {
	t.Helper()
	var l encap.Layers
	l.Parse(data)
	sum := encap.PseudoHeader(data, &l)
	if sum == 0 {
		t.Fatal("not a TCP or UDP frame")
	}
	o := encap.Offload{NeedsCSUM: true, CSUMStart: uint16(l.L4), CSUMOffset: encap.UDPChecksumOffset}
	if l.Proto == encap.ProtoTCP {
		o.CSUMOffset = encap.TCPChecksumOffset
	}
	field := data[l.L4+int(o.CSUMOffset):]
	field[0], field[1] = byte(sum>>8), byte(sum)
	if segment > 0 {
		o.SegmentSize, o.HeaderLen, o.GSO = uint16(segment), uint16(l.Payload), encap.GSOTCP4
		if l.Proto == encap.ProtoUDP {
			o.GSO = encap.GSOUDP
		}
	}
	return encap.Frame{Data: data, Offload: o}
}

// write writes frames, all of which must be taken.
func write(t testing.TB, q *packet.Queue, frames ...encap.Frame) {
	t.Helper()
	if n, err := q.Write(frames); n != len(frames) || err != nil {
		t.Fatalf("Write took %d of %d: %v", n, len(frames), err)
	}
}

// udp opens a socket on a host.
func udp(t *testing.T, h *netlab.Host, local netip.AddrPort) (conn *net.UDPConn) {
	t.Helper()
	must(t, h.Do(func() (err error) {
		conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(local))
		return err
	}))
	t.Cleanup(func() { conn.Close() })
	must(t, conn.SetReadBuffer(1<<20))
	must(t, conn.SetReadDeadline(time.Now().Add(limit)))
	return conn
}

// macOf is the address of an interface.
func macOf(t testing.TB, h *netlab.Host, ifname string) (mac encap.MAC) {
	t.Helper()
	link, err := h.Netlink().LinkByName(ifname)
	must(t, err)
	copy(mac[:], link.Attrs().HardwareAddr)
	return mac
}

// pattern is n bytes that show where they were.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i) ^ byte(i>>8)
	}
	return b
}

// believe has the machine take a MAC for that of an address.
func (c *cable) believe(ip netip.Addr, mac encap.MAC) {
	c.t.Helper()
	link, err := c.machine.Netlink().LinkByName("eth0")
	must(c.t, err)
	must(c.t, c.machine.Netlink().NeighSet(&netlink.Neigh{
		LinkIndex: link.Attrs().Index, State: netlink.NUD_PERMANENT, IP: ip.AsSlice(), HardwareAddr: mac[:],
	}))
}

// segments is the control message that asks for a superframe (udp(7), UDP_SEGMENT).
func segments(size int) []byte {
	oob := make([]byte, unix.CmsgSpace(2))
	h := unix.Cmsghdr{Level: unix.IPPROTO_UDP, Type: unix.UDP_SEGMENT}
	h.SetLen(unix.CmsgLen(2))
	_, _ = binary.Encode(oob, binary.NativeEndian, h) // of fixed size
	binary.NativeEndian.PutUint16(oob[unix.CmsgLen(0):], uint16(size))
	return oob
}
