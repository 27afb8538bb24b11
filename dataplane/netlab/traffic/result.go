package traffic

import (
	"math"
	"slices"
	"time"
)

// TCPConfig says what [Client.TCP] does.
type TCPConfig struct {
	Streams  int
	WarmUp   time.Duration // before counting: slow start, and caches that fill
	Duration time.Duration // of counting
	// Mark, if set, is called at both ends of the counted time.
	Mark func()
}

// TCPResult is what arrived in the counted time.
type TCPResult struct {
	Bytes   int64
	Elapsed time.Duration // by the sink's clock
}

// Rate is the goodput in bits per second.
func (r TCPResult) Rate() float64 { return rate(8*float64(r.Bytes), r.Elapsed) }

// UDPConfig says what [Client.UDP] sends.
type UDPConfig struct {
	// Sizes of payload in bytes, at least 12 each, over and over.
	Sizes []int
	// Flows are as many destination ports, one datagram to each in turn.
	Flows int
	// Rate is datagrams a second, over all flows; 0 is as fast as it goes.
	Rate     float64
	Duration time.Duration
}

// UDPResult is what became of the datagrams.
type UDPResult struct {
	Sent       uint64        // as the sender's kernel said
	Elapsed    time.Duration // of sending
	Received   uint64        // each counted once
	Span       time.Duration // from the first that arrived to the last
	Duplicates uint64
	Reordered  uint64 // of Received: came after a later one of their flow
	// SinkDrops are those that arrived but did not fit the sink's sockets. They are lost,
	// too, but not on the way.
	SinkDrops uint64
}

// Loss is the share of datagrams that did not arrive, from 0 to 1.
func (r UDPResult) Loss() float64 {
	if r.Sent == 0 {
		return 0
	}
	return 1 - float64(min(r.Received, r.Sent))/float64(r.Sent)
}

// Offered is how many datagrams a second were sent.
func (r UDPResult) Offered() float64 { return rate(float64(r.Sent), r.Elapsed) }

// Delivered is how many of them a second arrived. What was still in a queue when sending
// ended does not make it higher.
func (r UDPResult) Delivered() float64 { return rate(float64(r.Received), max(r.Elapsed, r.Span)) }

// Late reports whether datagrams kept arriving after sending had ended, for longer than a
// sink that had to wait for the processor would explain: queues took up what the path
// did not carry.
func (r UDPResult) Late() bool { return r.Span > r.Elapsed+r.Elapsed/50+5*time.Millisecond }

func rate(n float64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return n / d.Seconds()
}

// RTTConfig says what [Client.RTT] does.
type RTTConfig struct {
	Size     int           // payload in bytes, at least 12
	Interval time.Duration // from one to the next; 0 is when the last was answered
	WarmUp   time.Duration // before counting
	Duration time.Duration // of counting
}

// RTTResult is the round-trip times that were measured.
type RTTResult struct {
	Times []time.Duration // ascending
	Lost  int             // not answered in 200 ms
}

// Percentile is the time that p percent of the round trips did not exceed (the nearest
// rank). It is 0 if there were none.
func (r RTTResult) Percentile(p float64) time.Duration {
	if len(r.Times) == 0 {
		return 0
	}
	// 99.9 % of 1000 is 999, whatever binary fractions say.
	rank := int(math.Ceil(p/100*float64(len(r.Times)) - 1e-6))
	return r.Times[min(max(rank, 1), len(r.Times))-1]
}

func newRTTResult(times []time.Duration, lost int) RTTResult {
	slices.Sort(times)
	return RTTResult{times, lost}
}
