package station_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vxtap/vxtap/dataplane/station"
	"github.com/vxtap/vxtap/encap"
)

// A packet waits for its neighbour to be asked for, and comes before later ones, which are
// sent at once.
func TestNeighbourIsAskedFor(t *testing.T) {
	eachFamily(t, 1, func(b *bench, f family) {
		b.know(f)
		for i := range 3 {
			b.send(0, f.ours, f.their, fmt.Sprint(i))
		}
		b.want(0, "to who is known", theirMAC.String()+": 0", theirMAC.String()+": 1", theirMAC.String()+": 2")
	})
}

// What waited comes in its order, also on several queues, and before what comes after.
func TestOrderIsKept(t *testing.T) {
	eachFamily(t, 2, func(b *bench, f family) {
		for i := range 10 {
			b.send(i%2, f.ours, f.their, fmt.Sprint(i))
			b.readAll(1)
		}
		b.readAll(0)
		b.send(0, f.ours, f.their, "later")
		if err := b.receive(tells(t, theirMAC, f.their, f.ours, true)); err != nil {
			t.Fatal(err)
		}
		var even, odd []string
		for i := range 10 {
			if i%2 == 0 {
				even = append(even, fmt.Sprintf("%v: %d", theirMAC, i))
			} else {
				odd = append(odd, fmt.Sprintf("%v: %d", theirMAC, i))
			}
		}
		b.want(0, "queue 0", append(even, theirMAC.String()+": later")...)
		b.want(1, "queue 1", odd...)
	})
}

// Who becomes known between a packet's being read and its being addressed is sent first what
// waited.
func TestNothingOvertakes(t *testing.T) {
	eachFamily(t, 1, func(b *bench, f family) {
		b.send(0, f.ours, f.their, "first")
		b.readAll(0)
		b.meanwhile = func() {
			if err := b.receive(tells(t, theirMAC, f.their, f.ours, true)); err != nil {
				t.Error(err)
			}
		}
		b.send(0, f.ours, f.their, "second")
		b.want(0, "in their order", theirMAC.String()+": first", theirMAC.String()+": second")
	})
}

// Three questions, a second apart; then what waited is refused, and so is what comes in the
// next three seconds. After that it is asked again.
func TestNobodyAnswers(t *testing.T) {
	eachFamily(t, 1, func(b *bench, f family) {
		refused := "refused: " + encap.RefusalNoNeighbour.Error()
		b.send(0, f.ours, f.their, "lost")
		for range 3 {
			b.want(0, "a question", question(f, f.ours, f.their))
			b.want(0, "nothing within the second")
			elapse(time.Second)
		}
		b.want(0, "refusal", refused)
		b.unreachable(f.ours, f.their)
		b.send(0, f.ours, f.their, "too early")
		b.want(0, "refusal at once", refused)
		elapse(2 * time.Second)
		b.send(0, f.ours, f.their, "too early")
		b.want(0, "refusal at once", refused)
		elapse(time.Second)
		b.know(f)
	})
}

// Who comes back and asks is not refused any longer.
func TestRefusedNeighbourComes(t *testing.T) {
	eachFamily(t, 1, func(b *bench, f family) {
		b.send(0, f.ours, f.their, "lost")
		elapse(3 * time.Second)
		b.readAll(0)
		if err := b.receive(asks(t, theirMAC, f.their, f.ours, encap.Broadcast)); err != nil {
			t.Fatal(err)
		}
		b.readAll(0)
		b.send(0, f.ours, f.their, "hello")
		b.want(0, "sent", theirMAC.String()+": hello")
	})
}

// Packets for a neighbour that wait are bounded in number and bytes, and those of all
// neighbours; what does not fit is refused by that name.
func TestWaitingIsBounded(t *testing.T) {
	eachFamily(t, 1, func(b *bench, f family) {
		for range 70 {
			b.send(0, f.ours, f.their, "x")
		}
		b.send(0, f.ours, f.other, "to another")
		full := 0
		for _, s := range b.saying(0) {
			if s == "refused: "+encap.RefusalNeighbourQueue.Error() {
				full++
			}
		}
		if full != 6 {
			t.Errorf("%d of 70 are refused", full)
		}
		if err := b.receive(tells(t, otherMAC, f.other, f.ours, true)); err != nil {
			t.Fatal(err)
		}
		b.want(0, "another's", otherMAC.String()+": to another")
		if err := b.receive(tells(t, theirMAC, f.their, f.ours, true)); err != nil {
			t.Fatal(err)
		}
		if got := b.saying(0); len(got) != 64 {
			t.Errorf("%d waited", len(got))
		}
	})
	inVirtualTime(t, 1, func(b *bench) {
		f := families[0]
		for range 4 {
			b.send(0, f.ours, f.their, strings.Repeat("x", 65000))
		}
		got := b.saying(0)
		if len(got) != 2 || got[0] != "refused: "+encap.RefusalNeighbourQueue.Error() {
			t.Errorf("of four large packets: %q", got)
		}
	})
}

// As many neighbours as there may be: those that nobody uses make room, and others do not.
func TestTableIsBounded(t *testing.T) {
	inVirtualTime(t, 1, func(b *bench) {
		b.move(func(a *station.Addressing) {
			a.Routes = append(a.Routes, station.Route{To: netip.MustParsePrefix("10.0.0.0/8")})
		})
		elapse(time.Second)
		full := "refused: " + encap.RefusalNeighbourTable.Error()
		many := func(from int) (refused int) {
			for i := from; i < from+4200; i++ {
				b.send(0, ip("192.168.77.1"), netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), "x")
				if i%64 == 63 {
					for _, s := range b.saying(0) {
						if s == full {
							refused++
						}
					}
				}
			}
			return refused
		}
		if n := many(0); n < 4200-4096-64 {
			t.Errorf("of 4200 neighbours %d found no room", n)
		}
	})
}

// Questions are paced: a scan of a network asks no more than so many in a second.
func TestQuestionsArePaced(t *testing.T) {
	inVirtualTime(t, 1, func(b *bench) {
		for i := range 250 {
			b.send(0, ip("192.168.77.1"), netip.AddrFrom4([4]byte{192, 168, 77, byte(2 + i)}), "x")
		}
		if n := len(b.saying(0)); n != 128 {
			t.Errorf("%d questions at once", n)
		}
		elapse(500 * time.Millisecond)
		if n := len(b.saying(0)); n < 60 || n > 66 {
			t.Errorf("%d questions in half a second", n)
		}
	})
}

// A neighbour in use is asked again now and then, by its MAC, and used meanwhile; one that
// is gone is forgotten; one that nobody uses is not asked.
func TestNeighbourIsConfirmed(t *testing.T) {
	eachFamily(t, 1, func(b *bench, f family) {
		b.know(f)
		use := func() []string {
			b.send(0, f.ours, f.their, "x")
			return b.saying(0)
		}
		until := func(what string) time.Duration {
			for start := time.Now(); ; {
				for _, s := range use() {
					if s == what {
						return time.Since(start)
					}
					if s != theirMAC.String()+": x" {
						t.Fatalf("said %q", s)
					}
				}
				if time.Since(start) > time.Minute {
					t.Fatalf("never said %q", what)
				}
				elapse(time.Second / 2)
			}
		}
		if d := until(probe(theirMAC, f.ours, f.their)); d < 15*time.Second || d > 51*time.Second {
			t.Errorf("asked again after %v", d)
		}
		if err := b.receive(tells(t, theirMAC, f.their, f.ours, true)); err != nil {
			t.Fatal(err)
		}
		until(probe(theirMAC, f.ours, f.their))
		until(probe(theirMAC, f.ours, f.their))
		until(probe(theirMAC, f.ours, f.their))
		elapse(time.Second)
		b.send(0, f.ours, f.their, "who knows")
		b.want(0, "asked anew", question(f, f.ours, f.their))
	})
	eachFamily(t, 1, func(b *bench, f family) {
		b.know(f)
		elapse(5 * time.Minute)
		b.want(0, "nobody uses it")
		b.send(0, f.ours, f.their, "x")
		b.want(0, "forgotten", question(f, f.ours, f.their))
	})
}

// What is said unasked does not change what is known, but makes the station ask; the answer
// to that does.
func TestContradictions(t *testing.T) {
	cases := map[string]func(f family) []byte{
		"announcement":    func(f family) []byte { return tells(t, otherMAC, f.their, f.ours, false) },
		"unasked answer":  func(f family) []byte { return tells(t, otherMAC, f.their, f.ours, true) },
		"question to us":  func(f family) []byte { return asks(t, otherMAC, f.their, f.ours, ourMAC) },
		"question of all": func(f family) []byte { return asks(t, otherMAC, f.their, f.ours, encap.Broadcast) },
	}
	for name, said := range cases {
		t.Run(name, func(t *testing.T) {
			eachFamily(t, 1, func(b *bench, f family) {
				b.know(f)
				elapse(2 * time.Second)
				if err := b.receive(said(f)); err != nil {
					t.Fatal(err)
				}
				b.send(0, f.ours, f.their, "x")
				var asked, sent bool
				for _, s := range b.saying(0) {
					asked = asked || s == question(f, f.ours, f.their)
					sent = sent || s == theirMAC.String()+": x"
				}
				if !asked || !sent {
					t.Errorf("asked %t, sent to who is known %t", asked, sent)
				}
				if err := b.receive(tells(t, otherMAC, f.their, f.ours, true)); err != nil {
					t.Fatal(err)
				}
				b.send(0, f.ours, f.their, "y")
				b.want(0, "to who answered", otherMAC.String()+": y")
			})
		})
	}
}

// A flood of contradictions is asked about once a second at most.
func TestContradictionsArePaced(t *testing.T) {
	eachFamily(t, 1, func(b *bench, f family) {
		b.know(f)
		questions := 0
		for range 40 {
			if err := b.receive(tells(t, otherMAC, f.their, f.ours, false)); err != nil {
				t.Fatal(err)
			}
			for _, s := range b.saying(0) {
				if s != question(f, f.ours, f.their) {
					t.Errorf("said %q", s)
				}
				questions++
				if err := b.receive(tells(t, theirMAC, f.their, f.ours, true)); err != nil {
					t.Fatal(err)
				}
			}
			elapse(time.Second / 10)
		}
		if questions < 2 || questions > 4 {
			t.Errorf("asked %d times in four seconds", questions)
		}
	})
}
