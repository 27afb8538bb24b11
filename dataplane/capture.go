package dataplane

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/vxtap/vxtap/encap"
)

// Stage is where on its way a frame is captured. Stages can be combined.
type Stage uint8

const (
	// StageTap is frames as they were read from ports and written to them.
	StageTap Stage = 1 << iota
	// StageWire is datagrams as they were received and sent: VXLAN, or sealed.
	StageWire
	// StageDropped is frames, and packets that belong to no network, with the reason.
	StageDropped
)

// CaptureConfig says what to capture.
type CaptureConfig struct {
	Stages Stage
	// VNI is the only network to capture from; 0 means all, and what belongs to none. Sealed
	// datagrams belong to the networks that their peer is a member of, handshakes to none.
	VNI encap.VNI
	// Remote is the only VTEP that frames go to or come from; invalid means any, and local
	// frames.
	Remote netip.Addr
	// SnapLen is how many bytes of a frame are kept at most; 0 means all.
	SnapLen int
}

// Captured is a copy of a frame or datagram, on a stage of its way.
type Captured struct {
	Stage Stage // one
	Out   bool  // from a port, or to the underlay
	Time  time.Time
	VNI   encap.VNI // 0 if it belongs to none, or that cannot be told
	Port  string    // that it came from or was written to; empty on the wire
	// Remote is where it came from or went to, if that is known.
	Remote netip.AddrPort
	// Queue and Source say which socket a datagram left from, as in [encap.Datagram].
	Queue            int
	Source, TOS, TTL uint8
	Drop             Drop   // on [StageDropped]
	Frames           uint64 // wire-size frames that were dropped with it
	Packet           bool   // it is a UDP payload and not an Ethernet frame
	Length           int    // in bytes, before it was cut to SnapLen
	Data             []byte // the beginning of it; borrowed
}

const (
	// maxCaptures is how many captures can run at the same time.
	maxCaptures = 8
	// captureSlab is how many bytes the rings of a capture hold together, and
	// minCaptureSlab what each holds at least: several superframes.
	captureSlab    = 16 << 20
	minCaptureSlab = 512 << 10
	// captureNotes is how many frames a ring holds at most.
	captureNotes = 8192
)

// ErrBusy is returned for one capture too many.
var ErrBusy = errors.New("too many captures run already")

// Capture copies frames that pass the workers. Each worker writes to a ring of its own,
// and what it has no room for it counts as missed, so that no frame ever waits. The methods
// belong to one goroutine.
type Capture struct {
	vtep  *VTEP
	rings []*recorder // by slot
}

// captureSet is the captures that run. Replaced whole, never changed in place.
type captureSet struct {
	all    []*Capture
	bySlot [][]*recorder // of each worker, out before in, and then of the sealer
}

// Capture begins to capture. It costs something until it is closed.
func (v *VTEP) Capture(cfg CaptureConfig) (*Capture, error) {
	cfg.Remote = bareAddr(cfg.Remote)
	c := &Capture{vtep: v}
	slots := len(v.out) + len(v.in) + 1
	size := max(captureSlab/slots, minCaptureSlab)
	for range slots {
		c.rings = append(c.rings, newRecorder(cfg, size))
	}
	v.changing.Lock()
	defer v.changing.Unlock()
	var all []*Capture
	if old := v.captures.Load(); old != nil {
		all = old.all
	}
	if len(all) == maxCaptures {
		return nil, ErrBusy
	}
	v.setCaptures(append(slices.Clone(all), c), slots)
	return c, nil
}

// Close ends the capture. What was captured until then can still be drained.
func (c *Capture) Close() {
	v := c.vtep
	v.changing.Lock()
	defer v.changing.Unlock()
	if old := v.captures.Load(); old != nil {
		v.setCaptures(slices.DeleteFunc(slices.Clone(old.all), func(x *Capture) bool { return x == c }), len(c.rings))
	}
	var gates []*turnstile
	for _, w := range v.out {
		gates = append(gates, &w.gate)
	}
	for _, w := range v.in {
		gates = append(gates, &w.gate)
	}
	waitOutside(gates)
}

// setCaptures publishes a list of captures; v.changing is held.
func (v *VTEP) setCaptures(all []*Capture, slots int) {
	if len(all) == 0 {
		v.captures.Store(nil)
		return
	}
	set := &captureSet{all: all, bySlot: make([][]*recorder, slots)}
	for _, c := range all {
		for slot, r := range c.rings {
			set.bySlot[slot] = append(set.bySlot[slot], r)
		}
	}
	v.captures.Store(set)
}

// Drain hands over what was captured since the last call, up to limit frames, the oldest
// first as far as workers agree on that, and returns how many those were. What it hands
// over is borrowed until show returns.
func (c *Capture) Drain(limit int, show func(*Captured)) int {
	for n := range limit {
		var oldest *recorder
		for _, r := range c.rings {
			if r.peek() && (oldest == nil || r.next.time < oldest.next.time) {
				oldest = r
			}
		}
		if oldest == nil {
			return n
		}
		oldest.hand(show)
	}
	return limit
}

// Missed is how many frames there was no room for.
func (c *Capture) Missed() (n uint64) {
	for _, r := range c.rings {
		n += r.missed.Load()
	}
	return n
}
