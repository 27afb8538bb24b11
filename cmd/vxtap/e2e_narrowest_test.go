//go:build linux

package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/encap"
)

// Paths on which an overlay could not have what its protocols need, if its datagrams were not
// fragmented: TCP goes on inside, IPv4 and IPv6.
func TestNarrowestPath(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		family int // of routedFamilies
		link   int
	}{{0, 560}, {0, 600}, {0, 1300}, {1, 1280}, {1, 1340}} {
		f := routedFamilies[c.family]
		for _, offload := range []string{"auto", "none"} {
			t.Run(fmt.Sprintf("%s/%d/%s", f.name, c.link, offload), func(t *testing.T) {
				t.Parallel()
				a, b := routedBy(t, c.link)
				start := func(h *netlab.Host, local, remote, inner, inner6 string) *child {
					return startVXTAP(t, h, "--vni", "42", "--local", local, "--remote", remote, "--mtu", fmt.Sprint(f.mtu),
						"--offload", offload, "--address", inner+"/24", "--address", inner6+"/64")
				}
				start(a, f.a, f.b, innerA, innerA6)
				start(b, f.b, f.a, innerB, innerB6)
				bothWays(t, a, b)
			})
		}
		t.Run(fmt.Sprintf("%s/%d/sealed", f.name, c.link), func(t *testing.T) {
			t.Parallel()
			a, b := routedBy(t, c.link)
			key := secretFile(t, sealedPSK)
			start := func(h *netlab.Host, local, remote, inner, inner6 string) *child {
				return startVXTAP(t, h, "--vni", "42", "--local", local, "--remote", remote, "--sealed", "--psk-file", key,
					"--mtu", fmt.Sprint(f.mtu-encap.SealedOverhead), "--address", inner+"/24", "--address", inner6+"/64")
			}
			waitEpoch(t, 1, start(a, f.a, f.b, innerA, innerA6), start(b, f.b, f.a, innerB, innerB6))
			bothWays(t, a, b)
		})
	}
}

// bothWays has TCP cross the overlay of two hosts.
func bothWays(t *testing.T, a, b *netlab.Host) {
	t.Helper()
	for _, way := range []struct {
		from, to *netlab.Host
		dst      string
	}{{a, b, innerB}, {b, a, innerA}, {a, b, innerB6}, {b, a, innerA6}} {
		_, err := netlab.Transfer(within(t), way.from, way.to, netip.AddrPortFrom(ip(way.dst), 0), netlab.TransferConfig{Bytes: 1 << 20, Verify: true})
		if err != nil {
			t.Errorf("to %s: %v", way.dst, err)
		}
	}
}

// Somebody who can guess the addresses and ports of a tunnel makes up what a router says. He
// changes how the overlay sends, and stops nothing.
func TestForgedReportsStopNothing(t *testing.T) {
	t.Parallel()
	for _, f := range families {
		for _, args := range [][]string{nil, {"--offload", "none"}} {
			t.Run(fmt.Sprint(f.name, args), func(t *testing.T) {
				t.Parallel()
				a, b := newPair(t, netlab.LinkConfig{})
				start := func(h *netlab.Host, local, remote, inner, inner6 string) *child {
					return startVXTAP(t, h, append([]string{"--vni", "42", "--local", local, "--remote", remote,
						"--address", inner + "/24", "--address", inner6 + "/64"}, args...)...)
				}
				v := start(a, f.a, f.b, innerA, innerA6)
				start(b, f.b, f.a, innerB, innerB6)
				ping(t, a, innerB)
				forge(t, b, ip(f.a), ip(f.b), 4789)
				bothWays(t, a, b)
				if paths := v.node().Underlay.Paths; args == nil && len(paths) != 0 {
					t.Errorf("plain frames do not leave from 4789, and it was believed: %+v", paths)
				}
				if args == nil {
					var all []uint16 // one of them is it
					for port := uint16(49152); port != 0; port++ {
						all = append(all, port)
					}
					eventually(t, "a forged report is believed", func() bool {
						forge(t, b, ip(f.a), ip(f.b), all...)
						return len(v.node().Underlay.Paths) > 0
					})
				}
				bothWays(t, a, b)
			})
		}
	}
}

// forge has a host say that datagrams from ports were too big for a link that takes as little
// as can be.
func forge(t *testing.T, by *netlab.Host, local, remote netip.Addr, ports ...uint16) {
	t.Helper()
	check(t, by.Do(func() error {
		network := "ip4:icmp"
		if local.Is6() {
			network = "ip6:ipv6-icmp"
		}
		c, err := net.Dial(network, local.String())
		if err != nil {
			return err
		}
		for _, port := range ports {
			_, wrong := c.Write(refusalOf(local, remote, port))
			err = errors.Join(err, wrong)
		}
		return errors.Join(err, c.Close())
	}))
}

// refusalOf is the message that quotes a datagram from a port.
func refusalOf(local, remote netip.Addr, port uint16) []byte {
	const size = 1400
	frame := make([]byte, encap.EthernetSize+size)
	frame[0], frame[6] = 2, 2
	packet, header, least := frame[encap.EthernetSize:], encap.IPv4MinSize, 552
	if local.Is4() {
		encap.Ethernet(frame).SetType(encap.EtherTypeIPv4)
		p := encap.PutIPv4(packet)
		p.SetTotalLength(size)
		p.SetDontFragment()
		p.SetProto(encap.ProtoUDP)
		p.SetSrc(local.As4())
		p.SetDst(remote.As4())
		p.SetChecksum(^encap.Sum(p[:encap.IPv4MinSize], 0))
	} else {
		header, least = encap.IPv6Size, encap.MinMTU6
		encap.Ethernet(frame).SetType(encap.EtherTypeIPv6)
		p := encap.PutIPv6(packet)
		p.SetPayloadLength(size - encap.IPv6Size)
		p.SetNextHeader(encap.ProtoUDP)
		p.SetSrc(local.As16())
		p.SetDst(remote.As16())
	}
	udp := encap.UDP(packet[header:])
	udp.SetSrcPort(port)
	udp.SetDstPort(4789)
	udp.SetLength(size - header)
	var l, answer encap.Layers
	l.Parse(frame)
	b := make([]byte, encap.MaxTooBig)
	n := encap.PutTooBig(b, frame, &l, encap.Offload{}, least)
	answer.Parse(b[:n])
	return b[answer.L4:n]
}
