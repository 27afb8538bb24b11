package crypto_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/vxtap/vxtap/crypto"
)

var outside = netip.MustParseAddrPort("203.0.113.9:61234")

// natted is a node behind a NAT, and one that is not and does not know.
func natted(n *network, change func(*crypto.Config)) (inside, open *end) {
	inside, open = n.add(0, change), n.add(1, nil)
	inside.knows(open, crypto.PSK{})
	open.knows(inside, crypto.PSK{}) // by the address inside, where nothing gets
	inside.seen = outside
	n.runFor(2 * time.Second)
	return inside, open
}

// A NAT is seen from the address that a node claims, without being configured.
func TestNATIsSeen(t *testing.T) {
	n := newNetwork(t, 1)
	in, open := natted(n, nil)
	agree(t, in, open)
	if got := open.peer(in).Endpoint(); got != outside {
		t.Errorf("endpoint %v, want %v", got, outside)
	}
	if !in.peer(open).FromListener() || !open.peer(in).FromListener() {
		t.Errorf("a NAT, seen inside: %v, outside: %v", in.peer(open).FromListener(), open.peer(in).FromListener())
	}
	if got := open.peer(in).VTEP(); got != in.addr {
		t.Errorf("VTEP %v, want the configured %v", got, in.addr)
	}
	exchange(t, in, open, 1, 5)
}

func TestNoNAT(t *testing.T) {
	n := newNetwork(t, 1)
	a, b := n.connected(nil)
	if a.peer(b).FromListener() || b.peer(a).FromListener() {
		t.Error("a NAT is seen where there is none")
	}
	if a.status(b).Moves+b.status(a).Moves != 0 {
		t.Error("a peer moved")
	}
}

// Keepalives hold the mapping open, and what is sent makes them unnecessary.
func TestKeepalives(t *testing.T) {
	n := newNetwork(t, 2)
	in, open := natted(n, func(c *crypto.Config) { c.NAT = true; c.Keepalive = time.Second })
	n.runFor(time.Second)
	count := func() (signs int) {
		n.recording, n.seen = true, nil
		for i := range uint64(10) {
			n.runFor(time.Second)
			_ = i
		}
		for _, d := range n.seen {
			if d.data[0] == crypto.TypeKeepalive {
				signs++
				if d.from != outside {
					t.Errorf("a keepalive of %v", d.from)
				}
			}
		}
		return signs
	}
	if got := count(); got < 9 || got > 11 {
		t.Errorf("%d keepalives in 10 s, want 10", got)
	}
	if !open.peer(in).FromListener() {
		t.Error("the peer was not told of the NAT")
	}
}

// The NAT forgets its mapping and makes another: the next packet moves the peer.
func TestPeerMoves(t *testing.T) {
	for name, send := range map[string]func(in, open *end){
		"data":      func(in, open *end) { in.frame(open, 1) },
		"keepalive": func(in, open *end) {},
		"handshake": func(in, open *end) {
			if err := in.Rotate(in.peer(open)); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t, 3)
			in, open := natted(n, func(c *crypto.Config) { c.NAT = true; c.Keepalive = 2 * time.Second })
			in.seen = netip.MustParseAddrPort("203.0.113.9:7")
			send(in, open)
			if n.runFor(10 * time.Millisecond); name == "keepalive" {
				n.runFor(2 * time.Second)
			}
			n.runFor(20 * time.Millisecond)
			if got := open.peer(in).Endpoint(); got != in.seen {
				t.Errorf("endpoint %v, want %v", got, in.seen)
			}
			if open.count(crypto.Moved) != 2 {
				t.Errorf("events %v", open.events)
			}
			exchange(t, in, open, 100, 5)
		})
	}
}

// A peer that moved, fell silent and is back where it is configured is found there.
func TestPeerComesHome(t *testing.T) {
	n := newNetwork(t, 4)
	a, b := n.connected(nil)
	b.seen = outside
	if err := b.Rotate(b.peer(a)); err != nil {
		t.Fatal(err)
	}
	n.runFor(time.Second)
	if got := a.peer(b).Endpoint(); got != outside {
		t.Fatalf("endpoint %v", got)
	}
	b.Close()
	b.seen = b.addr
	b.start(nil)
	p := b.knows(a, crypto.PSK{})
	n.attack = func(d datagram) []datagram { // b is not heard by itself
		if d.from == b.addr && d.data[0] == crypto.TypeInitiation {
			return nil
		}
		return []datagram{d}
	}
	n.runFor(14 * time.Hour)
	agree(t, a, b)
	if a.peer(b).Endpoint() != b.addr || p.Endpoint() != a.addr {
		t.Errorf("endpoints %v and %v", a.peer(b).Endpoint(), p.Endpoint())
	}
}

// Somebody carries one packet ahead from another address. The peer moves there and back,
// as it still answers where it was.
func TestCopyFromElsewhere(t *testing.T) {
	for _, kind := range []byte{crypto.TypeResponse, crypto.TypeKeepalive} {
		n := newNetwork(t, 5)
		a, b := n.connected(nil)
		done := false
		n.attack = func(d datagram) []datagram {
			if d.data[0] != kind || d.from != b.addr || done {
				return []datagram{d}
			}
			done = true
			early := d
			early.from = outside
			n.land(d, 20*time.Millisecond)
			return []datagram{early}
		}
		if err := a.Rotate(a.peer(b)); err != nil {
			t.Fatal(err)
		}
		n.runFor(15 * time.Second)
		if a.status(b).Moves == 0 {
			t.Error("the copy has not arrived first")
		}
		agree(t, a, b)
		exchange(t, a, b, 1, 3)
	}
}
