package dataplane

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/vxtap/vxtap/encap"
)

// outWorker carries frames from queue i of every port to the underlay, or to other
// ports of the same network:
//
//	wait for a port -> read a batch -> for each frame: learn its source, look its
//	destination up, put a VXLAN header before it -> send the batch
type outWorker struct {
	worker
	poller  Poller
	ports   atomic.Pointer[[]*port] // by token; nil where a port was taken out
	ready   [batchSize]int
	frames  [batchSize]encap.Frame
	slab    [][]byte
	sends   sends
	one     [1]*destination
	answers answers
	faults  int // waits that failed since one did not
	stop    atomic.Bool
}

func newOutWorker(v *VTEP, index int) (*outWorker, error) {
	poller, err := v.cfg.NewPoller()
	if err != nil {
		return nil, err
	}
	w := &outWorker{poller: poller, slab: newBuffers(batchSize, encap.Headroom, encap.ReadBuffer)}
	w.init(v, index)
	w.sends.init(v.cfg.Underlays[index], v.cfg.FlowSeed, &w.ledger)
	w.sends.clock, w.sends.notices = w.clock, v.keeper.notices
	w.sends.record, w.sends.index = &w.record, index
	w.sends.refused = v.paths.refused
	if v.sealer != nil {
		w.sends.seal = sealing{sealer: v.sealer, queue: index, slab: make([]byte, sealSlab)}
	}
	w.ports.Store(new([]*port))
	w.offer(batchSize)
	return w, nil
}

// run is the worker's life. It ends when stop is set, after the frames that were
// waiting then have been carried.
func (w *outWorker) run() {
	defer w.own()()
	for !w.stop.Load() {
		n, err := w.wait()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil && w.hopeless() {
			w.vtep.workerFailed(fmt.Errorf("wait for ports: failed %d times in a row: %w", maxWaitFaults, err))
			return
		}
		if err == nil {
			w.faults = 0
		}
		for _, token := range w.ready[:n] {
			w.serve(token)
		}
	}
	for token := range *w.ports.Load() {
		for range drainBatches {
			if w.serve(token) == 0 {
				break
			}
		}
	}
}

// maxWaitFaults is how often in a row waiting may fail, about a second with the pauses between.
const maxWaitFaults = 100

// hopeless counts a wait that failed, and reports whether there is no hope that it passes.
func (w *outWorker) hopeless() bool {
	if w.faults++; w.faults < maxWaitFaults {
		time.Sleep(errorPause)
		return false
	}
	return true
}

// wait returns once a port has frames.
func (w *outWorker) wait() (int, error) {
	for w.vigil.begin(); w.vigil.lasts(); {
		if n, err := w.poller.Poll(w.ready[:]); n > 0 || err != nil {
			return n, err
		}
	}
	w.vigil.sleep()
	defer w.vigil.wake()
	return w.poller.Wait(w.ready[:])
}

// drainBatches bounds what a port can still bring once the worker is to stop.
const drainBatches = 64

// serve carries one batch of a port. A port that has more waiting is served again
// after the others.
func (w *outWorker) serve(token int) int {
	w.gate.enter()
	defer w.gate.leave()
	ports := *w.ports.Load()
	if token >= len(ports) || ports[token] == nil {
		return 0
	}
	p := ports[token]
	q := p.queues[w.index]
	n, err := q.Read(w.frames[:])
	if err != nil {
		w.vtep.portFailed(p, err)
		return 0
	}
	if w.record.begin(w.vtep, w.index); w.record.on() {
		w.recordRead(p, w.frames[:n])
	}
	for i := range w.frames[:n] {
		w.frame(p, &w.frames[i], around(w.slab[i], w.frames[i].Data))
	}
	w.sends.flush()
	if w.sends.unanswered {
		w.answerRefused(p, w.frames[:n])
	}
	if w.record.on() {
		w.recordDropped(p, w.frames[:n])
	}
	w.settle()
	w.sends.bringHeld()
	w.offer(n)
	if n == batchSize && q.FD() < 0 {
		w.poller.Wake(token) // it announces only the first of several frames
	}
	return n
}

// around returns buf from the headroom before a frame on. A port may have begun the frame
// a little behind the headroom.
func around(buf, frame []byte) []byte {
	at := cap(buf) - cap(frame) // both reach to the end of the same memory
	return buf[at-encap.Headroom:]
}

// offer makes the first n frames whole buffers again.
func (w *outWorker) offer(n int) {
	for i := range w.frames[:n] {
		w.frames[i] = encap.Frame{Data: w.slab[i][encap.Headroom:]}
	}
}

// frame decides where one frame goes. Its bytes lie in buf behind the headroom.
func (w *outWorker) frame(p *port, f *encap.Frame, buf []byte) {
	n := p.network
	c := &n.out[w.index]
	if len(f.Data) < encap.EthernetSize {
		w.ledger.dropped(w.ledger.enterBytes(c, len(f.Data)), DropRunt)
		return
	}
	if f.Refusal == encap.RefusalHeld {
		w.ledger.enterNothing(c)
		return
	}
	w.layers.Parse(f.Data)
	entry := w.ledger.enter(c, f, &w.layers)
	if f.Refusal != encap.RefusalNone {
		w.ledger.dropped(entry, refusalDrop(f.Refusal))
		return
	}
	eth := encap.Ethernet(f.Data)
	src := eth.Src()
	if !src.IsUnicast() {
		w.ledger.dropped(entry, DropInvalidSource)
		return
	}
	if _, known := n.table.Learned(src, p.dest, w.clock.Load()); !known {
		w.saw(sighting{network: n, mac: src, port: p})
	}
	out := outgoing{network: n, frame: f, layers: &w.layers, buf: buf, entry: entry}
	dst := eth.Dst()
	d, _ := n.table.Lookup(dst)
	switch {
	case d == nil:
		w.flood(p, &out)
	case d.port == p:
		w.ledger.dropped(entry, DropHairpin)
	case d.port != nil:
		w.writes.add(d.port, f, entry)
	default:
		w.toGroup(p, dst, d, &out)
	}
}

// toGroup sends to the remotes of a table entry. A group MAC's members on this node
// are not in the table, so its frames go to the other ports too.
func (w *outWorker) toGroup(p *port, dst encap.MAC, d *destination, out *outgoing) {
	if !w.complete(out) {
		return
	}
	if dst.IsMulticast() {
		w.toPorts(p, out)
	}
	w.one[0] = d
	w.toRemotes(p, out, w.one[:])
}

// flood sends to every other port and every remote of the flood list (BUM: broadcast,
// unknown unicast, multicast; head-end replication).
func (w *outWorker) flood(p *port, out *outgoing) {
	list := out.network.table.Flood()
	if len(list) > 0 && !w.complete(out) {
		return
	}
	w.toPorts(p, out)
	w.toRemotes(p, out, list)
}

// toRemotes sends what came from port p to destinations that are remotes.
func (w *outWorker) toRemotes(p *port, out *outgoing, list []*destination) {
	narrow := narrowest(list)
	w.sends.bulk, w.sends.insists = out.network.bulk(out.frame, out.layers), false
	if narrow != 0 && w.sends.bulk > narrow {
		w.tooBig(p, out, narrow)
	}
	w.clamp(out, narrow)
	if !out.network.cfg.Sealed {
		for _, d := range list {
			w.sends.add(out, d)
		}
		return
	}
	if out.frame.Offload.GSO != encap.GSONone {
		w.writes.flush() // other ports' copies, before the frame is cut where it lies
	}
	w.sends.addSealed(out, list)
}

// tooBig decides about a frame that is too big for one path at least. Those to whom it is are
// passed over, and its sender is told, who sends smaller ones. One that cannot be told, or
// need not send smaller ones, sends in vain for ever: his goes in fragments, unless it did
// not even fit the interface.
func (w *outWorker) tooBig(p *port, out *outgoing, narrow uint32) {
	n := out.network
	carried := n.carried(out.layers)
	switch answerable := encap.Answerable(out.frame.Data, out.layers); {
	case w.sends.bulk <= carried || !answerable && w.sends.bulk <= uint32(n.vtep.interfaceMTU()):
		w.sends.insists = true
	case answerable:
		w.answers.tooBig(p, w.index, out, int(max(narrow, carried)), w.clock.Load())
	}
}

// answerRefused tells the senders of frames that the system did not send, as they were longer
// than the interface takes: the first to a remote, before its path is known to be narrow. Each
// frame has the entry of its number in the ledger. What was sealed where it lay is not there
// any more.
func (w *outWorker) answerRefused(p *port, frames []encap.Frame) {
	w.sends.unanswered = false
	for i := range frames {
		f := &frames[i]
		if !w.ledger.entries[i].refused || p.network.cfg.Sealed && f.Offload.GSO != encap.GSONone {
			continue
		}
		w.layers.Parse(f.Data)
		mtu := max(p.network.vtep.interfaceMTU(), int(p.network.carried(&w.layers)))
		if int(p.network.bulk(f, &w.layers)) > mtu && encap.Answerable(f.Data, &w.layers) {
			w.answers.tooBig(p, w.index, &outgoing{network: p.network, frame: f, layers: &w.layers}, mtu, w.clock.Load())
		}
	}
}

func (w *outWorker) toPorts(from *port, out *outgoing) {
	for _, p := range *out.network.ports.Load() {
		if p != from {
			w.writes.add(p, out.frame, out.entry)
		}
	}
}

// complete finishes the checksum of a frame that is to leave this node, before any
// copy of it is queued. A superframe's are finished as it is cut. Between the ends of a
// sealed network nothing can happen to a frame, so there it is left to the receiver.
func (w *outWorker) complete(out *outgoing) bool {
	f := out.frame
	if !f.Offload.NeedsCSUM || f.Offload.GSO != encap.GSONone {
		return true
	}
	if out.network.cfg.Sealed && f.Offload == encap.RecognizeOffload(f.Data, out.layers, 0, encap.MaxFrame) {
		return true // the receiver will see the same
	}
	if !encap.CompleteChecksum(f.Data, f.Offload) {
		w.ledger.dropped(out.entry, DropMalformed)
		return false
	}
	f.Offload = encap.Offload{}
	return true
}

// watch adds p under its token.
func (w *outWorker) watch(p *port) error {
	w.setPort(p.token, p)
	q := p.queues[w.index]
	q.Notify(func() { w.poller.Wake(p.token) })
	fd := q.FD()
	if fd < 0 {
		return nil
	}
	err := w.poller.Add(fd, p.token)
	if err != nil {
		w.setPort(p.token, nil)
	}
	return err
}

// forget takes p out. The worker may still be at it until its gate has been waited for.
func (w *outWorker) forget(p *port) error {
	ports := *w.ports.Load()
	if p.token >= len(ports) || ports[p.token] != p {
		return nil
	}
	w.setPort(p.token, nil)
	if fd := p.queues[w.index].FD(); fd >= 0 {
		return w.poller.Remove(fd)
	}
	return nil
}

// setPort publishes a list in which the port under token is p.
func (w *outWorker) setPort(token int, p *port) {
	ports := slices.Clone(*w.ports.Load())
	for len(ports) <= token {
		ports = append(ports, nil)
	}
	ports[token] = p
	w.ports.Store(&ports)
}
