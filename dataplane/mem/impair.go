package mem

import (
	"math/rand/v2"
	"time"
)

// Impairments is what a wire does to the datagrams on it. The zero value is a perfect
// wire: immediate, in order, of any MTU. Probabilities go from 0 to 1.
type Impairments struct {
	// Delay is the time from Send to the far queue.
	Delay time.Duration
	// Jitter is added to Delay, evenly from 0 to this. It makes no datagram overtake
	// another: that is what Reorder is for.
	Jitter time.Duration
	// Loss is how likely a datagram is lost.
	Loss float64
	// Duplicate is how likely a datagram that is not lost comes twice.
	Duplicate float64
	// Reorder is how likely a datagram is held for another Jitter and ReorderLag, so
	// that those sent right behind it overtake it.
	Reorder float64
	// MTU is the most bytes of one IP packet, headers included; Send refuses longer
	// datagrams with EMSGSIZE. 0 is no limit but that of UDP.
	MTU int
	// KeepTrains hands a train over in one piece, with its SegmentSize, as UDP_GRO
	// does; it then has one fate. Otherwise it arrives as its datagrams.
	KeepTrains bool
	// Blackhole makes datagrams to addresses that nobody has vanish. Otherwise Send
	// answers ENETUNREACH.
	Blackhole bool
}

// ReorderLag is how much later than the latest of its neighbours a reordered datagram
// arrives.
const ReorderLag = time.Millisecond

// random reports whether any fate hangs on chance.
func (im *Impairments) random() bool {
	return im.Loss > 0 || im.Duplicate > 0 || im.Reorder > 0 || im.Jitter > 0
}

// fate is what becomes of one datagram.
type fate struct {
	copies [2]passage
	n      int // how many of copies there are: 0 is lost, 2 is duplicated
}

// passage is how one copy travels.
type passage struct {
	delay time.Duration
	late  bool // overtaken by those behind it
}

// draw decides on one datagram. It takes the same number of values from rng whatever
// it decides and whatever the probabilities are, so that the fate of the n-th datagram
// depends on nothing but seed and n.
func (im *Impairments) draw(rng *rand.Rand) fate {
	if !im.random() {
		return fate{copies: [2]passage{{delay: im.Delay}}, n: 1}
	}
	var f fate
	lost := rng.Float64() < im.Loss
	twice := rng.Float64() < im.Duplicate
	for i := range f.copies {
		f.copies[i] = im.passage(rng.Float64(), rng.Float64() < im.Reorder)
	}
	switch {
	case lost:
		f.n = 0
	case twice:
		f.n = 2
	default:
		f.n = 1
	}
	return f
}

func (im *Impairments) passage(jitter float64, late bool) passage {
	d := im.Delay + time.Duration(jitter*float64(im.Jitter))
	if late {
		d = im.Delay + im.Jitter + ReorderLag
	}
	return passage{delay: d, late: late}
}
