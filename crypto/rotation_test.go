package crypto_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/vxtap/vxtap/crypto"
)

// Rotations, begun at either end or at both at a time, lose no frame that the network
// does not lose, at ten a second.
func TestRotationsLoseNothing(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			n := newNetwork(t, seed)
			a, b := n.connected(nil)
			spread := 1 + n.rand.Int64N(int64(40*time.Millisecond))
			n.delay = func() time.Duration { return time.Duration(n.rand.Int64N(spread)) }
			who := [][]*end{{a}, {b}, {a, b}}[seed%3]
			const frames = 150
			for i := range uint64(frames) {
				if i%25 == 0 {
					for _, e := range who {
						o := a
						if e == a {
							o = b
						}
						if err := e.Rotate(e.peer(o)); err != nil {
							t.Fatal(err)
						}
					}
				}
				if !a.frame(b, i) || !b.frame(a, i) {
					t.Fatalf("frame %d cannot be sent", i)
				}
				n.runFor(4 * time.Millisecond)
			}
			n.runFor(time.Second)
			for i := range uint64(frames) {
				if a.frames[i] != 1 || b.frames[i] != 1 {
					t.Fatalf("frame %d arrived %d and %d times", i, a.frames[i], b.frames[i])
				}
			}
			agree(t, a, b)
			if got := a.count(crypto.Rotated); got < 5 {
				t.Fatalf("%d rotations in 600 ms", got)
			}
		})
	}
}

// Packets of an epoch that was followed by another are opened for a minute.
func TestGrace(t *testing.T) {
	for late, arrives := range map[time.Duration]int{
		59 * time.Second: 1, 61 * time.Second: 0,
	} {
		n := newNetwork(t, 1)
		a, b := n.connected(nil)
		n.delay = func() time.Duration { return late }
		a.frame(b, 1)
		n.delay = func() time.Duration { return time.Millisecond }
		if err := a.Rotate(a.peer(b)); err != nil {
			t.Fatal(err)
		}
		n.runFor(2 * time.Minute)
		if b.frames[1] != arrives {
			t.Errorf("a packet %v late arrived %d times", late, b.frames[1])
		}
		if epochs, attempts, keys := b.Kept(); epochs != 1 || attempts != 0 || keys != 1 {
			t.Errorf("%d epochs, %d attempts and %d keys are left", epochs, attempts, keys)
		}
	}
}

// With three newer ones an epoch is over before its minute is.
func TestThreeNewerEpochs(t *testing.T) {
	n := newNetwork(t, 1)
	a, b := n.connected(nil)
	n.runFor(2 * time.Minute)
	old := a.peer(b).Sending()
	for i := range 3 {
		if _, ok := old.Seal(0, nil, make([]byte, 8), 0); !ok {
			t.Fatalf("an epoch with %d newer ones has ended", i)
		}
		if err := a.Rotate(a.peer(b)); err != nil {
			t.Fatal(err)
		}
		n.runFor(time.Second)
	}
	if _, ok := old.Seal(0, nil, make([]byte, 8), 0); ok {
		t.Error("an epoch that is over still seals")
	}
	if epochs, _, keys := b.Kept(); epochs != 3 || keys != 3 {
		t.Errorf("%d epochs and %d keys are kept, want 3", epochs, keys)
	}
}

// A queue that has used its share has the keys rotated, but not in the first ten seconds
// of an epoch.
func TestShareUsedUp(t *testing.T) {
	for _, old := range []time.Duration{time.Second, time.Minute} {
		n := newNetwork(t, 2)
		a, b := n.connected(nil)
		first := a.status(b)
		n.runFor(old)
		age := a.status(b).Age
		a.peer(b).Sending().UseUp(0)
		for i := range uint64(4) {
			a.frame(b, 2*i)
		}
		wait := max(0, crypto.MinRotation-age)
		if wait > time.Second {
			n.runFor(wait - time.Second)
			if a.status(b).Epoch != first.Epoch {
				t.Error("rotated before ten seconds were over")
			}
			n.runFor(time.Second)
		}
		n.runFor(100 * time.Millisecond)
		if a.status(b).Epoch == first.Epoch {
			t.Errorf("epoch of %v is not rotated", old)
		}
		agree(t, a, b)
		if b.frames[6] != 1 {
			t.Error("lost a frame")
		}
	}
}

// The operator does not wait for the ten seconds.
func TestRotateAtOnce(t *testing.T) {
	n := newNetwork(t, 3)
	a, b := n.connected(nil)
	first := a.status(b).Epoch
	for i := range uint64(5) {
		if err := a.Rotate(a.peer(b)); err != nil {
			t.Fatal(err)
		}
		n.runFor(100 * time.Millisecond)
		if got := a.status(b).Epoch; got != first+i+1 {
			t.Fatalf("epoch %d, want %d", got, first+i+1)
		}
	}
}

// Initiations that are never confirmed leave the session as it is.
func TestUnconfirmedDisplacesNothing(t *testing.T) {
	n := newNetwork(t, 4)
	a, b := n.connected(nil)
	before := b.status(a).Epoch
	n.attack = func(d datagram) []datagram {
		if d.from == b.addr && d.data[0] == crypto.TypeResponse {
			return nil
		}
		return []datagram{d}
	}
	if err := a.Rotate(a.peer(b)); err != nil {
		t.Fatal(err)
	}
	for range 30 {
		n.runFor(time.Second)
		if epochs, _, _ := b.Kept(); epochs > 1+1+crypto.UnconfirmedMax {
			t.Fatalf("%d epochs are kept", epochs)
		}
	}
	if got := b.status(a); got.Epoch != before || got.State != crypto.Secure {
		t.Fatalf("the session changed: %+v", got)
	}
	if got := b.status(a).Handshakes; got < 10 {
		t.Fatalf("only %d initiations were taken", got)
	}
	exchange(t, a, b, 1, 5)
	n.attack = nil
	n.runFor(10 * time.Second)
	agree(t, a, b)
	exchange(t, a, b, 10, 5)
}

func TestKeysEnd(t *testing.T) {
	n := newNetwork(t, 5)
	a, b := n.add(0, nil), n.add(1, nil)
	psk := crypto.PSK{1}
	a.knows(b, psk)
	b.knows(a, psk)
	n.runFor(time.Second)
	n.recording = true
	a.frame(b, 1)
	p, q := a.peer(b), b.peer(a)
	send := p.Sending()
	packet := n.seen[len(n.seen)-1].data
	receive := b.Receiving(crypto.Header(packet).Index())
	if send == nil || receive == nil || receive.Peer() != q {
		t.Fatal("no session")
	}
	a.RemovePeer(p)
	b.Close()
	n.runFor(time.Minute)
	if p.Sending() != nil || q.Sending() != nil || p.Secrets() || q.Secrets() {
		t.Error("a key is left")
	}
	if _, ok := send.Seal(0, nil, []byte("frame"), 0); ok {
		t.Error("a key that ended seals")
	}
	if _, _, v := receive.Open(packet); v == crypto.Opened {
		t.Error("a key that ended opens")
	}
	if b.Receiving(crypto.Header(packet).Index()) != nil {
		t.Error("a key that ended is found")
	}
	if b.frames[1] != 0 {
		t.Error("a closed node took a frame")
	}
	if err := a.Rotate(p); err == nil {
		t.Error("rotated with a peer that was removed")
	}
	if out := b.Receive(packet, a.addr, nil); len(out) > 0 {
		t.Error("a closed node answers")
	}
}

// Rotations that are asked for as fast as can be outrun no packet, whatever the order in which
// packets come.
func TestRotationsWithoutPause(t *testing.T) {
	t.Parallel()
	for _, spread := range []time.Duration{time.Millisecond, 60 * time.Millisecond} {
		for _, both := range []bool{false, true} {
			n := newNetwork(t, 3)
			a, b := n.connected(nil)
			n.delay = func() time.Duration { return time.Millisecond + time.Duration(n.rand.Int64N(int64(spread))) }
			const frames = 1000
			for i := range uint64(frames) {
				if err := a.Rotate(a.peer(b)); err != nil {
					t.Fatal(err)
				}
				if both {
					if err := b.Rotate(b.peer(a)); err != nil {
						t.Fatal(err)
					}
				}
				a.frame(b, i)
				n.runFor(time.Millisecond)
				if epochs, _, _ := b.Kept(); epochs > 2*crypto.KeptMost {
					t.Fatalf("%d epochs are kept", epochs)
				}
			}
			n.runFor(time.Second)
			if len(b.frames) != frames {
				t.Errorf("spread %v, both %v: %d of %d frames arrived", spread, both, len(b.frames), frames)
			}
			if got := a.count(crypto.Rotated); got < 4 {
				t.Errorf("spread %v, both %v: %d rotations in a second", spread, both, got)
			}
			agree(t, a, b)
		}
	}
}

// readerFunc is a source of bytes that sees what goes on when it is asked.
type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// Whoever can seal in an epoch can be answered in it: the receiving key is known to the
// workers before the sending key is. The node draws the time of the next rotation right
// after the keys, in the middle of the call that made them.
func TestReceivingKeyComesFirst(t *testing.T) {
	n := newNetwork(t, 5)
	var a, b *end
	seen := map[*crypto.SendKey]bool{}
	a, b = n.connected(func(c *crypto.Config) {
		random := c.Random
		c.Random = readerFunc(func(p []byte) (int, error) {
			if a != nil && c.Identity == a.key {
				if k := a.peer(b).Sending(); k != nil {
					seen[k] = true
					if !a.Answered(k) {
						t.Error("a key is sent with, and its answers would not be known")
					}
				}
			}
			return random.Read(p)
		})
	})
	for range 5 {
		if err := a.Rotate(a.peer(b)); err != nil {
			t.Fatal(err)
		}
		n.runFor(time.Second)
	}
	if len(seen) < 5 {
		t.Errorf("%d keys were seen", len(seen))
	}
}

// A rotation that is asked for while another handshake is under way ends in an epoch that is
// newer than the question.
func TestRotateWhileHandshakesCross(t *testing.T) {
	for late := time.Duration(0); late < 25*time.Millisecond; late += time.Millisecond {
		n := newNetwork(t, 4)
		a, b := n.connected(nil)
		if err := b.Rotate(b.peer(a)); err != nil {
			t.Fatal(err)
		}
		n.runFor(late)
		asked := n.now
		if err := a.Rotate(a.peer(b)); err != nil {
			t.Fatal(err)
		}
		n.runFor(time.Second)
		agree(t, a, b)
		for _, e := range n.ends {
			if made := n.now - e.status(n.other(e)).Age; made < asked {
				t.Errorf("asked %v after the other: the epoch was made %v before", late, asked-made)
			}
		}
	}
}
