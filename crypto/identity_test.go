package crypto_test

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/vxtap/vxtap/crypto"
)

// mute checks that two nodes have nothing with each other.
func mute(t *testing.T, a, b *end) {
	t.Helper()
	for _, e := range []*end{a, b} {
		if p := e.peer(a.net.other(e)); p != nil && p.Sending() != nil {
			t.Errorf("%v has a session", e.addr)
		}
	}
}

func TestWrongPSK(t *testing.T) {
	n := newNetwork(t, 1)
	a, b := n.add(0, nil), n.add(1, nil)
	a.knows(b, crypto.PSK{1})
	b.knows(a, crypto.PSK{2})
	n.runFor(time.Minute)
	mute(t, a, b)
	if got := a.status(b).Refused[crypto.RefusedHandshake]; got == 0 {
		t.Error("no refused handshake is counted")
	}
}

func TestOtherSuite(t *testing.T) {
	n := newNetwork(t, 2)
	a, b := n.add(0, nil), n.add(1, func(c *crypto.Config) { c.Suite = crypto.AES256GCM })
	a.knows(b, crypto.PSK{})
	b.knows(a, crypto.PSK{})
	n.runFor(time.Minute)
	mute(t, a, b)
	if refused := a.Refused(); refused[crypto.RefusedHandshake] == 0 {
		t.Errorf("refused: %v", refused)
	}
}

// Nothing is kept for a key that is no peer's, and no answer given.
func TestStranger(t *testing.T) {
	n := newNetwork(t, 3)
	a, b, friend := n.add(0, nil), n.add(1, nil), n.add(2, nil)
	a.knows(b, crypto.PSK{})
	b.knows(friend, crypto.PSK{}) // whom it must not take the stranger for
	n.recording, friend.asleep = true, true
	n.runFor(time.Minute)
	mute(t, a, b)
	for _, d := range n.seen {
		if d.from == b.addr && d.to != friend.addr {
			t.Fatalf("a stranger is answered with type %#x", d.data[0])
		}
	}
	if epochs, _, keys := b.Kept(); epochs+keys > 0 {
		t.Errorf("%d epochs and %d keys for a stranger", epochs, keys)
	}
	if got := b.status(friend); got.Handshakes > 0 || got.State != crypto.NoSession || got.Endpoint != friend.addr {
		t.Errorf("the stranger was taken for a peer: %+v", got)
	}
	if refused := b.Refused(); refused[crypto.RefusedStranger] == 0 {
		t.Errorf("refused: %v", refused)
	}
}

// A peer is who its key says: not who its address says, nor who it claims to be.
func TestPeerIsNotAnother(t *testing.T) {
	n := newNetwork(t, 4)
	a, b, c := n.add(0, nil), n.add(1, nil), n.add(2, func(c *crypto.Config) { c.Local = addrNumber(1) })
	for _, e := range []*end{b, c} {
		a.knows(e, crypto.PSK{})
	}
	b.asleep = true
	c.knows(a, crypto.PSK{})
	c.seen = b.addr // it has even taken b's address
	n.runFor(10 * time.Second)
	if a.peer(b).Sending() != nil {
		t.Error("a session with b, which sleeps")
	}
	if a.peer(c).Sending() == nil || a.peer(b).Endpoint() != b.addr {
		t.Error("no session with c, or b was moved")
	}
	n.recording, n.seen = true, nil
	c.frame(a, 1)
	if got := a.Receiving(crypto.Header(n.seen[0].data).Index()).Peer(); got != a.peer(c) || got.VTEP() != addrNumber(2) {
		t.Errorf("a frame of c is attributed to %v", got.VTEP())
	}
}

func TestAddPeer(t *testing.T) {
	n := newNetwork(t, 5)
	a, b := n.add(0, nil), n.add(1, nil)
	a.knows(b, crypto.PSK{})
	other := keyNumber(9).Public()
	low := crypto.PublicKey{1} // of order 1
	for _, c := range []struct {
		name string
		peer crypto.PeerConfig
		want error
	}{
		{"own key", crypto.PeerConfig{Public: a.Public(), VTEP: addrNumber(5)}, crypto.ErrOwnKey},
		{"key twice", crypto.PeerConfig{Public: b.Public(), VTEP: addrNumber(5)}, crypto.ErrDuplicateKey},
		{"address twice", crypto.PeerConfig{Public: other, VTEP: netip.AddrPortFrom(b.addr.Addr(), 1)}, crypto.ErrDuplicateVTEP},
		{"mapped address", crypto.PeerConfig{Public: other, VTEP: netip.MustParseAddrPort("[::ffff:10.9.0.2]:4789")}, crypto.ErrDuplicateVTEP},
		{"no address", crypto.PeerConfig{Public: other}, crypto.ErrNoVTEP},
		{"no port", crypto.PeerConfig{Public: other, VTEP: netip.MustParseAddrPort("10.9.0.7:0")}, crypto.ErrNoVTEP},
		{"nobody's key", crypto.PeerConfig{VTEP: addrNumber(5)}, crypto.ErrBadKey},
		{"low order", crypto.PeerConfig{Public: low, VTEP: addrNumber(5)}, crypto.ErrBadKey},
	} {
		if _, err := a.AddPeer(c.peer); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if got := len(a.Status()); got != 1 {
		t.Errorf("%d peers, want 1", got)
	}
	a.RemovePeer(a.peer(b))
	if _, err := a.AddPeer(crypto.PeerConfig{Public: b.Public(), VTEP: b.addr}); err != nil {
		t.Errorf("a peer that was removed cannot come back: %v", err)
	}
	a.Close()
	if _, err := a.AddPeer(crypto.PeerConfig{Public: other, VTEP: addrNumber(5)}); !errors.Is(err, crypto.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

func TestNewNodeRefuses(t *testing.T) {
	key := keyNumber(1)
	for name, c := range map[string]crypto.Config{
		"no queues":   {Identity: key},
		"many queues": {Identity: key, Queues: 17},
		"256 queues":  {Identity: key, Queues: 257},
		"no key":      {Queues: 1},
		"no suite":    {Identity: key, Queues: 1, Suite: 7},
	} {
		if _, err := crypto.NewNode(c); err == nil {
			t.Errorf("%s: a node was made", name)
		}
	}
}
