package traffic

import (
	"testing"
	"time"
)

func TestPercentile(t *testing.T) {
	var times []time.Duration
	for n := range 1000 {
		times = append(times, time.Duration(1000-n))
	}
	r := newRTTResult(times, 0)
	for _, c := range []struct {
		p    float64
		want time.Duration
	}{{0, 1}, {0.1, 1}, {50, 500}, {99, 990}, {99.9, 999}, {100, 1000}} {
		if got := r.Percentile(c.p); got != c.want {
			t.Errorf("percentile %v: %d, want %d", c.p, got, c.want)
		}
	}
	if got := (RTTResult{}).Percentile(50); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
}

func TestLoss(t *testing.T) {
	for _, c := range []struct {
		sent, received uint64
		want           float64
	}{{0, 0, 0}, {1000, 1000, 0}, {1000, 999, 0.001}, {1000, 0, 1}} {
		got := UDPResult{Sent: c.sent, Received: c.received}.Loss()
		if diff := got - c.want; diff > 1e-9 || diff < -1e-9 {
			t.Errorf("%d of %d: %v, want %v", c.received, c.sent, got, c.want)
		}
	}
}
