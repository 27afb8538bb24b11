package control

import (
	"time"

	"golang.org/x/sys/unix"
)

// bootClock returns a clock that goes on while the machine sleeps, so that keys grow old
// then, too. It is nil where the kernel (a sandbox's) has none: then the time asleep is
// not counted.
func bootClock() func() time.Duration {
	if _, err := sinceBoot(); err != nil {
		return nil
	}
	return func() time.Duration {
		d, _ := sinceBoot() // it answered before
		return d
	}
}

func sinceBoot() (time.Duration, error) {
	var t unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t)
	return time.Duration(t.Nano()), err
}
