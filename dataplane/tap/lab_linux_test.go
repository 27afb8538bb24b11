package tap_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/dataplane/tap"
	"github.com/vxtap/vxtap/encap"
)

// limit is when a test gives up waiting for what must happen.
const limit = 30 * time.Second

// host is a network namespace of a test's own, without a name, gone with the test.
type host struct {
	t  *testing.T
	ns netns.NsHandle
}

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{t: t}
	var err error
	onThread(func() { h.ns, err = netns.New() })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.ns.Close() })
	return h
}

// onThread runs f on a thread that ends with it. The process's first thread never ends,
// and would stay in the namespace where f left it.
func onThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // not unlocked on the way to f
		if unix.Gettid() == os.Getpid() {
			defer runtime.UnlockOSThread()
			onThread(f)
			return
		}
		f()
	}()
	<-done
}

// path names the namespace for tap.Config.
func (h *host) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), h.ns) }

// do runs f inside the namespace.
func (h *host) do(f func() error) {
	h.t.Helper()
	var err error
	onThread(func() {
		if err = netns.Set(h.ns); err == nil {
			err = f()
		}
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// hasLink reports whether the namespace has an interface of that name.
func (h *host) hasLink(name string) (has bool) {
	h.t.Helper()
	h.do(func() error {
		_, err := netlink.LinkByName(name)
		if has = err == nil; errors.As(err, new(netlink.LinkNotFoundError)) {
			return nil
		}
		return err
	})
	return has
}

// link returns the interface of that name, which must be there.
func (h *host) link(name string) (link netlink.Link) {
	h.t.Helper()
	h.do(func() (err error) { link, err = netlink.LinkByName(name); return err })
	return link
}

// udp opens a socket in the namespace.
func (h *host) udp(local string) (conn *net.UDPConn) {
	h.t.Helper()
	h.do(func() (err error) {
		conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(local)))
		return err
	})
	h.t.Cleanup(func() { conn.Close() })
	if err := conn.SetReadBuffer(1 << 20); err != nil {
		h.t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(limit)); err != nil {
		h.t.Fatal(err)
	}
	return conn
}

// Both ends of the overlay in these tests: the kernel's, behind the TAP, and ours.
var (
	kernelMAC  = encap.MAC{0x02, 0x42, 192, 168, 77, 1}
	ourMAC     = encap.MAC{0x02, 0x42, 192, 168, 77, 2}
	kernelIPs  = []netip.Prefix{netip.MustParsePrefix("192.168.77.1/24"), netip.MustParsePrefix("fd77::1/64")}
	kernelUDP4 = netip.MustParseAddrPort("192.168.77.1:7000")
	kernelUDP6 = netip.MustParseAddrPort("[fd77::1]:7000")
	ourUDP4    = netip.MustParseAddrPort("192.168.77.2:7001")
	ourUDP6    = netip.MustParseAddrPort("[fd77::2]:7001")
)

// open opens a device on h that knows our end's addresses, closed with the test.
func (h *host) open(c tap.Config) *tap.Device {
	h.t.Helper()
	c.Name, c.NetNS, c.Addresses, c.MAC = "vx42", h.path(), kernelIPs, kernelMAC
	d, err := tap.Open(c)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		if err := d.Close(); err != nil {
			h.t.Error(err)
		}
	})
	index := h.link("vx42").Attrs().Index
	h.do(func() error {
		return errors.Join(neighbour(index, ourUDP4.Addr()), neighbour(index, ourUDP6.Addr()))
	})
	return d
}

func neighbour(index int, ip netip.Addr) error {
	return netlink.NeighSet(&netlink.Neigh{
		LinkIndex: index, State: netlink.NUD_PERMANENT, IP: ip.AsSlice(), HardwareAddr: ourMAC[:],
	})
}

// reader waits for frames of all of a device's queues.
type reader struct {
	t      *testing.T
	queues []*tap.Queue
	poller *tap.Poller
	frames []encap.Frame
	size   int // of the buffers
}

func newReader(t *testing.T, d *tap.Device) *reader {
	t.Helper()
	p, err := tap.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	for token, q := range d.Queues() {
		if fd := q.FD(); fd >= 0 {
			err = errors.Join(err, p.Add(fd, token))
		}
		q.Notify(func() { p.Wake(token) })
	}
	if err != nil {
		t.Fatal(err)
	}
	return &reader{t: t, queues: d.Queues(), poller: p, frames: make([]encap.Frame, 8), size: encap.ReadBuffer}
}

// until reads frames and gives them to f until it is satisfied or Read fails, which it
// returns.
func (r *reader) until(f func(*encap.Frame) bool) error {
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
			if done, err := r.drain(r.queues[token], f); done || err != nil {
				return err
			}
		}
	}
}

// drain reads one queue until it is empty, or f is satisfied.
func (r *reader) drain(q *tap.Queue, f func(*encap.Frame) bool) (done bool, err error) {
	for {
		for i := range r.frames {
			r.frames[i] = encap.Frame{Data: make([]byte, r.size), More: [][]byte{{1}}}
		}
		n, err := q.Read(r.frames)
		if n == 0 || err != nil {
			return false, err
		}
		for i := range r.frames[:n] {
			done = done || f(&r.frames[i])
		}
		if done {
			return true, nil
		}
	}
}

// frame builds a complete frame from our end to the kernel's.
func frame(t testing.TB, src, dst netip.AddrPort, l4 gopacket.SerializableLayer, payload []byte) []byte {
	t.Helper()
	eth := &layers.Ethernet{SrcMAC: ourMAC[:], DstMAC: kernelMAC[:], EthernetType: layers.EthernetTypeIPv4}
	proto := layers.IPProtocolUDP
	if _, tcp := l4.(*layers.TCP); tcp {
		proto = layers.IPProtocolTCP
	}
	var ip gopacket.SerializableLayer
	var network gopacket.NetworkLayer
	if dst.Addr().Is4() {
		v4 := &layers.IPv4{Version: 4, TTL: 64, Protocol: proto, SrcIP: src.Addr().AsSlice(), DstIP: dst.Addr().AsSlice()}
		ip, network = v4, v4
	} else {
		eth.EthernetType = layers.EthernetTypeIPv6
		v6 := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: proto, SrcIP: src.Addr().AsSlice(), DstIP: dst.Addr().AsSlice()}
		ip, network = v6, v6
	}
	var err error
	switch l := l4.(type) {
	case *layers.UDP:
		l.SrcPort, l.DstPort = layers.UDPPort(src.Port()), layers.UDPPort(dst.Port())
		err = l.SetNetworkLayerForChecksum(network)
	case *layers.TCP:
		l.SrcPort, l.DstPort = layers.TCPPort(src.Port()), layers.TCPPort(dst.Port())
		err = l.SetNetworkLayerForChecksum(network)
	}
	if err != nil {
		t.Fatal(err)
	}
	b := gopacket.NewSerializeBuffer()
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(b, options, eth, ip, l4, gopacket.Payload(payload)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// unfinished leaves the checksum of a frame to the kernel, and with segment > 0 the
// segmentation too.
func unfinished(t testing.TB, data []byte, segment int) encap.Frame {
	t.Helper()
	var l encap.Layers
	l.Parse(data)
	if l.Payload == 0 {
		t.Fatal("not a TCP or UDP frame")
	}
	o := encap.Offload{NeedsCSUM: true, CSUMStart: uint16(l.L4), CSUMOffset: 6}
	if l.Proto == encap.ProtoTCP {
		o.CSUMOffset = 16
	}
	sum := encap.PseudoHeader(data, &l)
	field := data[l.L4+int(o.CSUMOffset):]
	field[0], field[1] = byte(sum>>8), byte(sum)
	if segment > 0 {
		o.SegmentSize, o.HeaderLen = uint16(segment), uint16(l.Payload)
		switch {
		case l.Proto == encap.ProtoUDP:
			o.GSO = encap.GSOUDP
		case l.EtherType == encap.EtherTypeIPv4:
			o.GSO = encap.GSOTCP4
		default:
			o.GSO = encap.GSOTCP6
		}
	}
	return encap.Frame{Data: data, Offload: o}
}

// write writes frames, all of which must be taken.
func write(t testing.TB, q *tap.Queue, frames ...encap.Frame) {
	t.Helper()
	if n, err := q.Write(frames); n != len(frames) || err != nil {
		t.Fatalf("Write took %d of %d: %v", n, len(frames), err)
	}
}
