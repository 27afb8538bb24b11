package dataplane

import (
	"testing"
	"testing/synctest"
	"time"
)

// sleepFor is a sleep of the worker that lasts so long.
func (v *vigil) sleepFor(d time.Duration) {
	v.sleep()
	time.Sleep(d)
	v.wake()
}

// looks counts how often a worker looks while time passes by a tenth of the limit
// between looks.
func (v *vigil) looks() (n int) {
	v.begin()
	for v.lasts() {
		n++
		time.Sleep(v.limit / 10)
	}
	return n
}

func TestVigilFollowsShortSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := vigil{limit: 100 * time.Microsecond}
		if n := v.looks(); n != 0 {
			t.Errorf("%d looks before any sleep", n)
		}
		v.sleepFor(time.Millisecond)
		if n := v.looks(); n != 0 {
			t.Errorf("%d looks after a long sleep", n)
		}
		v.sleepFor(50 * time.Microsecond)
		if n := v.looks(); n != 10 {
			t.Errorf("%d looks after a short sleep, want 10", n)
		}
		if n := v.looks(); n != 0 {
			t.Errorf("%d looks after a vigil in vain", n)
		}
	})
}

func TestNoVigilUnlessAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var v vigil
		v.sleepFor(time.Nanosecond)
		if v.keep {
			t.Error("a vigil is due") // which would cost a system call
		}
		if n := v.looks(); n != 0 {
			t.Errorf("%d looks", n)
		}
	})
}
