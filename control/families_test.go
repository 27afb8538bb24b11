package control_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/dataplane"
)

// bothFamilies is a node with an address of each, and these peers.
func bothFamilies(peers ...control.PeerKey) control.NodeSpec {
	return control.NodeSpec{
		Local: netip.MustParseAddr("10.9.0.1"), Other: netip.MustParseAddr("fd09::1"),
		Seal: control.SealSpec{KeyFile: "key", Peers: peers},
	}
}

// One node may be a peer at both of its addresses, and with one key: those are two VTEPs.
func TestPeersOfBothFamilies(t *testing.T) {
	node := bothFamilies(peerKey("10.9.0.2", keyB), peerKey("fd09::2", keyB), peerKey("fd09::3", keyC))
	if err := node.Check(); err != nil {
		t.Error(err)
	}
	for _, tt := range []struct {
		peers []control.PeerKey
		says  string
	}{
		{[]control.PeerKey{peerKey("fd09::2", keyB), peerKey("fd09::3", keyB)}, "the same public key"},
		{[]control.PeerKey{peerKey("fd09::1", keyB)}, "our own address"},
	} {
		node := bothFamilies(tt.peers...)
		if err := node.Check(); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%v: %v, want %q", tt.peers, err, tt.says)
		}
	}
	node.Other = netip.MustParseAddr("10.9.0.9")
	if err := node.Check(); err == nil || !strings.Contains(err.Error(), "of the same family") {
		t.Error(err)
	}
}

// A network is of the family of the first VTEP that it names, with its peers; and if it names
// none, of that in which there are peers.
func TestNetworkOfAFamily(t *testing.T) {
	b4, b6, c6 := peerKey("10.9.0.2", keyB), peerKey("fd09::2", keyB), peerKey("fd09::3", keyC)
	for _, tt := range []struct {
		what    string
		node    control.NodeSpec
		named   []control.PeerKey
		remotes []netip.AddrPort
		want    string
		says    string
	}{
		{"names nothing", bothFamilies(b4, b6, c6), nil, nil, "[10.9.0.2:0]", ""},
		{"names nothing, and there are peers of one family", bothFamilies(b6, c6), nil, nil, "[[fd09::2]:0 [fd09::3]:0]", ""},
		{"names a peer", bothFamilies(b4), []control.PeerKey{b6}, nil, "[[fd09::2]:0]", ""},
		{"names a remote", bothFamilies(b4, b6, c6), nil, []netip.AddrPort{vtep("fd09::3")}, "[[fd09::3]:0]", ""},
		{"names both", bothFamilies(b4), []control.PeerKey{b6}, []netip.AddrPort{vtep("10.9.0.2")}, "[10.9.0.2:0 [fd09::2]:0]", "of different address families"},
	} {
		n := control.NetworkSpec{NetworkConfig: dataplane.NetworkConfig{VNI: 42, Sealed: true, Remotes: tt.remotes}}
		n.TakePeers(&tt.node, tt.named)
		if got := fmt.Sprint(n.Remotes); got != tt.want {
			t.Errorf("a network that %s reaches %s, not %s", tt.what, got, tt.want)
		}
		if err := n.Check(tt.node); tt.says == "" && err != nil || tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)) {
			t.Errorf("a network that %s: %v, want %q", tt.what, err, tt.says)
		}
	}
}
