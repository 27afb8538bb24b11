package dataplane_test

import (
	"bytes"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

// testKey is the private key of the VTEP at an address.
func testKey(addr string) crypto.PrivateKey {
	return crypto.PSK{1, 2, 3}.Identity(netip.MustParseAddr(addr))
}

// newSealedNode is newNode with a sealed network of these peers, all on its flood list.
func newSealedNode(t testing.TB, wire *mem.Network, addr string, s setup, peers ...string) *node {
	t.Helper()
	s.network.Sealed = true
	s.peers = peers
	return newNode(t, wire, addr, s)
}

// addPeers makes the node of a VTEP know others, and returns them.
func addPeers(t testing.TB, v *dataplane.VTEP, addrs []string) (peers []*crypto.Peer) {
	t.Helper()
	for _, a := range addrs {
		p, err := v.Node().AddPeer(crypto.PeerConfig{
			Public: testKey(a).Public(),
			VTEP:   netip.AddrPortFrom(netip.MustParseAddr(a), dataplane.DefaultPort),
		})
		must(t, err)
		peers = append(peers, p)
	}
	return peers
}

func TestSealedNetworkCarriesFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := newWire()
		var seen recorder
		a := newSealedNode(t, wire, "10.9.0.1", setup{wrap: seen.wrap}, "10.9.0.2")
		b := newSealedNode(t, wire, "10.9.0.2", setup{wrap: seen.wrap}, "10.9.0.1")
		there := etherFrame(b.mac, a.mac, "a secret for b")
		back := etherFrame(a.mac, b.mac, "a secret for a")
		a.port.send(t, there)
		b.port.expect(t, there)
		b.port.send(t, back)
		a.port.expect(t, back)
		a.conserved(t)
		b.conserved(t)
		if len(seen.datagrams) < 4 {
			t.Fatalf("%d datagrams were seen on the wire", len(seen.datagrams))
		}
		for _, d := range seen.datagrams {
			if !crypto.Sealed(d) || bytes.Contains(d, []byte("secret")) {
				t.Errorf("on the wire in clear text: %x", d)
			}
		}
	})
}

// A recorder keeps every datagram that passes the underlays that it was wrapped round.
type recorder struct {
	mu        sync.Mutex
	datagrams [][]byte
}

// all returns what was kept so far.
func (r *recorder) all() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.datagrams)
}

type recording struct {
	*mem.Underlay
	to *recorder
}

func (r *recorder) wrap(u dataplane.Underlay) dataplane.Underlay {
	return &recording{u.(*mem.Underlay), r}
}

func (r *recording) Send(dgrams []encap.Datagram) (int, error) {
	for i := range dgrams {
		r.to.keep(&dgrams[i])
	}
	return r.Underlay.Send(dgrams)
}

func (r *recording) Post(d *encap.Datagram) error {
	r.to.keep(d)
	return r.Underlay.Post(d)
}

// keep keeps the datagrams of a train one by one.
func (r *recorder) keep(d *encap.Datagram) {
	whole := bytes.Clone(d.Data)
	for _, b := range d.More {
		whole = append(whole, b...)
	}
	size := int(d.SegmentSize)
	if size == 0 {
		size = len(whole)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.datagrams = slices.AppendSeq(r.datagrams, slices.Chunk(whole, size))
}
