package crypto_test

import (
	"testing"
	"time"

	"github.com/vxtap/vxtap/crypto"
)

const (
	rotation = 12 * time.Hour
	month    = 30 * 24 * time.Hour
)

// rotations checks that an end never used an epoch for longer than it may, and returns how
// many there were.
func rotations(t *testing.T, e *end, from time.Duration) (n int) {
	t.Helper()
	last := from
	for _, v := range e.events {
		switch v.Kind {
		case crypto.Established, crypto.Rotated:
			if v.at-last > rotation {
				t.Errorf("%v: %v without a rotation", e.addr, v.at-last)
			}
			last = v.at
			n++
		case crypto.NotRenewed, crypto.Expired:
			t.Errorf("%v: %v", e.addr, v)
		}
	}
	if e.net.now-last > rotation {
		t.Errorf("%v: %v without a rotation at the end", e.addr, e.net.now-last)
	}
	return n
}

// longest is the longest time between rotations.
func longest(e *end) (d time.Duration) {
	for i := 1; i < len(e.events); i++ {
		d = max(d, e.events[i].at-e.events[i-1].at)
	}
	return d
}

func TestMonth(t *testing.T) {
	for _, c := range []struct {
		name string
		loss float64
		skew time.Duration
	}{
		{"good", 0, 0},
		{"lossy", 0.3, 0},
		{"clock an hour ahead", 0, time.Hour},
		{"clock an hour behind", 0.1, -time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNetwork(t, 1)
			a, b := n.pair(nil)
			a.skew, n.loss = c.skew, c.loss
			from := n.now
			for day := range uint64(30) {
				n.runUntil(from + time.Duration(day)*24*time.Hour + time.Minute)
				a.frame(b, day)
			}
			n.runUntil(from + month)
			// 60 periods, each shortened by 5 to 10 %.
			for _, e := range n.ends {
				if got := rotations(t, e, from); got < 62 || got > 68 {
					t.Errorf("%v: %d rotations in 30 days", e.addr, got)
				}
			}
			agree(t, a, b)
			if got := longest(a); c.loss == 0 && (got < rotation*90/100 || got > rotation*951/1000) {
				t.Errorf("the longest epoch was used for %v: the initiator begins at 90 to 95 %%", got)
			}
			if tries := a.status(b).Tries + b.status(a).Tries; c.loss == 0 && tries > 70 {
				t.Errorf("%d initiations for some 64 rotations", tries)
			}
		})
	}
}

// A clock that jumps while the node runs does no harm, either way.
func TestClockJumps(t *testing.T) {
	n := newNetwork(t, 2)
	a, b := n.connected(nil)
	for _, skew := range []time.Duration{time.Hour, -time.Hour, 0, -10000 * time.Hour} {
		a.skew = skew
		for _, e := range n.ends {
			before := e.status(n.other(e)).Epoch
			if err := e.Rotate(e.peer(n.other(e))); err != nil {
				t.Fatal(err)
			}
			n.runFor(100 * time.Millisecond)
			if e.status(n.other(e)).Epoch == before {
				t.Errorf("no rotation with a clock %v off", skew)
			}
			agree(t, a, b)
		}
	}
	if got := a.count(crypto.Challenged); got > 0 {
		t.Errorf("challenged %d times: stamps of a node that runs go up", got)
	}
}

// other is the other one of two.
func (n *network) other(e *end) *end {
	if e == n.ends[0] {
		return n.ends[1]
	}
	return n.ends[0]
}

// A peer that is gone: the epoch is used for a bounded time, then sending stops, and both
// is said.
func TestPeerGone(t *testing.T) {
	t.Parallel()
	n := newNetwork(t, 3)
	a, b := n.connected(nil)
	b.asleep = true
	made := n.now - a.status(b).Age
	n.runUntil(made + rotation - time.Second)
	if a.count(crypto.NotRenewed) != 0 || a.peer(b).Sending() == nil {
		t.Fatal("given up too early")
	}
	n.runUntil(made + rotation + time.Second)
	if a.count(crypto.NotRenewed) != 1 || a.status(b).State != crypto.Overdue || a.peer(b).Sending() == nil {
		t.Fatalf("after 12 hours: %v, %+v", a.events, a.status(b))
	}
	n.runUntil(made + rotation + time.Hour - time.Second)
	if !a.frame(b, 1) {
		t.Fatal("stopped before the hour was over")
	}
	n.runUntil(made + rotation + time.Hour + time.Second)
	if a.frame(b, 2) || a.count(crypto.Expired) != 1 || a.status(b).State != crypto.NoSession {
		t.Fatalf("after 13 hours: %v, %+v", a.events, a.status(b))
	}
	if epochs, _, keys := a.Kept(); epochs != 0 || keys != 0 {
		t.Errorf("%d epochs and %d keys are left", epochs, keys)
	}
	b.asleep = false
	n.runFor(6 * time.Second)
	agree(t, a, b)
	exchange(t, a, b, 10, 3)
}

// A machine that sleeps hears nothing and does nothing; its clock goes on.
func TestSuspendAndResume(t *testing.T) {
	t.Parallel()
	for _, slept := range []time.Duration{time.Minute, 5 * time.Hour, 11*time.Hour + 30*time.Minute, 12*time.Hour + 30*time.Minute, 14 * time.Hour} {
		for _, both := range []bool{false, true} {
			n := newNetwork(t, 4)
			a, b := n.connected(nil)
			a.asleep, b.asleep = both, true
			n.runFor(slept)
			a.asleep, b.asleep = false, false
			n.runFor(6 * time.Second)
			agree(t, a, b)
			exchange(t, a, b, 1, 3)
			for _, e := range n.ends {
				if age := e.status(n.other(e)).Age; age > rotation {
					t.Errorf("slept %v: %v in use for %v", slept, e.addr, age)
				}
			}
		}
	}
}

// The extension is in proportion to the time between rotations, and a minute at least.
func TestShortRotation(t *testing.T) {
	n := newNetwork(t, 5)
	a, b := n.connected(func(c *crypto.Config) { c.RotateAfter = 2 * time.Minute })
	from := n.now
	n.runFor(time.Hour)
	if got := a.count(crypto.Rotated); got < 30 || got > 34 {
		t.Errorf("%d rotations in an hour, want one each 110 s or so", got)
	}
	b.asleep = true
	n.runUntil(n.now + 4*time.Minute)
	if a.count(crypto.Expired) != 1 {
		t.Errorf("%v after the peer went: %v", n.now-from, a.events)
	}
}

func TestPollAfterClose(t *testing.T) {
	n := newNetwork(t, 6)
	a, _ := n.connected(nil)
	a.Close()
	a.Close()
	if messages, next := a.Poll(nil); len(messages) > 0 || next < month {
		t.Errorf("%d messages, next in %v", len(messages), next)
	}
}
