//go:build linux

package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/google/gopacket/layers"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/encap"
)

// What VPP's tests of VXLAN ask about who sends, over real sockets.

// Of 20 VTEPs that send to a closed network, the 10 that it knows are heard, each once.
func TestTenOfTwentySources(t *testing.T) {
	t.Parallel()
	const sources, known = 20, 10
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			a, b := newPair(t, netlab.LinkConfig{})
			silence(t, a)
			args := []string{"--vni", "42", "--local", f.a, "--closed"}
			var senders []netip.Addr
			for range sources {
				from := ip(f.b)
				if len(senders) > 0 {
					from = senders[len(senders)-1].Next()
				}
				senders = append(senders, from)
				if from != ip(f.b) {
					check(t, b.AddAddress("eth0", netip.PrefixFrom(from, map[bool]int{true: 24, false: 64}[from.Is4()])))
				}
				if len(senders)%2 == 1 { // every other one
					args = append(args, "--remote", from.String())
				}
			}
			v := startVXTAP(t, a, args...)
			inside := delivered(t, a, "vx42")
			for i, from := range senders {
				s := newForeignerAt(t, b, from, f.a)
				s.send(42, 0, frame(broadcast, encap.MAC{2, 0, 0, 0, 1, byte(i)}, label(from.String()+".")))
			}
			var in api.Direction
			eventually(t, "all frames are counted", func() bool {
				in = v.stats().In
				return in.Forwarded+in.Dropped == sources
			})
			if in.Forwarded != known || in.Drops["unknown_vtep"] != sources-known {
				t.Errorf("counted %+v", in)
			}
			for i, from := range senders {
				text := label(from.String() + ".")
				if i%2 == 0 {
					waitFor(t, inside, text)
				}
				if n := countOf(inside, text); n != (i+1)%2 {
					t.Errorf("the frame of %v came %d times", from, n)
				}
			}
		})
	}
}

// newForeignerAt is newForeigner with one of the host's addresses.
func newForeignerAt(t *testing.T, h *netlab.Host, from netip.Addr, dst string) *foreigner {
	t.Helper()
	var conn net.Conn
	check(t, h.Do(func() (err error) {
		d := net.Dialer{LocalAddr: &net.UDPAddr{IP: from.AsSlice()}}
		conn, err = d.DialContext(within(t), "udp", net.JoinHostPort(dst, "4789"))
		return err
	}))
	t.Cleanup(func() { conn.Close() })
	return &foreigner{t, conn}
}

// Flows leave from many source ports, so that ECMP and RSS can tell them apart, and each flow
// always from the same, so that it stays in order; IPv4 and IPv6, inside and outside.
func TestSourcePortEntropy(t *testing.T) {
	t.Parallel()
	const flows, rounds, ports = 64, 3, 16 // there are so many ports for each queue
	for _, f := range families {
		for _, inner := range []string{innerB, innerB6} {
			t.Run(f.name+"/"+inner, func(t *testing.T) {
				t.Parallel()
				a, _, _ := startPair(t, f, netlab.LinkConfig{}, "--queues", "1")
				ping(t, a, inner)
				sent := wire(t, a)
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				var conns []net.Conn
				for range flows {
					c, err := a.DialContext(ctx, "udp", net.JoinHostPort(inner, "9"))
					check(t, err)
					defer c.Close()
					conns = append(conns, c)
				}
				for range rounds {
					for i, c := range conns {
						_, _ = c.Write(label(fmt.Sprintf("flow %d.", i))) // what it fails with is that nobody listens
					}
				}
				used := make(map[layers.UDPPort]int)
				for i := range conns {
					list := carrying(t, sent, label(fmt.Sprintf("flow %d.", i)), 2)
					for _, o := range list {
						if o.sport != list[0].sport || o.sport < 49152 {
							t.Errorf("flow %d leaves from ports %d and %d", i, list[0].sport, o.sport)
						}
					}
					used[list[0].sport]++
				}
				if len(used) < ports/2 || len(used) > ports {
					t.Errorf("%d flows leave from %d ports: %v", flows, len(used), used)
				}
			})
		}
	}
}
