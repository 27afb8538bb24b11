package dataplane

import "sync/atomic"

const cacheLine = 64

// counters are what one worker counts in one direction, for one network or for what
// belongs to none. Only that worker writes them, and for frames that had to wait for a
// key the sealer; anyone may read. The pad keeps
// two workers' counters from sharing a cache line.
//
// Frames and bytes are counted as on a wire: a superframe counts as its segments, each
// with its headers.
type counters struct {
	frames         atomic.Uint64
	bytes          atomic.Uint64
	forwarded      atomic.Uint64
	forwardedBytes atomic.Uint64
	copies         atomic.Uint64
	answers        atomic.Uint64
	waiting        atomic.Int64 // a level; also written by the sealer
	drops          [numDrops]atomic.Uint64
	_              [cacheLine]byte
}

// Counts is a reading of one direction's counters. Between batches,
// Frames = Forwarded + Waiting + the sum of Drops.
type Counts struct {
	Frames         uint64           // received, as wire-size frames
	Bytes          uint64           // of these, from the Ethernet header on
	Forwarded      uint64           // frames that reached at least one destination
	ForwardedBytes uint64           // their bytes, once each
	Copies         uint64           // further copies that flooding made
	Answers        uint64           // ICMP errors that told of frames too big for the tunnel
	Waiting        uint64           // frames that wait for a session with their peer, now
	Drops          [numDrops]uint64 // by Drop
}

// Dropped returns the sum of all drops.
func (c *Counts) Dropped() uint64 {
	var sum uint64
	for _, n := range c.Drops {
		sum += n
	}
	return sum
}

// Add adds the counts of another VTEP's.
func (c *Counts) Add(o *Counts) {
	c.Frames += o.Frames
	c.Bytes += o.Bytes
	c.Forwarded += o.Forwarded
	c.ForwardedBytes += o.ForwardedBytes
	c.Copies += o.Copies
	c.Answers += o.Answers
	c.Waiting += o.Waiting
	for i := range o.Drops {
		c.Drops[i] += o.Drops[i]
	}
}

func (c *Counts) add(k *counters) {
	c.Frames += k.frames.Load()
	c.Bytes += k.bytes.Load()
	c.Forwarded += k.forwarded.Load()
	c.ForwardedBytes += k.forwardedBytes.Load()
	c.Copies += k.copies.Load()
	c.Answers += k.answers.Load()
	c.Waiting += uint64(k.waiting.Load())
	for i := range k.drops {
		c.Drops[i] += k.drops[i].Load()
	}
}

func sumCounters(of []counters) Counts {
	var c Counts
	for i := range of {
		c.add(&of[i])
	}
	return c
}
