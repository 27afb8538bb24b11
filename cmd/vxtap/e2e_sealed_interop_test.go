//go:build linux && interop

package main

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/vxtap/vxtap/dataplane/netlab"
)

// To tshark, nothing that a sealed network sends is VXLAN with a network's number, and of
// what hosts say in it, no byte is there to be read; while keys are changed, too.
func TestTsharkSealed(t *testing.T) {
	t.Parallel()
	for i, offload := range []string{"auto", "off"} {
		f := families[i]
		t.Run("offload "+offload+"/"+f.name, func(t *testing.T) {
			t.Parallel()
			link := netlab.LinkConfig{Underlay: netlab.Bare, Offloads: map[string]bool{"tx-checksum-ip-generic": false}}
			p := sealedLink{family: f, way: "both", link: link, args: []string{"--offload", offload}}.up(t)
			all := capture(t, p.a, "eth0", func(netlab.Frame) bool { return true })
			during(func() { p.rotate(t, 3) }, streams(t, p.a, p.b, innerB), streams(t, p.b, p.a, innerA))
			secrets := [][]byte{p.whisper(t, p.a, p.b, innerB), p.whisper(t, p.b, p.a, innerA)}
			ping(t, p.a, innerB)
			check(t, all.Close())
			for _, sent := range all.Frames() {
				for _, s := range secrets {
					if bytes.Contains(sent.Data, s) {
						t.Fatalf("on the wire in clear: %x", sent.Data)
					}
				}
			}

			file := writePCAP(t, all)
			if n := len(tshark(t, file, "udp.dstport == 4789 && udp.payload[0:1] == 40 && udp.payload[1:1] == 01")); n < 1000 {
				t.Errorf("only %d packets are sealed", n)
			}
			if lines := tshark(t, file, "vxlan.flag_i == 1"); len(lines) > 0 {
				t.Errorf("%d packets are VXLAN with a network's number, first\n%s", len(lines), lines[0])
			}
			// Sealed bytes that it takes for frames say anything.
			wrong := fmt.Sprintf("tcp || icmp || ip.addr == %[1]s || ip.addr == %[2]s || arp.dst.proto_ipv4 == %[1]s || arp.dst.proto_ipv4 == %[2]s", innerA, innerB) +
				" || (udp && udp.dstport != 4789) || ip.checksum.status == Bad || udp.checksum.status == Bad"
			if lines := tshark(t, file, wrong, "--disable-protocol", "vxlan"); len(lines) > 0 {
				t.Errorf("%d packets are not as they should be, first\n%s", len(lines), lines[0])
			}
		})
	}
}

// whisper sends a datagram through the network and returns what was in it.
func (p *sealedPair) whisper(t *testing.T, from, to *netlab.Host, dst string) []byte {
	t.Helper()
	out, in := udpFlow(t, from, to, dst)
	defer out.Close()
	defer in.Close()
	secret := noise(200)
	_, err := out.Write(secret)
	check(t, err)
	expect(t, in, secret)
	return secret[:16] // too long to be there by chance
}
