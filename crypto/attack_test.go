package crypto_test

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/vxtap/vxtap/crypto"
)

// state is what must not change by anything that an attacker sends.
type state struct {
	status                 crypto.PeerStatus
	epochs, attempts, keys int
	events                 int
}

// stateOf leaves out what counts attempts and refusals, and what time changes.
func stateOf(e, o *end) (s state) {
	s.status = e.status(o)
	s.status.Refused, s.status.Age, s.status.NextRotation = crypto.Refusals{}, 0, 0
	s.epochs, s.attempts, s.keys = e.Kept()
	s.events = len(e.events)
	return s
}

// All that was ever sent is sent again, to both, from its own address and from others:
// nothing changes, and nothing but challenges comes back.
func TestReplaysChangeNothing(t *testing.T) {
	n := newNetwork(t, 1)
	n.recording = true
	a, b := n.connected(nil)
	for i := range uint64(6) {
		if err := n.ends[i%2].Rotate(n.ends[i%2].peer(n.ends[1-i%2])); err != nil {
			t.Fatal(err)
		}
		n.runFor(500 * time.Millisecond)
		a.frame(b, i)
		n.runFor(20 * time.Second)
	}
	n.runFor(2 * time.Minute)
	n.recording = false
	before := []state{stateOf(a, b), stateOf(b, a)}
	frames := len(b.frames)
	for _, d := range n.seen {
		for i, e := range n.ends {
			d.to, d.from = e.addr, n.ends[1-i].addr
			e.replay(t, d)
			d.from = source(1)
			e.replay(t, d)
		}
	}
	for i, e := range n.ends {
		if now := stateOf(e, n.ends[1-i]); !reflect.DeepEqual(now, before[i]) {
			t.Errorf("%v: %+v, before %+v", e.addr, now, before[i])
		}
	}
	if len(b.frames) != frames {
		t.Error("a frame was taken twice")
	}
	n.runFor(time.Minute)
	agree(t, a, b)
	exchange(t, a, b, 100, 3)
}

// replay hands over what an attacker has, and lets what is answered go nowhere.
func (e *end) replay(t *testing.T, d datagram) {
	t.Helper()
	data := bytes.Clone(d.data)
	if data[0] == crypto.TypeData {
		e.take(datagram{from: d.from, to: d.to, data: data})
		return
	}
	for _, m := range e.Receive(data, d.from, nil) {
		if m.Data[0] != crypto.TypeCookie || len(m.Data) > len(data) {
			t.Fatalf("a replay of type %#x is answered with type %#x of %d bytes", d.data[0], m.Data[0], len(m.Data))
		}
	}
	e.poll()
}

// After a restart nothing is remembered: an initiation from before makes an epoch that
// nobody can confirm, and moves nobody.
func TestReplayAfterRestart(t *testing.T) {
	n := newNetwork(t, 2)
	n.recording = true
	a, b := n.pair(nil)
	n.runFor(2 * time.Second)
	if err := a.Rotate(a.peer(b)); err != nil {
		t.Fatal(err)
	}
	n.runFor(20 * time.Second)
	old := n.capture(crypto.TypeInitiation)
	n.recording = false
	b.Close()
	b.start(nil)
	p := b.knows(a, crypto.PSK{})
	b.Receive(old.data, source(1), nil)
	b.Receive(old.data, source(2), nil)
	if got := b.status(a); got.Endpoint != a.addr || got.State != crypto.NoSession || got.Handshakes != 1 {
		t.Errorf("a replay of before the restart made this: %+v", got)
	}
	n.runFor(time.Second)
	agree(t, a, b)
	if p.Endpoint() != a.addr {
		t.Errorf("endpoint %v", p.Endpoint())
	}
	exchange(t, a, b, 1, 3)
}

// A bit of each byte of each handshake message, flipped on the way: the handshake fails or it
// is as if nothing had happened, and the next try succeeds.
func TestEachByteChanged(t *testing.T) {
	t.Parallel()
	sizes := map[byte]int{
		crypto.TypeInitiation: crypto.InitiationSize, crypto.TypeResponse: crypto.ResponseSize, crypto.TypeKeepalive: crypto.SignSize,
	}
	for kind, size := range sizes {
		n := newNetwork(t, 3)
		a, b := n.connected(nil)
		for at := range size {
			bit := 8*at + at%8 // one of each byte: each costs a handshake or two
			before := a.status(b).Epoch
			flipped := false
			n.attack = func(d datagram) []datagram {
				if d.data[0] == kind && !flipped {
					flipped = true
					d.data[bit/8] ^= 1 << (bit % 8)
				}
				return []datagram{d}
			}
			if err := a.Rotate(a.peer(b)); err != nil {
				t.Fatal(err)
			}
			n.runFor(50 * time.Millisecond)
			// The second MAC of a message is not looked at unless there is a load.
			ignored := kind == crypto.TypeKeepalive || bit/8 >= size-16
			if done := a.status(b).Epoch != before; done != ignored {
				t.Fatalf("bit %d of type %#x flipped, new epoch: %v", bit, kind, done)
			}
			n.runFor(time.Second)
			if a.status(b).Epoch == before {
				t.Fatalf("bit %d of type %#x flipped: no epoch after a second", bit, kind)
			}
			agree(t, a, b)
		}
		if a.status(b).Moves+b.status(a).Moves != 0 {
			t.Error("a peer moved")
		}
	}
}

// mallory sits on the path. What it does to datagrams is drawn.
type mallory struct {
	n    *network
	kept []datagram
}

func (m *mallory) touch(d datagram) []datagram {
	keep := d
	keep.data = bytes.Clone(d.data)
	m.kept = append(m.kept, keep)
	switch m.n.rand.IntN(10) {
	case 0: // drop
		return nil
	case 1: // duplicate
		return []datagram{d, d}
	case 2: // hold back
		m.n.land(d, time.Duration(m.n.rand.Int64N(int64(3*time.Second))))
		return nil
	case 3: // replay
		return []datagram{d, m.any()}
	case 4: // truncate, or lengthen
		return []datagram{d, m.cut(d)}
	case 5: // flip a bit
		return []datagram{m.flip(d)}
	case 6: // splice two messages
		return []datagram{d, m.splice(d)}
	case 7: // reflect to the sender
		back := d
		back.from, back.to = d.to, d.from
		return []datagram{d, back}
	case 8: // a copy from another address, ahead of the original
		copied := d
		copied.from = source(m.n.rand.IntN(100))
		return []datagram{copied, d}
	}
	return []datagram{d}
}

func (m *mallory) any() datagram { return m.kept[m.n.rand.IntN(len(m.kept))] }

func (m *mallory) cut(d datagram) datagram {
	d.data = append(bytes.Clone(d.data), 0)[:m.n.rand.IntN(len(d.data)+2)]
	return d
}

func (m *mallory) flip(d datagram) datagram {
	bit := m.n.rand.IntN(len(d.data) * 8)
	d.data = bytes.Clone(d.data)
	d.data[bit/8] ^= 1 << (bit % 8)
	return d
}

func (m *mallory) splice(d datagram) datagram {
	o := m.any()
	at := m.n.rand.IntN(min(len(d.data), len(o.data)) + 1)
	d.data = append(bytes.Clone(d.data[:at]), o.data[at:]...)
	return d
}

// Whatever is done to what two nodes say, nothing that was not sent arrives, nothing
// arrives twice, and once the attacker has gone all is well.
func TestAttackerOnThePath(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			n := newNetwork(t, seed)
			n.delay = func() time.Duration { return time.Duration(n.rand.Int64N(int64(50 * time.Millisecond))) }
			m := &mallory{n: n}
			n.attack = m.touch
			a, b := n.pair(nil)
			sent := [2]map[uint64]bool{{}, {}}
			for i := range uint64(120) {
				if i%20 == 0 {
					e := n.ends[n.rand.IntN(2)]
					if err := e.Rotate(e.peer(n.other(e))); err != nil {
						t.Fatal(err)
					}
				}
				for s, e := range n.ends {
					if e.frame(n.other(e), 2*i+uint64(s)) {
						sent[s][2*i+uint64(s)] = true
					}
				}
				n.runFor(20 * time.Millisecond)
			}
			n.attack = nil
			n.runFor(20 * time.Second)
			for s, e := range []*end{b, a} {
				for number, times := range e.frames {
					if !sent[s][number] || times != 1 {
						t.Fatalf("%v got frame %d %d times, sent: %v", e.addr, number, times, sent[s][number])
					}
				}
			}
			agree(t, a, b)
			exchange(t, a, b, 10000, 5)
			for _, e := range n.ends {
				if got := e.peer(n.other(e)).Endpoint(); got != n.other(e).addr {
					t.Fatalf("%v sends to %v", e.addr, got)
				}
			}
		})
	}
}

// The same by somebody who knows both public keys, and makes the first MAC anew: what is
// changed comes first, and the genuine message, which follows, is as good as ever. So
// nothing was taken from the forged one: no stamp, no index, no state of the handshake.
func TestEachBitForgedAhead(t *testing.T) {
	t.Parallel()
	for kind, size := range map[byte]int{crypto.TypeInitiation: crypto.InitiationSize, crypto.TypeResponse: crypto.ResponseSize} {
		n := newNetwork(t, 4)
		a, b := n.connected(nil)
		for bit := 0; bit < (size-32)*8; bit++ {
			if bit > 64 && bit%13 != 0 {
				continue // all bits up to the index, and a sample of what follows
			}
			before := a.status(b)
			done := false
			n.attack = func(d datagram) []datagram {
				if d.data[0] != kind || done {
					return []datagram{d}
				}
				done = true
				forged := d
				forged.data = bytes.Clone(d.data)
				forged.data[bit/8] ^= 1 << (bit % 8)
				receiver := a
				if d.to == b.addr {
					receiver = b
				}
				crypto.Remake(forged.data, receiver.key.Public())
				return []datagram{forged, d}
			}
			if err := a.Rotate(a.peer(b)); err != nil {
				t.Fatal(err)
			}
			n.runFor(50 * time.Millisecond)
			after := a.status(b)
			if after.Epoch != before.Epoch+1 || after.Tries != before.Tries+1 {
				t.Fatalf("bit %d of type %#x forged: epoch %d after %d, %d tries",
					bit, kind, after.Epoch, before.Epoch, after.Tries-before.Tries)
			}
			agree(t, a, b)
			n.runFor(time.Second)
		}
	}
}

// Points of low order as the ephemeral key of a response, by somebody who knows the keys
// and sees the index: the genuine response is taken afterwards.
func TestLowOrderAhead(t *testing.T) {
	for _, low := range []byte{0, 1} {
		n := newNetwork(t, 5)
		a, b := n.connected(nil)
		before := a.status(b)
		n.attack = func(d datagram) []datagram {
			if d.data[0] != crypto.TypeResponse {
				return []datagram{d}
			}
			forged := d
			forged.data = bytes.Clone(d.data)
			clear(forged.data[8:40])
			forged.data[8] = low
			crypto.Remake(forged.data, a.key.Public())
			return []datagram{forged, d}
		}
		if err := a.Rotate(a.peer(b)); err != nil {
			t.Fatal(err)
		}
		n.runFor(50 * time.Millisecond)
		if got := a.status(b); got.Epoch != before.Epoch+1 || got.Tries != before.Tries+1 {
			t.Errorf("a forged response spoiled the handshake: %+v", got)
		}
	}
}
