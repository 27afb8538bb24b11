package crypto_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/vxtap/vxtap/crypto"
)

func TestTwoNodesExchangeData(t *testing.T) {
	for _, suite := range []crypto.Suite{crypto.AES128GCM, crypto.AES256GCM} {
		n := newNetwork(t, 1)
		a, b := n.pair(func(c *crypto.Config) { c.Suite = suite })
		if a.frame(b, 1) {
			t.Fatal("sent without a session")
		}
		n.runFor(100 * time.Millisecond)
		a.frame(b, 2)
		b.frame(a, 3)
		n.runFor(time.Second)
		if b.frames[2] != 1 || a.frames[3] != 1 {
			t.Errorf("%v: a has %v, b has %v", suite, a.frames, b.frames)
		}
		if a.count(crypto.Established) != 1 || b.count(crypto.Established) != 1 {
			t.Errorf("%v: events %v and %v", suite, a.events, b.events)
		}
	}
}

// agree checks that two nodes use the same epoch, which is what senders and receivers of
// the next 12 hours depend on.
func agree(t interface{ Fatalf(string, ...any) }, a, b *end) {
	x, y := a.status(b), b.status(a)
	if x.State != crypto.Secure || y.State != crypto.Secure || x.Epoch != y.Epoch {
		t.Fatalf("%v is %v in epoch %d, %v is %v in epoch %d", a.addr, x.State, x.Epoch, b.addr, y.State, y.Epoch)
	}
}

// exchange sends frames both ways, and checks that each arrives once.
func exchange(t interface{ Fatalf(string, ...any) }, a, b *end, first uint64, count int) {
	for i := range uint64(count) {
		if !a.frame(b, first+i) || !b.frame(a, first+i) {
			t.Fatalf("frame %d cannot be sent", first+i)
		}
		a.net.runFor(time.Millisecond)
	}
	a.net.runFor(2 * time.Second)
	for i := range uint64(count) {
		if a.frames[first+i] != 1 || b.frames[first+i] != 1 {
			t.Fatalf("frame %d arrived %d and %d times", first+i, a.frames[first+i], b.frames[first+i])
		}
	}
}

func TestBadNetworks(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			n := newNetwork(t, seed)
			n.loss = n.rand.Float64() / 2
			n.twice = n.rand.Float64() / 2
			spread := 1 + n.rand.Int64N(int64(400*time.Millisecond))
			n.delay = func() time.Duration { return time.Duration(n.rand.Int64N(spread)) }
			a, b := n.pair(nil)
			for range n.rand.IntN(11) {
				n.runFor(time.Duration(n.rand.Int64N(int64(5 * time.Second))))
				for i, e := range n.ends {
					if n.rand.IntN(2) == 0 {
						if err := e.Rotate(e.peer(n.ends[1-i])); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
			n.runFor(2 * time.Minute)
			n.loss = 0
			n.runFor(20 * time.Second)
			agree(t, a, b)
			exchange(t, a, b, 100, 20)
		})
	}
}

func TestSimultaneousStart(t *testing.T) {
	for seed := range uint64(20) {
		n := newNetwork(t, seed)
		a, b := n.connected(nil)
		agree(t, a, b)
		exchange(t, a, b, 1, 10)
		// Two handshakes crossed. The rotations that follow are one at a time.
		n.runFor(12 * time.Hour)
		agree(t, a, b)
		if got := a.count(crypto.Rotated) + b.count(crypto.Rotated); got != 2 {
			t.Errorf("seed %d: %d rotations in 12 hours, counted at both ends, want 2", seed, got)
		}
	}
}

func TestOneSideStartsLater(t *testing.T) {
	n := newNetwork(t, 3)
	a := n.add(0, nil)
	b := n.add(1, nil)
	b.asleep = true
	a.knows(b, crypto.PSK{})
	n.runFor(time.Hour)
	tries := a.status(b).Tries
	if tries < 500 || tries > 1500 {
		t.Errorf("%d tries in an hour, want one each 5 s or so", tries)
	}
	b.asleep = false
	b.knows(a, crypto.PSK{})
	n.runFor(time.Second)
	agree(t, a, b)
	exchange(t, a, b, 1, 3)
}

// A frame that waits cuts a long pause short, but only a few times: else both ends would be
// busy with their newest tries where answers are slow.
func TestWantHurries(t *testing.T) {
	n := newNetwork(t, 4)
	a, b := n.add(0, nil), n.add(1, nil)
	p := a.knows(b, crypto.PSK{})
	n.runFor(time.Minute)
	before := a.status(b).Tries
	for range 1000 {
		p.Want()
		n.runFor(time.Millisecond)
	}
	if tries := a.status(b).Tries - before; tries < 3 || tries > 4 {
		t.Errorf("%d tries in a second in which frames wait, want 3", tries)
	}
}

func TestRestartedPeerWithAnEarlierClock(t *testing.T) {
	for _, back := range []time.Duration{0, time.Second, time.Hour, 1000 * time.Hour} {
		t.Run(fmt.Sprint(back), func(t *testing.T) {
			n := newNetwork(t, 5)
			a, b := n.connected(nil)
			n.runFor(10 * time.Second)
			b.Close()
			b.skew = -back
			b.start(nil)
			b.knows(a, crypto.PSK{})
			at := n.now
			for b.peer(a).Sending() == nil && n.now < at+time.Second {
				b.peer(a).Want()
				n.runFor(10 * time.Millisecond)
			}
			n.runFor(50 * time.Millisecond)
			agree(t, a, b)
			exchange(t, a, b, 1, 3)
			if challenged := b.count(crypto.Challenged) > 0; challenged != (back > time.Minute) {
				t.Errorf("clock %v back, challenged: %v", back, challenged)
			}
			// It goes on: each of its later handshakes is challenged, and none fails.
			for range 3 {
				n.runFor(15 * time.Second)
				if err := b.Rotate(b.peer(a)); err != nil {
					t.Fatal(err)
				}
			}
			n.runFor(time.Second)
			agree(t, a, b)
		})
	}
}

func TestConfirmationLost(t *testing.T) {
	n := newNetwork(t, 6)
	a, b := n.connected(nil)
	before := a.status(b).Epoch
	lose := 3
	n.attack = func(d datagram) []datagram {
		if d.data[0] == crypto.TypeKeepalive && d.from == a.addr && lose > 0 {
			lose--
			return nil
		}
		return []datagram{d}
	}
	if err := a.Rotate(a.peer(b)); err != nil {
		t.Fatal(err)
	}
	n.runFor(50 * time.Millisecond)
	if a.status(b).Epoch == before || b.status(a).Epoch != before {
		t.Fatal("the responder sends in an epoch that was not confirmed")
	}
	if !b.frame(a, 1) {
		t.Fatal("no epoch to send in")
	}
	n.runFor(2 * time.Second)
	agree(t, a, b)
	if lose != 0 || a.frames[1] != 1 {
		t.Errorf("%d confirmations not sent, frames %v", lose, a.frames)
	}
}

// If nothing of the initiator's arrives for a while, it begins anew.
func TestAllConfirmationsLost(t *testing.T) {
	n := newNetwork(t, 7)
	a, b := n.connected(nil)
	n.attack = func(d datagram) []datagram {
		if d.data[0] == crypto.TypeKeepalive {
			return nil
		}
		return []datagram{d}
	}
	if err := a.Rotate(a.peer(b)); err != nil {
		t.Fatal(err)
	}
	n.runFor(5 * time.Minute)
	n.attack = nil
	n.runFor(20 * time.Second)
	agree(t, a, b)
	exchange(t, a, b, 1, 5)
}

// Data confirms an epoch as well as a confirmation does.
func TestDataConfirms(t *testing.T) {
	n := newNetwork(t, 8)
	a, b := n.connected(nil)
	n.attack = func(d datagram) []datagram {
		if d.data[0] == crypto.TypeKeepalive {
			return nil
		}
		return []datagram{d}
	}
	if err := a.Rotate(a.peer(b)); err != nil {
		t.Fatal(err)
	}
	n.runFor(50 * time.Millisecond)
	a.frame(b, 1)
	n.runFor(50 * time.Millisecond)
	agree(t, a, b)
	exchange(t, a, b, 10, 5)
}

// Handshakes that cross end in another order at one end than at the other. Both ends still
// take the same epoch for the newest, or each would drop what the other sends in.
func TestCrossingHandshakesEndAlike(t *testing.T) {
	n := newNetwork(t, 9)
	a, b := n.connected(nil)
	n.attack = func(d datagram) []datagram {
		late := time.Duration(0)
		switch {
		case d.data[0] == crypto.TypeResponse && d.from == b.addr:
			late = 30 * time.Millisecond
		case d.data[0] == crypto.TypeKeepalive && d.from == b.addr:
			late = 50 * time.Millisecond
		default:
			return []datagram{d}
		}
		n.land(d, late)
		return nil
	}
	before := a.status(b).Epoch
	if err := a.Rotate(a.peer(b)); err != nil {
		t.Fatal(err)
	}
	n.runFor(10 * time.Millisecond) // b has answered, and begins its own
	if err := b.Rotate(b.peer(a)); err != nil {
		t.Fatal(err)
	}
	n.runFor(90 * time.Millisecond)
	n.attack = nil
	agree(t, a, b)
	if got := a.status(b).Epoch; got != before+1 {
		t.Errorf("epoch %d, want %d", got, before+1)
	}
	n.runFor(2 * time.Minute) // after the grace
	exchange(t, a, b, 1, 5)
}
