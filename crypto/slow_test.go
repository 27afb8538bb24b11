package crypto_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/vxtap/vxtap/crypto"
)

// On long paths a session comes about too, however many frames wait at both ends: an answer is
// taken though several tries were made while it was on its way.
func TestLongPaths(t *testing.T) {
	t.Parallel()
	for _, oneWay := range []time.Duration{
		100 * time.Millisecond, 300 * time.Millisecond, 500 * time.Millisecond, 700 * time.Millisecond,
		time.Second, 1500 * time.Millisecond, 2 * time.Second,
	} {
		for _, both := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v both %v", oneWay, both), func(t *testing.T) {
				longPath(t, oneWay, both)
			})
		}
	}
}

func longPath(t *testing.T, oneWay time.Duration, both bool) {
	n := newNetwork(t, 1)
	n.delay = func() time.Duration { return oneWay }
	a, b := n.pair(nil)
	begin, i := n.now, uint64(0)
	for a.peer(b).Sending() == nil || b.peer(a).Sending() == nil {
		if n.now > begin+5*oneWay {
			t.Fatalf("no session after %v, and %d and %d tries", n.now-begin, a.status(b).Tries, b.status(a).Tries)
		}
		a.frame(b, i)
		if both {
			b.frame(a, i)
		}
		i++
		n.runFor(10 * time.Millisecond)
	}
	for range 20 { // what crossed ends
		n.runFor(time.Second)
	}
	agree(t, a, b)
	before := a.status(b).Epoch
	if err := a.Rotate(a.peer(b)); err != nil {
		t.Fatal(err)
	}
	n.runFor(10 * time.Second)
	agree(t, a, b)
	if a.status(b).Epoch == before {
		t.Error("no rotation")
	}
}

// A node that was restarted with an earlier clock is challenged there, and gets through.
func TestChallengeOnALongPath(t *testing.T) {
	for _, oneWay := range []time.Duration{300 * time.Millisecond, time.Second, 2 * time.Second} {
		n := newNetwork(t, 1)
		a, b := n.connected(nil)
		b.Close()
		b.skew = -time.Hour
		b.start(nil)
		b.knows(a, crypto.PSK{})
		n.delay = func() time.Duration { return oneWay }
		for i := uint64(0); b.peer(a).Sending() == nil; i++ {
			if i == 2000 {
				t.Fatalf("one way %v: no session after 20 s", oneWay)
			}
			b.frame(a, i)
			n.runFor(10 * time.Millisecond)
		}
		n.runFor(20 * time.Second)
		agree(t, a, b)
	}
}
