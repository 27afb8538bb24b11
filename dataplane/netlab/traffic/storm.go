package traffic

import (
	"net/netip"
	"time"
)

// StormConfig says what [Storm] sends.
type StormConfig struct {
	To netip.AddrPort
	// Packets are UDP payloads, of at least one byte each: a burst of the first, one of the
	// second, and so on, over and over.
	Packets [][]byte
	// Flows are as many source ports, a burst from each in turn; 0 stands for one.
	Flows int
	// Rate is datagrams a second; 0 is as fast as it goes.
	Rate float64
	// Trains leaves it to the kernel to cut bursts into datagrams, or not to where the way
	// takes them whole. More of them can be sent so.
	Trains bool
}

// StormResult is what a storm was.
type StormResult struct {
	Sent    uint64 // as the sender's kernel said
	Elapsed time.Duration
}

// Rate is datagrams a second.
func (r StormResult) Rate() float64 { return rate(float64(r.Sent), r.Elapsed) }
