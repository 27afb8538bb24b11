package keys_test

import (
	"io/fs"
	"net/netip"
	"testing"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/control/keys"
	"github.com/vxtap/vxtap/crypto"
)

var (
	addrA = netip.MustParseAddr("10.9.0.1")
	addrB = netip.MustParseAddr("10.9.0.2")
	addrC = netip.MustParseAddr("10.9.0.3")
)

func load(t *testing.T, local netip.Addr, seal control.SealSpec) *keys.Static {
	t.Helper()
	s, err := keys.Load(control.NodeSpec{Local: local, Seal: seal})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.Changed():
		t.Error("changed by itself")
	default:
	}
	return s
}

// The holders of one secret know each other by their addresses.
func TestLoadSecretAlone(t *testing.T) {
	psk := newPSK(t)
	seal := control.SealSpec{PSKFile: write(t, psk.Base64(), 0o600)}
	a, b := load(t, addrA, seal), load(t, addrB, seal)
	if a.Identity() == b.Identity() {
		t.Error("two nodes with one identity")
	}
	for _, addr := range []netip.Addr{addrB, netip.MustParseAddr("::ffff:10.9.0.2")} {
		if p, ok := a.Peer(addr); !ok || p.Public != b.Identity().Public() || p.PSK != psk {
			t.Errorf("%v is %v, want %v", addr, p.Public, b.Identity().Public())
		}
	}
	other := load(t, addrB, control.SealSpec{PSKFile: write(t, newPSK(t).Base64(), 0o600)})
	if other.Identity() == b.Identity() {
		t.Error("one identity of two secrets")
	}
}

func TestLoadKeys(t *testing.T) {
	own, keyB, psk := newKey(t), newKey(t), newPSK(t)
	seal := control.SealSpec{
		KeyFile: write(t, own.Base64(), 0o600),
		Peers:   []control.PeerKey{{VTEP: netip.AddrPortFrom(addrB, 4790), Public: keyB.Public()}},
	}
	for _, want := range []crypto.PSK{{}, psk} {
		if !want.IsZero() {
			seal.PSKFile = write(t, want.Base64(), 0o600)
		}
		s := load(t, addrA, seal)
		if s.Identity() != own {
			t.Error("another identity than the file's")
		}
		if p, ok := s.Peer(addrB); !ok || p.Public != keyB.Public() || p.PSK != want {
			t.Errorf("the peer is %v, %t; want %v", p.Public, ok, keyB.Public())
		}
		if p, ok := s.Peer(addrC); ok {
			t.Errorf("a stranger is %v", p.Public)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	own, psk := newKey(t), newPSK(t)
	file := func(text string, mode fs.FileMode) string { return write(t, text, mode) }
	for want, seal := range map[string]control.SealSpec{
		"peer 10.9.0.2 has the public key of this node's own": {
			KeyFile: file(own.Base64(), 0o600),
			Peers:   []control.PeerKey{{VTEP: netip.AddrPortFrom(addrB, 0), Public: own.Public()}},
		},
		"pre-shared key is base64 of 31": {PSKFile: file(psk.Base64()[:40]+"AA==", 0o600)},
		"no file with a key":             {},
		"chmod 600":                      {KeyFile: file(own.Base64(), 0o644)},
		"no such file":                   {KeyFile: file(own.Base64(), 0o600) + "x"},
		"private key is all zero":        {KeyFile: file("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", 0o600)},
		"run chmod 600":                  {KeyFile: file(own.Base64(), 0o600), PSKFile: file(psk.Base64(), 0o604)},
	} {
		_, err := keys.Load(control.NodeSpec{Local: addrA, Seal: seal})
		says(t, err, own.Base64()[:20], want)
	}
}

// A reload replaces the peers, says so, and refuses one that is the node itself.
func TestSetPeers(t *testing.T) {
	own, keyB, keyC := newKey(t), newKey(t), newKey(t)
	node := control.NodeSpec{Local: addrA, Seal: control.SealSpec{KeyFile: write(t, own.Base64(), 0o600)}}
	s := load(t, addrA, node.Seal)
	changed := s.Changed()
	for _, key := range []crypto.PrivateKey{keyB, keyC} {
		node.Seal.Peers = []control.PeerKey{{VTEP: netip.AddrPortFrom(addrB, 0), Public: key.Public()}}
		if err := s.SetPeers(node); err != nil {
			t.Fatal(err)
		}
		if p, ok := s.Peer(addrB); !ok || p.Public != key.Public() {
			t.Errorf("the peer has the key %v, want %v", p.Public, key.Public())
		}
		select {
		case <-changed:
		default:
			t.Error("nobody was told")
		}
		changed = s.Changed()
	}
	node.Seal.Peers[0].Public = own.Public()
	says(t, s.SetPeers(node), "", "this node's own")
	if p, _ := s.Peer(addrB); p.Public != keyC.Public() {
		t.Error("what was refused is in force")
	}
}
