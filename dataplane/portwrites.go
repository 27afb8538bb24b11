package dataplane

import (
	"errors"
	"net"
	"syscall"

	"github.com/vxtap/vxtap/encap"
)

// portWrites collects frames for ports and writes each run for the same port with one
// call. The frames' bytes stay where they are until flush returns.
type portWrites struct {
	index   int // of the queue to write to
	ledger  *ledger
	frames  [batchSize]encap.Frame
	ports   [batchSize]*port
	entries [batchSize]int
	n       int
	cut     segmentWriter
	record  *recording
	entry   [1]int // of a frame that is recorded by itself
}

// add queues a frame for p on behalf of a ledger entry. What p does not take as it is
// is segmented and written before add returns.
func (w *portWrites) add(p *port, f *encap.Frame, entry int) {
	if !p.offload.load().Takes(f.Offload) {
		w.flush() // keep the order of the flow
		w.segment(p, f, entry)
		return
	}
	if w.n == batchSize {
		w.flush()
	}
	w.frames[w.n], w.ports[w.n], w.entries[w.n] = *f, p, entry
	w.n++
}

// flush writes everything queued.
func (w *portWrites) flush() {
	for i := 0; i < w.n; {
		j := i + 1
		for j < w.n && w.ports[j] == w.ports[i] {
			j++
		}
		w.write(w.ports[i], i, j)
		i = j
	}
	clear(w.ports[:w.n])
	w.n = 0
}

// write writes frames i to j, all for p, going on behind each that fails.
func (w *portWrites) write(p *port, i, j int) {
	q := p.queues[w.index]
	for i < j {
		n, err := q.Write(w.frames[i:j])
		if w.record.on() {
			w.record.written(p, w.frames[i:i+n], w.entries[i:i+n])
		}
		for ; n > 0; n-- {
			w.ledger.delivered(w.entries[i])
			i++
		}
		if i == j {
			return
		}
		if errors.Is(err, errors.ErrUnsupported) {
			p.offload.refresh(p.queues)
			w.segment(p, &w.frames[i], w.entries[i])
		} else {
			w.ledger.dropped(w.entries[i], portDrop(err))
		}
		i++
	}
}

// segment writes a frame that p does not take as it is.
func (w *portWrites) segment(p *port, f *encap.Frame, entry int) {
	if w.record.on() { // it is seen whole, as on a device with offloads
		w.cut.frames[0], w.entry[0] = *f, entry
		w.record.written(p, w.cut.frames[:1], w.entry[:])
	}
	w.cut.write(p.queues[w.index], f, entry, w.ledger)
}

// portDrop names the reason for which a port did not take a frame.
func portDrop(err error) Drop {
	if r, ok := errors.AsType[encap.Refusal](err); ok {
		return refusalDrop(r)
	}
	switch {
	case errors.Is(err, net.ErrClosed):
		return DropPortGone
	case errors.Is(err, syscall.ENOBUFS), errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.ENOMEM):
		return DropPortFull
	case errors.Is(err, syscall.EMSGSIZE):
		return DropPortTooBig
	}
	return DropPortRefused
}
