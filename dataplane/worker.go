package dataplane

import (
	"runtime"
	"sync/atomic"

	"github.com/vxtap/vxtap/encap"
)

// batchSize is how many frames or datagrams a worker takes at a time. It is what a
// burst brings and what fits a sendmmsg, and bounds how long one port keeps a worker
// from the next.
const batchSize = 64

// worker is what both directions share: the buffers of a batch, its ledger, and the
// frames that are to be written to ports.
type worker struct {
	vtep      *VTEP
	index     int // of its queue
	gate      turnstile
	ledger    ledger
	writes    portWrites
	sightings ring[sighting]
	clock     *atomic.Uint32
	layers    encap.Layers
	vigil     vigil
	record    recording
}

func (w *worker) init(v *VTEP, index int) {
	w.vtep, w.index, w.clock = v, index, &v.clock
	w.writes.index, w.writes.ledger = index, &w.ledger
	w.record.queue, w.writes.record = index, &w.record
	w.vigil.limit = v.cfg.BusyPoll
	w.sightings.slots = make([]sighting, ringSize)
}

// own makes the thread the worker's own and has it run before programs, until disown. Not so
// where drivers have goroutines of the Go scheduler wait for frames: they would get no CPU.
// These are the drivers that cannot be polled.
func (w *worker) own() (disown func()) {
	runtime.LockOSThread()
	if w.vigil.limit == 0 || !raisePriority() {
		return runtime.UnlockOSThread
	}
	return func() {
		lowerPriority()
		runtime.UnlockOSThread()
	}
}

// saw reports a source MAC that the table does not have there to the keeper.
func (w *worker) saw(s sighting) {
	if w.sightings.put(&s) {
		w.vtep.wakeKeeper()
	}
}

// settle delivers what is still to be written and closes the books of the batch.
func (w *worker) settle() {
	w.writes.flush()
	w.ledger.settle()
}

// newBuffers returns n buffers of headroom and size bytes in one slab, each starting
// on a cache line.
func newBuffers(n, headroom, size int) [][]byte {
	stride := (headroom + size + cacheLine - 1) / cacheLine * cacheLine
	slab := make([]byte, n*stride)
	buffers := make([][]byte, n)
	for i := range buffers {
		buffers[i] = slab[i*stride : i*stride+headroom+size : (i+1)*stride]
	}
	return buffers
}
