package crypto

import (
	"net/netip"
	"testing"
	"time"
)

// duo is two nodes without a network, at a time that is set.
type duo struct {
	t            *testing.T
	now          time.Duration
	a, b         *Node
	toB, toA     *Peer
	addrA, addrB netip.AddrPort
	keyA, keyB   PrivateKey
	heard        map[EventKind]int // events of a
}

func newDuo(t *testing.T) *duo {
	d := &duo{
		t: t, now: 1000 * time.Hour, heard: make(map[EventKind]int),
		addrA: netip.MustParseAddrPort("10.0.0.1:4789"), addrB: netip.MustParseAddrPort("10.0.0.2:4789"),
		keyA: PrivateKey{1: 1, 31: 7}, keyB: PrivateKey{1: 2, 31: 7},
	}
	d.a, d.b = d.node(d.keyA, func(e Event) { d.heard[e.Kind]++ }), d.node(d.keyB, nil)
	d.toB, d.toA = d.peer(d.a, d.keyB, d.addrB), d.peer(d.b, d.keyA, d.addrA)
	return d
}

func (d *duo) node(key PrivateKey, events func(Event)) *Node {
	n, err := NewNode(Config{Identity: key, Queues: 1, Clock: func() time.Duration { return d.now }, Events: events})
	if err != nil {
		d.t.Fatal(err)
	}
	return n
}

func (d *duo) peer(n *Node, key PrivateKey, at netip.AddrPort) *Peer {
	p, err := n.AddPeer(PeerConfig{Public: key.Public(), VTEP: at})
	if err != nil {
		d.t.Fatal(err)
	}
	return p
}

// settle has both say what they want to say, with no time in between.
func (d *duo) settle() {
	for range 3 {
		for _, begin := range []*Node{d.a, d.b} {
			messages, _ := begin.Poll(nil)
			at := begin
			for len(messages) > 0 {
				var back []Message
				from := d.addrA
				if at == d.b {
					from, at = d.addrB, d.a
				} else {
					at = d.b
				}
				for _, m := range messages {
					back = at.Receive(m.Data, from, back)
				}
				messages = back
			}
		}
	}
}

// A peer that answers each initiation with a challenge does not set our pace.
func TestChallengesWithoutEnd(t *testing.T) {
	d := newDuo(t)
	begin := d.now
	for d.now < begin+10*time.Second {
		out, _ := d.a.Poll(nil)
		for range 10 { // initiations follow challenges at once, if they do
			for _, m := range out {
				r, _ := d.b.read(m.Data, d.addrA)
				if r == nil {
					t.Fatal("not an initiation")
				}
				d.toA.challenges = 0
				out = nil
				for _, c := range d.b.giveChallenge(r, d.now, nil) {
					out = d.a.Receive(c.Data, d.addrB, out)
				}
			}
		}
		d.now += time.Millisecond
	}
	if d.toB.tries < 10 || d.toB.tries > 52 {
		t.Errorf("%d tries in 10 s, want one each 200 ms at the most", d.toB.tries)
	}
	if d.heard[Challenged] != 1 {
		t.Errorf("the challenge was told %d times", d.heard[Challenged])
	}
}

// An initiation with a huge number, which its sender cannot confirm, leaves numbers as they
// are; and one that is confirmed raises them by a bounded step.
func TestHugeNumbers(t *testing.T) {
	d := newDuo(t)
	d.settle()
	if d.toA.current() == nil {
		t.Fatal("no session")
	}
	before := d.toA.number
	evil := d.node(d.keyA, nil)
	p := d.peer(evil, d.keyB, d.addrB)
	p.number = maxNumber - 1
	d.now += time.Minute
	out, _ := evil.Poll(nil)
	answer := d.b.Receive(out[0].Data, d.addrA, nil)
	if len(answer) != 1 || d.toA.number != before {
		t.Fatalf("%d answers, number %d, want %d", len(answer), d.toA.number, before)
	}
	if got := d.toA.unconfirmed[0].number; got > before+maxStep {
		t.Errorf("number %d was taken", got)
	}
	for range 4 {
		d.now += time.Second
		if err := d.b.Rotate(d.toA); err != nil {
			t.Fatal(err)
		}
		last := d.toA.number
		d.settle()
		if x, y := d.toA.current(), d.toB.current(); x.number != y.number || x.number != last+1 || x.made != d.now {
			t.Fatalf("epochs %d and %d, want %d", x.number, y.number, last+1)
		}
	}
}

// A response that raises the number by too much is refused.
func TestHugeNumberInAResponse(t *testing.T) {
	d := newDuo(t)
	d.toA.number = maxStep + 5
	out, _ := d.a.Poll(nil)
	for _, m := range d.b.Receive(out[0].Data, d.addrA, nil) {
		d.a.Receive(m.Data, d.addrB, nil)
	}
	if d.toB.number != 0 || d.toB.current() != nil || d.toB.refused[RefusedForm] == 0 {
		t.Errorf("number %d, refused %v", d.toB.number, d.toB.refused)
	}
}

// Addresses of one IPv6 subnet share what one sender may have read.
func TestSubnetsShareALimit(t *testing.T) {
	var l load
	read := 0
	for i := range 200 {
		a := netip.MustParseAddr("2001:db8::1").As16()
		a[15] = byte(i)
		if l.proven(time.Hour, netip.AddrFrom16(a)) {
			read++
		}
	}
	if read != sourceAtOnce {
		t.Errorf("%d initiations of one subnet were read, want %d", read, sourceAtOnce)
	}
	if site(netip.MustParseAddr("::ffff:10.0.0.1")) == site(netip.MustParseAddr("10.0.0.2")) {
		t.Error("IPv4 addresses share a limit")
	}
}
