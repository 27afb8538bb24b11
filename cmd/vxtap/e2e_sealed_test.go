//go:build linux

package main

import (
	"bytes"
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/encap"
)

// sealedMTU is what 1500 bytes of underlay leave of a frame's packet, by family.
var sealedMTU = map[string]int{"IPv4": 1418, "IPv6": 1398}

// startSealed runs vxtap on two hosts with a sealed network between them. The way of
// giving keys is "keys" or "psk".
func startSealed(t *testing.T, f family, way string, args ...string) (a, b *netlab.Host, va, vb *child) {
	t.Helper()
	a, b = newPair(t, netlab.LinkConfig{})
	silence(t, a, b)
	ownA, ownB := crypto.PrivateKey{0, 1}, crypto.PrivateKey{0, 2}
	psk := secretFile(t, ownA.Base64()) // 32 bytes like any
	up := func(h *netlab.Host, own, other crypto.PrivateKey, local, remote, inner string) *child {
		line := []string{"--sealed", "--vni", "42", "--local", local, "--address", inner + "/24"}
		switch way {
		case "keys":
			line = append(line, "--key", secretFile(t, own.Base64()), "--peer", remote+"="+other.Public().String())
		case "psk":
			line = append(line, "--psk-file", psk, "--remote", remote)
		}
		return startVXTAP(t, h, append(line, args...)...)
	}
	return a, b, up(a, ownA, ownB, f.a, f.b, innerA), up(b, ownB, ownA, f.b, f.a, innerB)
}

// peerKeys returns what vxtap keys show has of the only peer.
func (c *child) peerKeys() (p api.PeerKeys) {
	c.t.Helper()
	c.ask(func(ctx context.Context) error {
		k, err := c.api.Keys(ctx)
		if len(k.Peers) == 1 {
			p = k.Peers[0]
		}
		return err
	})
	return p
}

// waitEpoch waits until the two ends are both in an epoch that is not older.
func waitEpoch(t *testing.T, epoch uint64, ends ...*child) {
	t.Helper()
	for _, v := range ends {
		eventually(t, "the keys are changed", func() bool { return v.peerKeys().Epoch >= epoch })
	}
}

// A sealed network carries what a plain one does, however keys are given, and nothing of
// it is on the wire in clear.
func TestSealed(t *testing.T) {
	t.Parallel()
	for _, f := range families {
		for _, way := range []string{"keys", "psk"} {
			t.Run(f.name+"/"+way, func(t *testing.T) {
				t.Parallel()
				a, b, va, vb := startSealed(t, f, way)
				check(t, a.SetUnderlay("eth0", netlab.Bare))
				all := capture(t, a, "eth0", func(netlab.Frame) bool { return true })
				waitEpoch(t, 1, va, vb)
				ping(t, a, innerB)
				ping(t, b, innerA)
				inside := delivered(t, b, "vx42")
				text := label("nobody else is to read this")
				inject(t, a, "vx42", frame(broadcast, encap.MAC(hardwareAddr(t, a, "vx42")), text))
				waitFor(t, inside, text)
				check(t, transferTo(within(t), a, b, innerB))
				check(t, transferTo(within(t), b, a, innerA))

				check(t, all.Close())
				for _, sent := range all.Frames() {
					if isPlain(sent) || bytes.Contains(sent.Data, text[46:]) {
						t.Fatalf("on the wire in clear: %x", sent.Data)
					}
				}
				if n := va.network(); !n.Sealed || n.Cipher != "aes-128-gcm" || n.MTU != sealedMTU[f.name] {
					t.Errorf("network %+v", n)
				}
				p := va.peerKeys()
				if p.State != "secure" || p.VTEP.Addr() != ip(f.b) || p.Endpoint != p.VTEP || p.Sent == 0 || p.Received == 0 {
					t.Errorf("peer %+v", p)
				}
				nothingLost(t, va)
				nothingLost(t, vb)
			})
		}
	}
}

// isPlain reports whether a frame of the underlay is VXLAN to a VTEP that knows no other:
// the I flag is set.
func isPlain(f netlab.Frame) bool {
	p := gopacket.NewPacket(f.Data, layers.LayerTypeEthernet, gopacket.NoCopy)
	vxlan, ok := p.Layer(layers.LayerTypeVXLAN).(*layers.VXLAN)
	return ok && vxlan.ValidIDFlag
}

// transferTo carries some megabytes and compares them.
func transferTo(ctx context.Context, from, to *netlab.Host, addr string) error {
	_, err := netlab.Transfer(ctx, from, to, netip.AddrPortFrom(ip(addr), 0), netlab.TransferConfig{Bytes: 16 << 20, Verify: true})
	return err
}

// Keys are changed while traffic goes on, from both ends, and nothing is lost.
func TestSealedRotates(t *testing.T) {
	t.Parallel()
	a, b, va, vb := startSealed(t, families[0], "keys", "--cipher", "aes-256-gcm")
	waitEpoch(t, 1, va, vb)
	ctx, carried := within(t), make(chan error, 1)
	go func() { carried <- transferTo(ctx, a, b, innerB) }()
	for i := range 10 {
		rotate(t, []*child{va, vb}[i%2:i%2+1], va, vb)
	}
	check(t, <-carried)
	r := vxtap(within(t), va.socket, "keys", "show")
	if r.code != exitDone || !strings.Contains(r.stdout, "cipher aes-256-gcm") || !strings.Contains(r.stdout, "  secure at 10.9.0.2:4789\n") {
		t.Errorf("keys show: %+v", r)
	}
	nothingLost(t, va)
	nothingLost(t, vb)
}

// Clear text for a sealed network is dropped and counted, whoever sends it, and a stranger
// with another secret has no session.
func TestSealedRefuses(t *testing.T) {
	t.Parallel()
	hosts := newSegment(t, 2)
	silence(t, hosts...)
	v := startVXTAP(t, hosts[0], "--sealed", "--vni", "42", "--local", "10.9.0.1", "--remote", "10.9.0.2",
		"--psk-file", secretFile(t, crypto.PrivateKey{1}.Base64()), "--address", innerA+"/24")
	inside := delivered(t, hosts[0], "vx42")
	src := encap.MAC{2, 0, 0, 0, 0, 9}
	newForeigner(t, hosts[1], "10.9.0.1").send(42, 0, frame(broadcast, src, label("clear")))
	eventually(t, "clear text is counted", func() bool { return v.drops()["in clear_text"]+v.drops()["stray clear_text"] == 1 })

	stranger := startVXTAP(t, hosts[1], "--sealed", "--vni", "42", "--local", "10.9.0.2", "--remote", "10.9.0.1",
		"--psk-file", secretFile(t, crypto.PrivateKey{2}.Base64()), "--address", innerB+"/24")
	eventually(t, "the stranger is counted", func() bool {
		var k api.Keys
		v.ask(func(ctx context.Context) (err error) {
			k, err = v.api.Keys(ctx)
			return err
		})
		sum := uint64(0)
		for _, n := range k.Rejected {
			sum += n
		}
		return sum > 0
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if rtts, _ := hosts[1].Ping(ctx, ip(innerA), 1, 56); len(rtts) > 0 {
		t.Error("a stranger's ping is answered")
	}
	for _, c := range []*child{v, stranger} {
		if p := c.peerKeys(); p.State != "no-session" || p.Epoch != 0 {
			t.Errorf("peer %+v", p)
		}
	}
	if n := len(inside.Frames()); n > 0 {
		t.Errorf("%d frames arrived", n)
	}
}
