//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/dataplane/netlab"
)

// Addresses that the hosts reach each other under by way of innerA6 and innerB6.
const behindA6, behindB6 = "fd78::1", "fd78::2"

// TCP whose packets have more than one IPv6 header reaches the kernel's VXLAN and comes
// from it, whoever cuts superframes and finishes checksums: by a routing header, which
// has the checksum made for an address that is not the packet's destination yet, and with
// options as long as leave room for data.
func TestIPv6Headers(t *testing.T) {
	t.Parallel()
	psk := secretFile(t, crypto.PrivateKey{0, 1}.Base64())
	for _, c := range []struct{ name, mode, other string }{
		{"auto-kernel", "auto", ""},
		{"none-kernel", "none", ""},
		{"off-kernel", "off", ""},
		{"sealed auto-off", "auto", "off"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a, b := newPair(t, netlab.LinkConfig{})
			up := func(h *netlab.Host, mode, local, remote, inner string) *child {
				args := []string{"--vni", "42", "--local", local, "--remote", remote, "--address", inner + "/64", "--offload", mode}
				if c.other != "" {
					args = append(args, "--sealed", "--psk-file", psk)
				}
				return startVXTAP(t, h, args...)
			}
			v := up(a, c.mode, "10.9.0.1", "10.9.0.2", innerA6)
			if c.other != "" {
				w := up(b, c.other, "10.9.0.2", "10.9.0.1", innerB6)
				defer nothingLostButJumbo(t, w)
			} else {
				check(t, b.KernelVXLAN(netlab.VXLANConfig{
					Name: "vx42", VNI: 42, Local: ip("10.9.0.2"), Remotes: []netip.Addr{ip("10.9.0.1")},
					Addresses: prefixes(innerB6 + "/64"), MTU: 1450,
				}))
			}
			routeThrough(t, a, innerB6, behindA6, behindB6)
			routeThrough(t, b, innerA6, behindB6, behindA6)
			for _, e := range []struct {
				from, to *netlab.Host
				dst      string
			}{{a, b, behindB6}, {b, a, behindA6}} {
				headersArrive(t, e.from, e.to, e.dst, 0)
			}
			for _, size := range []int{168, 176, 256, 1024} {
				headersArrive(t, a, b, innerB6, size)
				headersArrive(t, b, a, innerA6, size)
			}
			nothingLostButJumbo(t, v)
			noChecksumErrors(t, a, b)
		})
	}
}

// nothingLostButJumbo is nothingLost but for what no VTEP could carry: without TSO the kernel
// cuts superframes of over 64 KB itself, and where other options follow, leaves the jumbo option
// (RFC 2675) in each piece, which is then longer than the MTU. They are dropped, and their
// sender is told.
func nothingLostButJumbo(t *testing.T, v *child) {
	t.Helper()
	const jumbo = "out too_big"
	v.early[jumbo] = v.drops()[jumbo]
	nothingLost(t, v)
}

// routeThrough gives a host an address behind it, and has it reach the other's by a
// segment (RFC 8754), with the header put into its packets as they are.
func routeThrough(t *testing.T, h *netlab.Host, segment, own, other string) {
	t.Helper()
	check(t, h.Do(func() error {
		for _, dev := range []string{"all", "vx42"} {
			if err := os.WriteFile("/proc/sys/net/ipv6/conf/"+dev+"/seg6_enabled", []byte("1"), 0); err != nil {
				return err
			}
		}
		return nil
	}))
	check(t, h.AddAddress("lo", netip.MustParsePrefix(own+"/128")))
	link, err := h.Netlink().LinkByName("vx42")
	check(t, err)
	_, dst, err := net.ParseCIDR(other + "/128")
	check(t, err)
	check(t, h.Netlink().RouteAdd(&netlink.Route{
		LinkIndex: link.Attrs().Index, Dst: dst, Gw: net.ParseIP(segment), Src: net.ParseIP(own),
		// The kernel puts the packet's own destination where the last segment is left out.
		Encap: &netlink.SEG6Encap{Mode: nl.SEG6_IPTUN_MODE_INLINE, Segments: []net.IP{net.IPv6zero, net.ParseIP(segment)}},
	}))
}

// headersArrive sends over TCP, with options of that many bytes in each packet in both
// directions, and compares what arrives.
func headersArrive(t *testing.T, from, to *netlab.Host, dst string, options int) {
	t.Helper()
	what := fmt.Sprintf("to %s with %d bytes of options", dst, options)
	listener, err := to.Listen("tcp", net.JoinHostPort(dst, "0"))
	check(t, err)
	defer listener.Close()
	got := make(chan []byte, 1)
	go func() {
		defer close(got)
		in, err := listener.Accept()
		if err != nil {
			return
		}
		defer in.Close()
		setOptions(t, in, options)
		b, _ := io.ReadAll(in)
		got <- b
	}()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	out, err := from.DialContext(ctx, "tcp", listener.Addr().String())
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	defer out.Close()
	setOptions(t, out, options)
	deadline, _ := ctx.Deadline()
	check(t, out.SetDeadline(deadline))
	sent := noise(1<<19 + 1)
	if _, err := out.Write(sent); err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	check(t, out.(*net.TCPConn).CloseWrite())
	select {
	case b := <-got:
		if !bytes.Equal(b, sent) {
			t.Errorf("%s: %d bytes arrived, or others", what, len(b))
		}
	case <-ctx.Done():
		t.Errorf("%s: nothing arrived", what)
	}
}

// setOptions has each packet of a connection carry a header with destination options that
// nobody knows, and that are to be skipped.
func setOptions(t *testing.T, conn net.Conn, size int) {
	if size == 0 {
		return
	}
	header := []byte{0, byte(size/8 - 1)}
	for rest := size - 2; rest > 0; rest = size - len(header) {
		n := min(rest, 257)
		if rest-n == 1 {
			n--
		}
		header = append(header, 0x1e, byte(n-2))
		header = append(header, strings.Repeat("\x00", n-2)...)
	}
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err == nil {
		_ = raw.Control(func(fd uintptr) {
			err = unix.SetsockoptString(int(fd), unix.IPPROTO_IPV6, unix.IPV6_DSTOPTS, string(header))
		})
	}
	if err != nil {
		t.Error(err)
	}
}

// The kernel cuts up AccECN's superframes itself, so that those from a TAP are never its,
// and what they say of CWR (encap.Offload.ECN) is all there is to say.
func TestTAPTakesNoAccECN(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	startVXTAP(t, a, "--vni", "42", "--local", "10.9.0.1", "--address", innerA+"/24")
	features, err := a.Features("vx42")
	check(t, err)
	if !features["tx-tcp-segmentation"] || !features["tx-tcp-ecn-segmentation"] || features["tx-tcp-accecn-segmentation"] {
		t.Errorf("TSO %t, with ECN %t, with AccECN %t", features["tx-tcp-segmentation"],
			features["tx-tcp-ecn-segmentation"], features["tx-tcp-accecn-segmentation"])
	}
}
