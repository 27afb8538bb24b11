//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/encap"
)

// outer is what stands around a frame on the wire, as gopacket reads it.
type outer struct {
	src, dst netip.Addr
	sport    layers.UDPPort
	ttl, tos uint8
	df       bool // IPv6 packets never get fragmented on their way, and count as such
	vni      uint32
	inner    []byte
}

// decodeOuter reads a frame of the underlay, if it carries one of the overlay.
func decodeOuter(f netlab.Frame) (o outer, ok bool) {
	p := gopacket.NewPacket(f.Data, layers.LayerTypeEthernet, gopacket.NoCopy)
	switch ip := p.NetworkLayer().(type) {
	case *layers.IPv4:
		o.src, _ = netip.AddrFromSlice(ip.SrcIP)
		o.dst, _ = netip.AddrFromSlice(ip.DstIP)
		o.ttl, o.tos, o.df = ip.TTL, ip.TOS, ip.Flags&layers.IPv4DontFragment != 0
	case *layers.IPv6:
		o.src, _ = netip.AddrFromSlice(ip.SrcIP)
		o.dst, _ = netip.AddrFromSlice(ip.DstIP)
		o.ttl, o.tos, o.df = ip.HopLimit, ip.TrafficClass, true
	}
	udp, _ := p.TransportLayer().(*layers.UDP)
	vxlan, _ := p.Layer(layers.LayerTypeVXLAN).(*layers.VXLAN)
	if udp == nil || vxlan == nil {
		return o, false
	}
	o.sport, o.vni, o.inner = udp.SrcPort, vxlan.VNI, vxlan.Payload
	return o, true
}

// wire records what a host sends to VTEPs. From now on each packet crosses its eth0 by
// itself, so that each is seen.
func wire(t testing.TB, h *netlab.Host) *netlab.Capture {
	t.Helper()
	check(t, h.SetUnderlay("eth0", netlab.Bare))
	return capture(t, h, "eth0", func(f netlab.Frame) bool {
		_, ok := decodeOuter(f)
		return ok && f.Outgoing
	})
}

// carrying waits for n packets around frames that end in payload, and returns them and
// what there is more.
func carrying(t testing.TB, c *netlab.Capture, payload []byte, n int) (list []outer) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d packets with %q are on the wire", n, payload), func() bool {
		list = listCarrying(c, payload)
		return len(list) >= n
	})
	return list
}

func listCarrying(c *netlab.Capture, payload []byte) []outer {
	var list []outer
	for _, f := range c.Frames() {
		if o, ok := decodeOuter(f); ok && bytes.HasSuffix(o.inner, payload) {
			list = append(list, o)
		}
	}
	return list
}

// delivered records what a host receives from an overlay device.
func delivered(t testing.TB, h *netlab.Host, ifname string) *netlab.Capture {
	t.Helper()
	return capture(t, h, ifname, func(f netlab.Frame) bool { return !f.Outgoing })
}

// countOf returns how many frames end in payload.
func countOf(c *netlab.Capture, payload []byte) int {
	n := 0
	for _, f := range c.Frames() {
		if bytes.HasSuffix(f.Data, payload) {
			n++
		}
	}
	return n
}

// waitFor waits for a frame that ends in payload.
func waitFor(t testing.TB, c *netlab.Capture, payload []byte) netlab.Frame {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	f, err := c.Wait(ctx, func(f netlab.Frame) bool { return bytes.HasSuffix(f.Data, payload) })
	check(t, err)
	return f
}

var broadcast = encap.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// frame makes a frame of no protocol.
func frame(dst, src encap.MAC, payload []byte) []byte {
	b := append(dst[:], src[:]...)
	b = binary.BigEndian.AppendUint16(b, 0x88b5) // for local experiments (IEEE 802)
	return append(b, payload...)
}

// label makes a payload that is recognized, long enough for the shortest frame.
func label(text string) []byte {
	return append(bytes.Repeat([]byte{'.'}, 46), text...)
}

// inject sends a frame out of an interface.
func inject(t testing.TB, h *netlab.Host, ifname string, frame []byte) {
	t.Helper()
	link, err := h.Netlink().LinkByName(ifname)
	check(t, err)
	check(t, h.Do(func() error {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: link.Attrs().Index})
	}))
}

// foreigner is a sender of datagrams that is no VTEP.
type foreigner struct {
	t    testing.TB
	conn net.Conn
}

// newForeigner connects a socket of h, at any of its addresses, with the VTEP at dst.
func newForeigner(t testing.TB, h *netlab.Host, dst string) *foreigner {
	t.Helper()
	conn, err := h.DialContext(within(t), "udp", net.JoinHostPort(dst, "4789"))
	check(t, err)
	t.Cleanup(func() { conn.Close() })
	return &foreigner{t, conn}
}

// send sends a frame in VXLAN, with more bits set in the header than the I flag and
// the VNI.
func (f *foreigner) send(vni uint32, more uint64, frame []byte) {
	f.t.Helper()
	const flagI = 1 << 59 // RFC 7348 section 5
	header := binary.BigEndian.AppendUint64(nil, flagI|uint64(vni)<<8|more)
	_, err := f.conn.Write(append(header, frame...))
	check(f.t, err)
}
