package dataplane_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/encap"
)

func TestECN(t *testing.T) {
	// RFC 6040 figure 4, by inner and outer codepoint; x is a drop.
	const x = 0xff
	want := [4][4]uint8{
		encap.NotECT: {0, 0, 0, x},
		encap.ECT1:   {1, 1, 1, 3},
		encap.ECT0:   {2, 1, 2, 3},
		encap.CE:     {3, 3, 3, 3},
	}
	for _, ipv6 := range []bool{false, true} {
		t.Run(fmt.Sprintf("ipv6=%t", ipv6), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				wire := newWire()
				a := newNode(t, wire, "10.9.0.1", setup{})
				s := newStranger(t, wire, "10.9.0.9")
				dropped := uint64(0)
				for inner := range uint8(4) {
					for outer := range uint8(4) {
						f := flowOf(foreignMAC, ownMAC, ipv6)
						f.tos = 0xb8 | inner
						s.say(t, a, encap.Datagram{Data: vxlan(f.frame(t, pattern(20))), TOS: 0x28 | outer})
						if want[inner][outer] == x {
							a.port.expect(t)
							dropped++
							continue
						}
						f.tos = 0xb8 | want[inner][outer]
						a.port.expect(t, f.frame(t, pattern(20))) // gopacket's header checksum
					}
				}
				if in := a.network.Stats().In; in.Drops[dataplane.DropECN] != dropped || dropped != 1 {
					t.Error(drops(in))
				}
			})
		})
	}
}

func TestOuterTOSAndTTL(t *testing.T) {
	for name, tt := range map[string]struct {
		network  networkConfig
		tos, ttl uint8 // expected outside an inner 0xb9 (EF, ECT(1))
		plainTOS uint8 // outside what is no IP
	}{
		"inherited": {networkConfig{}, 0xb9, 64, 0},
		"fixed":     {networkConfig{TOS: 0x2b, FixedTOS: true, TTL: 7}, 0x29, 7, 0x28},
		"fixed 0":   {networkConfig{FixedTOS: true, TTL: 255}, 0x01, 255, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				wire := newWire()
				tt.network.Remotes = flooding("10.9.0.9").Remotes
				a := newNode(t, wire, "10.9.0.1", setup{network: tt.network})
				newStranger(t, wire, "10.9.0.9")
				var tos, ttl uint8
				wire.Tap(func(_, _ addrPort, d encap.Datagram) { tos, ttl = d.TOS, d.TTL })
				for _, ipv6 := range []bool{false, true} {
					f := flowOf(ownMAC, foreignMAC, ipv6)
					f.tos = 0xb9
					a.port.send(t, f.frame(t, nil))
					if tos != tt.tos || ttl != tt.ttl {
						t.Errorf("TOS %#x, TTL %d; want %#x, %d", tos, ttl, tt.tos, tt.ttl)
					}
				}
				a.port.send(t, arpFrame(t, ownMAC, "192.168.77.1", "192.168.77.2"))
				if tos != tt.plainTOS {
					t.Errorf("TOS of ARP %#x, want %#x", tos, tt.plainTOS)
				}
			})
		})
	}
}
