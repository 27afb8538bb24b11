package crypto_test

import (
	"testing"
	"time"

	"github.com/vxtap/vxtap/crypto"
)

// That there is no session is said after ten seconds, and then each ten minutes; and whether
// anything came back.
func TestStillNoSession(t *testing.T) {
	for name, c := range map[string]struct {
		psk    crypto.PSK
		asleep bool
		want   crypto.EventKind
		other  crypto.EventKind
	}{
		"nobody is there":            {asleep: true, want: crypto.NoAnswer, other: crypto.BadAnswer},
		"another key was configured": {psk: crypto.PSK{1}, want: crypto.BadAnswer, other: crypto.NoAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t, 1)
			a, b := n.add(0, nil), n.add(1, nil)
			a.knows(b, crypto.PSK{})
			b.knows(a, c.psk)
			b.asleep = c.asleep
			for _, at := range []struct {
				after time.Duration
				count int
			}{{9 * time.Second, 0}, {2 * time.Second, 1}, {9 * time.Minute, 1}, {61 * time.Second, 2}} {
				n.runFor(at.after)
				if got := a.count(c.want); got != at.count || a.count(c.other) != 0 {
					t.Fatalf("said %d times, want %d: %v", got, at.count, a.events)
				}
			}
		})
	}
}

func TestNoComplaintWithASession(t *testing.T) {
	n := newNetwork(t, 1)
	a, _ := n.pair(nil)
	n.runFor(time.Hour)
	if a.count(crypto.NoAnswer)+a.count(crypto.BadAnswer) != 0 {
		t.Errorf("events %v", a.events)
	}
}
