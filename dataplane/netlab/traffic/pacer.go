package traffic

import "time"

const (
	// maxBurst is how many datagrams go out in one system call.
	maxBurst = 64
	// burstInterval is how long datagrams gather for a burst, at rates that have
	// several in that time. 64 in 100 µs are 640 000 a second, one burst each.
	burstInterval = 100 * time.Microsecond
	// maxArrears is how much of a delay is made up for. A generator that was off the
	// processor for longer would answer with a burst that no rate promised.
	maxArrears = time.Millisecond
)

// pacer says when how many datagrams are due. Time is since the start.
type pacer struct {
	rate  float64 // datagrams a second; 0 is as fast as it goes
	burst int     // how many to wait for
	owed  float64 // datagrams due and not sent, as of last
	last  time.Duration
}

func newPacer(rate float64) pacer {
	burst := maxBurst
	if rate > 0 {
		burst = max(1, min(maxBurst, int(rate*burstInterval.Seconds())))
	}
	return pacer{rate: rate, burst: burst, owed: 1}
}

// due returns how many datagrams to send at time now; or none, and how long to wait
// before asking again.
func (p *pacer) due(now time.Duration) (int, time.Duration) {
	if p.rate == 0 {
		return maxBurst, 0
	}
	p.owed += p.rate * (now - p.last).Seconds()
	p.last = now
	p.owed = min(p.owed, float64(p.burst)+p.rate*maxArrears.Seconds())
	if missing := float64(p.burst) - p.owed; missing > 0 {
		return 0, time.Duration(missing / p.rate * 1e9)
	}
	return min(int(p.owed), maxBurst), 0
}

// sent tells that n datagrams went out.
func (p *pacer) sent(n int) { p.owed -= float64(n) }
