package control_test

import (
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/dataplane"
)

var (
	keyB = crypto.PrivateKey{0, 2}.Public()
	keyC = crypto.PrivateKey{0, 3}.Public()
)

func vtep(s string) netip.AddrPort {
	r, err := control.ParseRemote(s)
	if err != nil {
		panic(err)
	}
	return r
}

func peerKey(addr string, key crypto.PublicKey) control.PeerKey {
	return control.PeerKey{VTEP: vtep(addr), Public: key}
}

// peerB is a node with a key of its own and one peer.
func peerB() control.SealSpec {
	return control.SealSpec{KeyFile: "key", Peers: []control.PeerKey{peerKey("10.9.0.2", keyB)}}
}

// portC is one whose peer has a port of its own.
func portC() control.SealSpec {
	return control.SealSpec{KeyFile: "key", Peers: []control.PeerKey{peerKey("10.9.0.3:9", keyC)}}
}

func TestNodeCheckSeal(t *testing.T) {
	for _, test := range []struct {
		want   string
		change func(*control.SealSpec)
	}{
		{"", func(*control.SealSpec) {}},
		{"", func(s *control.SealSpec) { s.PSKFile = "psk" }},
		{"", func(s *control.SealSpec) { *s = control.SealSpec{PSKFile: "psk", NAT: true, Suite: crypto.AES256GCM} }},
		{"--peer without --key", func(s *control.SealSpec) { s.KeyFile = "" }},
		{"--peer with --psk-file alone", func(s *control.SealSpec) { s.KeyFile, s.PSKFile = "", "psk" }},
		{"bad keepalive 500ms", func(s *control.SealSpec) { s.Keepalive = time.Second / 2 }},
		{"bad keepalive -1s", func(s *control.SealSpec) { s.Keepalive = -time.Second }},
		{"peers 10.9.0.2 and 10.9.0.3 have the same public key", func(s *control.SealSpec) {
			s.Peers = append(s.Peers, peerKey("10.9.0.3", keyB))
		}},
		{"peer 10.9.0.2 is given twice", func(s *control.SealSpec) { s.Peers = append(s.Peers, peerKey("10.9.0.2:9", keyC)) }},
		{"", func(s *control.SealSpec) { s.Peers = append(s.Peers, peerKey("10.9.0.3", keyC)) }},
		{"own address", func(s *control.SealSpec) { s.Peers[0] = peerKey("10.9.0.1:9", keyB) }},
		{"different address families", func(s *control.SealSpec) { s.Peers[0] = peerKey("fd09::2", keyB) }},
		{"multicast group", func(s *control.SealSpec) { s.Peers[0] = peerKey("239.1.1.1", keyB) }},
	} {
		node := control.NodeSpec{Local: local, Seal: peerB()}
		test.change(&node.Seal)
		says(t, node.Check(), test.want)
	}
	zones := control.NodeSpec{Local: netip.MustParseAddr("fe80::1%eth0"), Seal: control.SealSpec{KeyFile: "key", Peers: []control.PeerKey{
		peerKey("fe80::2%eth0", keyB), peerKey("fe80::2", keyC),
	}}}
	says(t, zones.Check(), "is given twice")
}

func TestNetworkCheckSealed(t *testing.T) {
	psk := control.SealSpec{PSKFile: "psk"}
	for _, test := range []struct {
		want    string
		seal    control.SealSpec
		remotes []string
		static  string
	}{
		{"", peerB(), []string{"10.9.0.2"}, ""},
		{"", peerB(), []string{"10.9.0.2:8472"}, "10.9.0.2"},
		{"", peerB(), nil, "10.9.0.2"},
		{"without keys", control.SealSpec{}, []string{"10.9.0.2"}, ""},
		{"without peers", peerB(), nil, ""},
		{"without peers", psk, nil, ""},
		{"10.9.0.3:8472 is no peer", peerB(), []string{"10.9.0.2", "10.9.0.3"}, ""},
		{"10.9.0.3:8472 is no peer", peerB(), []string{"10.9.0.2"}, "10.9.0.3"},
		{"10.9.0.2:4789 is no peer", peerB(), []string{"10.9.0.2:4789"}, ""},
		{"", psk, []string{"10.9.0.2:4789", "10.9.0.3"}, "10.9.0.4"},
		{"", portC(), []string{"10.9.0.3"}, "10.9.0.3:9"}, // as the peer is known
		{"10.9.0.3:8472 is no peer", portC(), []string{"10.9.0.3:8472"}, ""},
		{"the same node", psk, []string{"10.9.0.2", "10.9.0.2:4789"}, ""},
		{"the same node", psk, []string{"10.9.0.2"}, "10.9.0.2:4789"},
		{"given twice", psk, []string{"10.9.0.2", "10.9.0.2"}, ""},
		{"multicast group", psk, []string{"239.1.1.1"}, ""},
	} {
		spec := control.NetworkSpec{NetworkConfig: dataplane.NetworkConfig{VNI: 42, Sealed: true}}
		for _, r := range test.remotes {
			spec.Remotes = append(spec.Remotes, vtep(r))
		}
		if test.static != "" {
			spec.Static = []control.StaticEntry{{MAC: mac, Remote: vtep(test.static)}}
		}
		says(t, spec.Check(control.NodeSpec{Local: local, Port: 8472, Seal: test.seal}), test.want)
	}
}

// A network that is not sealed asks for no keys, and takes no notice of them.
func TestNetworkCheckPlainBesideSealed(t *testing.T) {
	for _, seal := range []control.SealSpec{{}, peerB()} {
		spec := control.NetworkSpec{NetworkConfig: dataplane.NetworkConfig{VNI: 42, Remotes: []netip.AddrPort{vtep("10.9.0.3")}}}
		says(t, spec.Check(control.NodeSpec{Local: local, Seal: seal}), "")
	}
}

func TestFloodPeers(t *testing.T) {
	node := control.NodeSpec{Local: local, Port: 8472, Seal: peerB()}
	node.Seal.Peers = append(node.Seal.Peers, peerKey("10.9.0.3:9", keyC))
	spec := control.NetworkSpec{NetworkConfig: dataplane.NetworkConfig{Remotes: []netip.AddrPort{vtep("10.9.0.4"), vtep("10.9.0.2:8472")}}}
	spec.FloodPeers(node)
	spec.FloodPeers(node)
	want := []netip.AddrPort{vtep("10.9.0.4"), vtep("10.9.0.2:8472"), vtep("10.9.0.3:9")}
	if !reflect.DeepEqual(spec.Remotes, want) {
		t.Errorf("flood list %v, want %v", spec.Remotes, want)
	}
}

func TestParsePeer(t *testing.T) {
	for word, want := range map[string]control.PeerKey{
		"10.9.0.2=" + keyB.String():        peerKey("10.9.0.2", keyB),
		"10.9.0.2:4790=" + keyB.String():   peerKey("10.9.0.2:4790", keyB),
		"fd09::2=" + keyC.String():         peerKey("fd09::2", keyC),
		"[fd09::2]:4790=" + keyC.String():  peerKey("[fd09::2]:4790", keyC),
		"fe80::2%eth0=" + keyC.String():    peerKey("fe80::2%eth0", keyC),
		"::ffff:10.9.0.2=" + keyC.String(): peerKey("10.9.0.2", keyC),
	} {
		if got, err := control.ParsePeer(word); got != want || err != nil {
			t.Errorf("%q is taken for %v, %v", word, got, err)
		}
	}
	for word, want := range map[string]string{
		"":                               "want ADDRESS=PUBKEY",
		"10.9.0.2":                       "want ADDRESS=PUBKEY",
		"=" + keyB.String():              `bad address ""`,
		keyB.String():                    "bad address",
		"fd09::2:4790:=" + keyB.String(): "bad address",
		"10.9.0.2:0=" + keyB.String():    "bad address",
		"10.9.0.2=":                      "peer 10.9.0.2: bad key: no public key",
		"10.9.0.2=" + keyB.String()[:43]: "not base64",
		"10.9.0.2==" + keyB.String():     "not base64",
		"10.9.0.2=AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=": "low order",
	} {
		got, err := control.ParsePeer(word)
		says(t, err, want)
		if got != (control.PeerKey{}) {
			t.Errorf("%q is taken for %v", word, got)
		}
	}
}

func TestParseCipherAndKeepalive(t *testing.T) {
	for word, want := range map[string]crypto.Suite{"aes-128-gcm": crypto.AES128GCM, "aes-256-gcm": crypto.AES256GCM} {
		if got, err := control.ParseCipher(word); got != want || err != nil {
			t.Errorf("%q is %v, %v", word, got, err)
		}
	}
	for _, word := range []string{"", "AES-128-GCM", "aes128gcm", "chacha20-poly1305", "none"} {
		_, err := control.ParseCipher(word)
		says(t, err, "want aes-128-gcm or aes-256-gcm")
	}
	if d, err := control.ParseKeepalive("2s"); d != 2*time.Second || err != nil {
		t.Errorf("2s is %v, %v", d, err)
	}
	for _, word := range []string{"", "20", "0", "999ms", "-1s"} {
		_, err := control.ParseKeepalive(word)
		says(t, err, "want a time of at least 1s")
	}
}
