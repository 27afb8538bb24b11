//go:build linux

package main

import (
	"fmt"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/dataplane/netlab"
)

// A host's sockets choose TOS and TTL of what they send; the wire shows what vxtap made
// of it, and the kernel at the other end what is left of it inside.
func TestOuterHeader(t *testing.T) {
	t.Parallel()
	const af21, innerTTL = 0x48, 5
	for _, c := range []struct {
		name     string
		args     []string
		ttl, tos uint8 // outer; tos without ECN
	}{
		{"default", nil, 64, af21},
		{"fixed", []string{"--ttl", "17", "--tos", "0xb8"}, 17, 0xb8},
		{"portable", []string{"--offload", "off", "--ttl", "18"}, 18, af21},
	} {
		for _, f := range families {
			t.Run(c.name+"/"+f.name, func(t *testing.T) {
				t.Parallel()
				a, b, v := startPair(t, f, netlab.LinkConfig{}, c.args...)
				onWire, inside := wire(t, a), delivered(t, b, "vx42")
				for _, dst := range []string{innerB, innerB6} {
					ping(t, a, dst) // and so neighbours know each other
					for ecn := range uint8(4) {
						payload := label(fmt.Sprintf("%s %d", dst, ecn))
						out, in := udpFlow(t, a, b, dst)
						setTOS(t, out, af21|ecn)
						setTTL(t, out, innerTTL)
						_, err := out.Write(payload)
						check(t, err)
						expect(t, in, payload)
						out.Close()
						in.Close()

						o := carrying(t, onWire, payload, 1)[0]
						if o.ttl != c.ttl || o.tos != c.tos|ecn || !o.df || o.vni != 42 || o.src != ip(f.a) || o.dst != ip(f.b) || o.sport < 49152 {
							t.Errorf("to %s with TOS %#x: %+v", dst, af21|ecn, o)
						}
						got := waitFor(t, inside, payload)
						if tos, ttl := innerTOS(got.Data), innerTTLOf(got.Data); tos != af21|ecn || ttl != innerTTL {
							t.Errorf("to %s with TOS %#x and TTL %d: arrived with %#x and %d", dst, af21|ecn, innerTTL, tos, ttl)
						}
					}
				}
				nothingLost(t, v)
			})
		}
	}
}

// setTOS sets TOS or traffic class of what a socket sends.
func setTOS(t *testing.T, conn net.Conn, tos uint8) {
	t.Helper()
	withSocket(t, conn, func(fd int) error {
		if isIPv6(conn) {
			return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_TCLASS, int(tos))
		}
		return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TOS, int(tos))
	})
}

func setTTL(t *testing.T, conn net.Conn, ttl int) {
	t.Helper()
	withSocket(t, conn, func(fd int) error {
		if isIPv6(conn) {
			return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, ttl)
		}
		return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TTL, ttl)
	})
}

func isIPv6(conn net.Conn) bool {
	return conn.RemoteAddr().(*net.UDPAddr).IP.To4() == nil
}
