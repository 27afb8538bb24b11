package traffic

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whoever waits as long as told sends at the rate asked for, in bursts no larger than
// one system call takes.
func TestPacerKeepsTheRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Float64Range(100, 5e6).Draw(t, "rate")
		p := newPacer(rate)
		sent := 0
		var now time.Duration
		for now < time.Second {
			n, later := p.due(now)
			if n > maxBurst {
				t.Fatalf("burst of %d", n)
			}
			p.sent(n)
			sent += n
			now += later + time.Microsecond // asking takes time, too
		}
		if most := 64e6 * 1.01; rate < most && (float64(sent) < 0.99*rate-maxBurst || float64(sent) > 1.01*rate+maxBurst) {
			t.Fatalf("%d sent in a second at a rate of %.0f", sent, rate)
		}
	})
}

// After an absence only so much is made up for.
func TestPacerForgives(t *testing.T) {
	p := newPacer(100e3)
	sent := 0
	for n := -1; n != 0; {
		n, _ = p.due(time.Second)
		p.sent(n)
		sent += n
	}
	// 10 make a burst, and a millisecond's 100 come on top.
	if sent > 110 {
		t.Errorf("%d sent at once after a second's absence", sent)
	}
}
