package mem

import (
	"container/heap"
	"net/netip"
	"time"

	"github.com/vxtap/vxtap/encap"
)

// transit holds the datagrams on their way to one underlay, and the one timer that
// lands them. One timer and not one each: timers that are due at the same moment fire
// in any order.
type transit struct {
	flights flights
	seq     uint64
	latest  time.Time // when the last that may not be overtaken lands
	timer   *time.Timer
}

type flight struct {
	packet packet
	due    time.Time
	seq    uint64 // of two due at once, the one sent first lands first
}

// add takes p on its way at now.
func (t *transit) add(now time.Time, p packet, how passage) {
	due := now.Add(how.delay)
	if !how.late {
		if due.Before(t.latest) {
			due = t.latest
		}
		t.latest = due
	}
	t.seq++
	heap.Push(&t.flights, flight{p, due, t.seq})
}

// landed removes and returns the next packet that is due at now.
func (t *transit) landed(now time.Time) (packet, bool) {
	if len(t.flights) == 0 || t.flights[0].due.After(now) {
		return packet{}, false
	}
	return heap.Pop(&t.flights).(flight).packet, true
}

// schedule has land called when the next packet is due.
func (t *transit) schedule(now time.Time, land func()) {
	if len(t.flights) == 0 {
		return
	}
	wait := t.flights[0].due.Sub(now)
	if t.timer == nil {
		t.timer = time.AfterFunc(wait, land)
		return
	}
	t.timer.Reset(wait)
}

// stop forgets what is under way and returns how many datagrams that was.
func (t *transit) stop() int {
	if t.timer != nil {
		t.timer.Stop()
	}
	n := len(t.flights)
	t.flights = nil
	return n
}

// arrive takes a datagram from the wire at the moment it is sent, to be queued when its
// passage is over. It borrows d, and reports false if u is closed.
func (u *Underlay) arrive(from netip.AddrPort, d *encap.Datagram, how passage) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed.Load() {
		return false
	}
	direct := how.delay <= 0 && len(u.transit.flights) == 0
	switch {
	case direct && u.discard:
		u.received++
		return true
	case direct && u.in.full():
		u.dropped++
		return true
	}
	p := packet{append(u.in.buffer(), d.Data...), from, d.SegmentSize, d.TOS, d.TTL}
	if direct {
		u.enqueue(p)
		return true
	}
	u.transit.add(time.Now(), p, how)
	u.landDue()
	return true
}

// land is what the timer calls.
func (u *Underlay) land() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.landDue()
}

// landDue queues what has arrived by now. mu is held.
func (u *Underlay) landDue() {
	now := time.Now()
	for p, ok := u.transit.landed(now); ok; p, ok = u.transit.landed(now) {
		u.enqueue(p)
	}
	u.transit.schedule(now, u.land)
}

// enqueue makes p the last in the receive queue, or drops it. mu is held, and p's
// buffer is the queue's.
func (u *Underlay) enqueue(p packet) {
	switch {
	case u.discard:
		u.received++
		u.in.recycle(p.data)
	case u.in.full():
		u.dropped++
		u.in.recycle(p.data)
	default:
		u.received++
		u.in.push(p)
		u.arrived.Signal()
	}
}

// flights is a heap, the next to land first.
type flights []flight

func (f flights) Len() int      { return len(f) }
func (f flights) Swap(i, j int) { f[i], f[j] = f[j], f[i] }
func (f flights) Less(i, j int) bool {
	if f[i].due.Equal(f[j].due) {
		return f[i].seq < f[j].seq
	}
	return f[i].due.Before(f[j].due)
}

// Push appends a flight, for package heap.
func (f *flights) Push(x any) { *f = append(*f, x.(flight)) }

// Pop removes the last flight, for package heap.
func (f *flights) Pop() any {
	last := len(*f) - 1
	x := (*f)[last]
	(*f)[last] = flight{}
	*f = (*f)[:last]
	return x
}
