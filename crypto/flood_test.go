package crypto_test

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/vxtap/vxtap/crypto"
)

// capture returns the last datagram of a type that was sent.
func (n *network) capture(kind byte) datagram {
	n.t.Helper()
	for i := len(n.seen) - 1; i >= 0; i-- {
		if n.seen[i].data[0] == kind {
			return n.seen[i]
		}
	}
	n.t.Fatalf("no message of type %#x", kind)
	panic("not reached")
}

func source(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}), uint16(1024+i%60000))
}

// A stranger who does not know our key costs one hash a datagram, gets no answer and
// leaves nothing behind.
func TestFloodOfStrangers(t *testing.T) {
	n := newNetwork(t, 1)
	_, b := n.connected(nil)
	hashes, handshakes := b.Cost()
	epochs, attempts, keys := b.Kept()
	const flood = 10000
	forged := make([]byte, crypto.InitiationSize)
	forged[0], forged[1] = crypto.TypeInitiation, crypto.Version
	for i := range flood {
		forged[4+i%4], forged[20+i%100] = byte(i), byte(i)
		if out := b.Receive(forged, source(i), nil); len(out) > 0 {
			t.Fatalf("a stranger is answered with %x", out[0].Data)
		}
	}
	h, s := b.Cost()
	if h-hashes != flood || s != handshakes {
		t.Errorf("%d hashes and %d handshakes for %d datagrams", h-hashes, s-handshakes, flood)
	}
	if x, y, z := b.Kept(); x != epochs || y != attempts || z != keys {
		t.Errorf("it keeps %d, %d, %d, before %d, %d, %d", x, y, z, epochs, attempts, keys)
	}
	if refused := b.Refused(); refused[crypto.RefusedMAC] != flood || refused.Total() != flood {
		t.Errorf("refused: %v", refused)
	}
}

// Who knows our key and nothing else costs agreements up to a limit. After that there are
// cookies, for some, and what carries none is not read.
func TestFloodWithTheKey(t *testing.T) {
	n := newNetwork(t, 2)
	// Its peers are strangers of b's that know b's key.
	b := n.add(0, nil)
	var made [][]byte
	for i := range 40 {
		s := n.add(i+1, nil)
		s.knows(b, crypto.PSK{})
		out, _ := s.Poll(nil)
		made = append(made, out[0].Data)
		s.asleep = true
	}
	_, handshakes := b.Cost()
	const flood = 3000
	answers := 0
	for i := range flood {
		for _, m := range b.Receive(made[i%len(made)], source(i), nil) {
			if m.Data[0] != crypto.TypeCookie || len(m.Data) != crypto.ReplySize || m.To != source(i) {
				t.Fatalf("answered with %x", m.Data)
			}
			answers++
		}
	}
	if _, h := b.Cost(); h-handshakes != crypto.AtOnce {
		t.Errorf("%d initiations were read, want %d", h-handshakes, crypto.AtOnce)
	}
	if answers == 0 || answers > 1000 {
		t.Errorf("%d cookies", answers)
	}
}

// While such a flood goes on, a peer gets through by a cookie within a second.
func TestPeerInAFlood(t *testing.T) {
	n := newNetwork(t, 3)
	a, b := n.add(0, nil), n.add(1, nil)
	s := n.add(2, nil)
	s.knows(b, crypto.PSK{})
	out, _ := s.Poll(nil)
	s.asleep = true
	b.knows(a, crypto.PSK{})
	n.attack = func(d datagram) []datagram { // only a can begin
		if d.from == b.addr && d.data[0] == crypto.TypeInitiation {
			return nil
		}
		return []datagram{d}
	}
	at := n.now + 5*time.Second
	for i := 0; n.now < at; i++ {
		b.Receive(bytes.Clone(out[0].Data), source(i), nil)
		if n.now == at-time.Second {
			a.knows(b, crypto.PSK{})
			a.woken = true
		}
		n.runFor(time.Millisecond)
	}
	agree(t, a, b)
}

// A cookie is good for one address, and for some minutes.
func TestCookieIsBoundToAddressAndTime(t *testing.T) {
	n := newNetwork(t, 4)
	b := n.add(0, nil)
	s := n.add(1, nil)
	s.knows(b, crypto.PSK{})
	out, _ := s.Poll(nil)
	s.asleep = true
	exhaust := func() {
		for range crypto.AtOnce + 1 {
			b.Receive(out[0].Data, source(1), nil)
		}
	}
	exhaust()
	cookies := b.Receive(out[0].Data, s.addr, nil)
	if len(cookies) != 1 {
		t.Fatal("no cookie")
	}
	s.Receive(cookies[0].Data, b.addr, nil)
	n.now += 300 * time.Millisecond
	again, _ := s.Poll(nil)
	read := func(from netip.AddrPort) bool {
		_, before := b.Cost()
		b.Receive(again[0].Data, from, nil)
		_, after := b.Cost()
		return after > before
	}
	exhaust()
	if read(source(2)) {
		t.Error("a cookie is good for another address")
	}
	if read(netip.AddrPortFrom(s.addr.Addr(), 9)) {
		t.Error("a cookie is good for another port")
	}
	if !read(s.addr) {
		t.Error("a cookie is refused")
	}
	n.now += 110 * time.Second
	if exhaust(); !read(s.addr) {
		t.Error("a cookie is refused after two minutes")
	}
	n.now += 5 * time.Minute
	if exhaust(); read(s.addr) {
		t.Error("a cookie is good after seven minutes")
	}
}
