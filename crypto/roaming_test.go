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

// Keepalives hold the mapping open, and what is sent makes them unnecessary, but for a
// question now and then if nothing comes back.
func TestKeepalives(t *testing.T) {
	n := newNetwork(t, 2)
	in, open := natted(n, func(c *crypto.Config) { c.NAT = true; c.Keepalive = time.Second })
	n.runFor(time.Second)
	count := func(busy bool) (signs int) {
		n.recording, n.seen = true, nil
		for i := range uint64(100) {
			if busy {
				in.frame(open, i)
			}
			n.runFor(100 * time.Millisecond)
		}
		for _, d := range n.seen {
			if d.data[0] == crypto.TypeKeepalive && d.from == outside {
				signs++
			}
		}
		return signs
	}
	if got := count(false); got < 9 || got > 11 {
		t.Errorf("%d keepalives in 10 s, want 10", got)
	}
	if got := count(true); got > 4 {
		t.Errorf("%d keepalives in 10 s full of frames", got)
	}
	if !open.peer(in).FromListener() {
		t.Error("the peer was not told of the NAT")
	}
}

// A node outside that was restarted cannot reach a node behind a NAT. That one notices.
func TestRestartOutsideNAT(t *testing.T) {
	for _, busy := range []bool{false, true} {
		n := newNetwork(t, 5)
		in, open := natted(n, func(c *crypto.Config) { c.NAT = true; c.Keepalive = time.Second })
		n.attack = func(d datagram) []datagram { // the mapping has gone, until somebody inside sends
			if d.data[0] == crypto.TypeInitiation && d.from == open.addr {
				return nil
			}
			return []datagram{d}
		}
		open.Close()
		open.start(nil)
		open.knows(in, crypto.PSK{})
		for i := range uint64(100) {
			if busy {
				in.frame(open, i)
			}
			n.runFor(100 * time.Millisecond)
		}
		agree(t, in, open)
		exchange(t, in, open, 1000, 5)
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
	a, b := n.connected(func(c *crypto.Config) { c.RotateAfter = 10 * time.Minute })
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
	n.runFor(12 * time.Minute) // the session of before ends after eleven
	agree(t, a, b)
	if a.peer(b).Endpoint() != b.addr || p.Endpoint() != a.addr {
		t.Errorf("endpoints %v and %v", a.peer(b).Endpoint(), p.Endpoint())
	}
}

// diversion carries what one node sends from another address first, while it lasts; and
// then loses signs.
type diversion struct {
	victim  *end
	kind    byte // of messages that are carried; 0: all
	carries int  // so many
	loses   int  // signs, either way, that are lost afterwards
}

func (v *diversion) touch(d datagram) []datagram {
	switch {
	case v.carries > 0 && d.from == v.victim.addr && (v.kind == 0 || v.kind == d.data[0]):
		v.carries--
		late := d
		v.victim.net.land(late, 20*time.Millisecond)
		d.from = outside
	case v.carries == 0 && v.loses > 0 && d.data[0] == crypto.TypeKeepalive:
		v.loses--
		return nil
	}
	return []datagram{d}
}

// A peer that somebody had looked for elsewhere is found again where it is, though it sends
// nothing by itself, and though the first questions are lost.
func TestDiversionEnds(t *testing.T) {
	for _, kind := range []byte{0, crypto.TypeResponse, crypto.TypeKeepalive} {
		for _, carries := range []int{1, 2, 5} {
			for _, loses := range []int{0, 1, 3, 8} {
				n := newNetwork(t, 5)
				a, b := n.connected(nil)
				v := &diversion{victim: b, kind: kind, carries: carries, loses: loses}
				n.attack = v.touch
				for range carries {
					if err := a.Rotate(a.peer(b)); err != nil {
						t.Fatal(err)
					}
					n.runFor(100 * time.Millisecond)
				}
				if a.status(b).Moves == 0 {
					t.Error("the copies did not come first")
				}
				n.runFor(4 * time.Minute) // the ninth question comes after three
				if got := a.peer(b).Endpoint(); got != b.addr {
					t.Errorf("%d messages of type %#x carried, %d lost: %v is looked for at %v", carries, kind, loses, b.addr, got)
				}
				agree(t, a, b)
				exchange(t, a, b, 1, 3)
			}
		}
	}
}

// A peer that has really moved is asked for at home, ever more rarely.
func TestQuestionsAreRare(t *testing.T) {
	n := newNetwork(t, 6)
	in, open := natted(n, nil)
	n.recording, n.seen = true, nil
	n.runFor(time.Hour)
	if got := len(n.seen); got > 130 {
		t.Errorf("%d messages in an hour in which nothing happened", got)
	}
	agree(t, in, open)
}

// A peer whose data comes from two addresses in turn moves once a second, and that is told as
// rarely.
func TestTwoAddressesInTurn(t *testing.T) {
	n := newNetwork(t, 7)
	a, b := n.connected(func(c *crypto.Config) { c.NAT = true })
	flip := false
	n.attack = func(d datagram) []datagram {
		if d.data[0] == crypto.TypeData && d.from == b.addr {
			if flip = !flip; flip {
				d.from = outside
			}
		}
		return []datagram{d}
	}
	for i := range uint64(5000) {
		b.frame(a, i)
		n.runFor(time.Millisecond)
	}
	if got := a.count(crypto.Moved); got < 1 || got > 6 {
		t.Errorf("told %d times in 5 s", got)
	}
	if got := a.status(b).Moves; got > 20 {
		t.Errorf("moved %d times in 5 s", got)
	}
	if len(a.frames) < 4900 {
		t.Errorf("%d of 5000 frames arrived", len(a.frames))
	}
}

// Data that was sealed in an epoch that is over moves nobody.
func TestLateDataMovesNobody(t *testing.T) {
	n := newNetwork(t, 8)
	a, b := n.connected(func(c *crypto.Config) { c.NAT = true })
	n.attack = func(d datagram) []datagram {
		if d.data[0] != crypto.TypeData {
			return []datagram{d}
		}
		d.from = outside
		n.land(d, time.Second)
		return nil
	}
	b.frame(a, 1)
	n.attack = nil
	if err := a.Rotate(a.peer(b)); err != nil {
		t.Fatal(err)
	}
	n.runFor(2 * time.Second)
	if a.frames[1] != 1 || a.status(b).Moves != 0 {
		t.Errorf("frames %v, moved %d times", a.frames, a.status(b).Moves)
	}
}
