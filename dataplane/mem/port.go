package mem

import (
	"sync"
	"sync/atomic"

	"github.com/vxtap/vxtap/encap"
)

// DefaultDepth is how many frames or datagrams a queue holds unless it is told
// otherwise.
const DefaultDepth = 1024

// Overflow says what becomes of a frame that is written to a port whose far side has
// not made room.
type Overflow uint8

const (
	// Refuse answers Write with ENOBUFS.
	Refuse Overflow = iota
	// DropOldest gives up the frame that has waited longest.
	DropOldest
	// Discard keeps no frame at all: the port is a sink that counts.
	Discard
)

// PortConfig says what a port is like. The zero PortConfig is a port without
// offloads, for frames of any size.
type PortConfig struct {
	// Depth is how many frames wait in each direction; 0 is DefaultDepth.
	Depth int
	// MTU is the most bytes behind the Ethernet header, VLAN tags not counted, of a
	// frame that is not a superframe; 0 is no limit. Longer ones are refused in both
	// directions.
	MTU int
	// Offloads is what Write takes.
	Offloads encap.OffloadSet
	// Overflow is for frames that are written and not received.
	Overflow Overflow
	// FailWrite, if set, is asked about each frame before it is taken, under the
	// port's lock; an error is returned by Write as it is. The frame is borrowed.
	FailWrite func(f *encap.Frame) error
	// RefuseRead, if set, says what the port makes of each frame that is read, under the
	// port's lock. The frame is borrowed.
	RefuseRead func(f *encap.Frame) encap.Refusal
}

// Port is one queue of a port, and its far side: the host that a TAP would have.
// Any goroutine may call any method, but only one at a time may Read.
type Port struct {
	cfg      PortConfig
	offloads atomic.Uint32

	mu      sync.Mutex
	in      fifo[frame] // injected, not read
	out     fifo[frame] // written, not received
	repeat  repeat[encap.Frame]
	notify  func()
	closed  bool
	counts  PortCounts
	arrived chan struct{} // holds a token while out may have frames
	done    chan struct{} // closed by Close
}

// frame is a frame at rest: in one piece, in a buffer of the queue's.
type frame struct {
	data    []byte
	offload encap.Offload
}

// PortCounts is what a port has seen, in frames.
type PortCounts struct {
	Injected      uint64 // taken by Inject
	InjectDropped uint64 // refused by Inject
	Read          uint64 // returned by Read
	Written       uint64 // taken by Write, evicted and discarded ones included
	WrittenBytes  uint64
	Refused       uint64 // refused by Write, for whatever reason
	Evicted       uint64 // given up by DropOldest
	Received      uint64 // returned by Receive and TryReceive
}

// NewPort returns a port that is up.
func NewPort(cfg PortConfig) *Port {
	if cfg.Depth <= 0 {
		cfg.Depth = DefaultDepth
	}
	p := &Port{
		cfg:     cfg,
		in:      newFIFO[frame](cfg.Depth),
		out:     newFIFO[frame](cfg.Depth),
		arrived: make(chan struct{}, 1),
		done:    make(chan struct{}),
	}
	p.SetOffloads(cfg.Offloads)
	return p
}

// FD returns -1: the port announces frames through Notify.
func (p *Port) FD() int { return -1 }

// Offloads is what Write takes.
func (p *Port) Offloads() encap.OffloadSet { return encap.OffloadSet(p.offloads.Load()) }

// SetOffloads changes what Write takes from now on, as when a kernel goes back on its
// word.
func (p *Port) SetOffloads(s encap.OffloadSet) { p.offloads.Store(uint32(s)) }

// Counts returns the counters, consistent among themselves.
func (p *Port) Counts() PortCounts {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts
}

// Close is the device going away, seen from both sides. Frames that were written can
// still be received; those that were injected are lost. It may be called again.
func (p *Port) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	close(p.done)
	ready := p.notify
	p.mu.Unlock()
	announce(ready)
	return nil
}

// Notify sets the function to call, from any goroutine and under no lock, when the
// port goes from empty to readable or is closed. It is called at once if the port is
// readable already.
func (p *Port) Notify(ready func()) {
	p.mu.Lock()
	p.notify = ready
	now := p.closed || p.in.n > 0 || p.repeat.left()
	p.mu.Unlock()
	if now {
		announce(ready)
	}
}

func announce(ready func()) {
	if ready != nil {
		ready()
	}
}
