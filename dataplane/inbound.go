package dataplane

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/dataplane/fdb"
	"github.com/vxtap/vxtap/encap"
)

// inWorker carries datagrams from queue i of the underlay to ports:
//
//	receive a batch -> for each datagram, for each packet of a train: check the VXLAN
//	header, find the network -> check and learn the inner source, combine ECN, look
//	the destination up -> write the batch
type inWorker struct {
	worker
	reception
	inner   encap.Frame // of the packet at hand; a field, lest each be allocated
	stray   counters    // of what belongs to no network
	merges  merges
	arrival arrival
	sender  sender
	back    [1]*destination // where the frame at hand came from
	errors  receiveErrors

	sealer  *sealer // nil: no sealed networks
	letter  letter  // to the sealer
	letters letters
}

func newInWorker(v *VTEP, index int) *inWorker {
	w := &inWorker{}
	w.init(v, index)
	w.use(v.cfg.Underlays[index])
	if w.sealer = v.sealer; w.sealer != nil {
		w.letters.init()
	}
	w.merges = merges{writes: &w.writes, ledger: &w.ledger, seed: v.cfg.FlowSeed}
	return w
}

// slot is the worker's number in captures.
func (w *inWorker) slot() int { return len(w.vtep.out) + w.index }

// run is the worker's life. It ends when the underlay is closed, or fails for good.
func (w *inWorker) run() {
	defer w.own()()
	for {
		n, err := w.receive()
		switch {
		case err == nil:
			w.errors.over()
			w.batch(n)
		case errors.Is(err, net.ErrClosed):
			return
		case w.errors.lasts(err):
			w.vtep.workerFailed(fmt.Errorf("receive from the underlay: %w", err))
			return
		}
	}
}

// receive returns once there are datagrams.
func (w *inWorker) receive() (int, error) {
	for w.vigil.begin(); w.vigil.lasts(); {
		if n, err := w.poll(); n > 0 || err != nil {
			return n, err
		}
	}
	w.vigil.sleep()
	defer w.vigil.wake()
	return w.wait()
}

func (w *inWorker) batch(n int) {
	w.gate.enter()
	defer w.gate.leave()
	if w.record.begin(w.vtep, w.slot()); w.record.on() {
		w.recordReceived(w.dgrams[:n])
	}
	for i := range w.dgrams[:n] {
		w.datagram(&w.dgrams[i])
	}
	w.settle()
	w.sender.post(w.index)
	w.offer(n)
}

// settle writes what is under way and closes the books.
func (w *inWorker) settle() {
	w.merges.close()
	if w.record.on() {
		w.recordDropped()
	}
	w.worker.settle()
	w.merges.n = 0
}

// arrival is what the packets of one datagram have in common, so that it is looked up
// once: the sender, and as long as they do not change, header and MACs.
type arrival struct {
	outside netip.AddrPort // where it came from
	from    netip.Addr     // the VTEP that it is attributed to
	outer   encap.ECN
	hint    uint16 // segment size of a superframe, as the kernel reported it

	key     *crypto.RecvKey // that opened the latest packet; nil if that was in clear text
	index   uint32          // its
	partial bool            // the sender has said that checksums are

	header  uint64   // of the latest packet
	network *Network // it belongs to; nil if it was refused

	routed bool     // what follows is valid
	macs   [12]byte // of the latest frame
	port   *port    // where they lead; nil for all of the network's
	refuse Drop     // or why nowhere, port being nil then
}

// envelope is what all frames of the datagram have in common to the merging.
func (a *arrival) envelope() envelope { return envelope{a.outer, a.partial, a.hint} }

// datagram takes a datagram or a train apart.
//
// Across veth or virtio a kernel VTEP's superframe arrives as one datagram that was
// never segmented, and the kernel reports the size of its inner segments where it
// would report that of a train's datagrams. The inner length tells them apart: the
// first packet of a superframe fills the datagram, that of a train does not.
func (w *inWorker) datagram(d *encap.Datagram) {
	if d.Truncated {
		w.refuse(nil, d.Data, DropTruncated)
		return
	}
	a := &w.arrival
	*a = arrival{outside: d.Remote, from: d.Remote.Addr(), outer: encap.ECNOf(d.TOS)}
	size := w.packetSize(d)
	if !w.isSealed(d.Data) && size == len(d.Data) {
		a.hint = d.SegmentSize
		w.packet(a, d.Data)
		return
	}
	// The kernel makes trains of whatever is alike from outside, so each packet of one may
	// be sealed or not.
	for rest := d.Data; len(rest) > 0; {
		packet := rest[:min(size, len(rest))]
		rest = rest[len(packet):]
		if w.isSealed(packet) {
			w.sealedPacket(a, packet)
		} else {
			w.clearPacket(a, packet)
		}
	}
}

// packetSize is the length of each packet of a train but the last; all of it, if it is none.
func (w *inWorker) packetSize(d *encap.Datagram) int {
	size := int(d.SegmentSize)
	if size == 0 || size >= len(d.Data) || !w.isSealed(d.Data) && w.isSuperframe(d.Data) && !w.hidesSealed(d.Data, size) {
		return len(d.Data)
	}
	return size
}

// isSealed reports whether a packet is to be opened first. To a VTEP without sealed
// networks it is one without a VNI.
func (w *inWorker) isSealed(packet []byte) bool { return w.sealer != nil && crypto.Sealed(packet) }

// isSuperframe reports whether one inner IP packet fills the whole datagram.
func (w *inWorker) isSuperframe(data []byte) bool {
	if len(data) < encap.VXLANSize {
		return false
	}
	w.layers.Parse(data[encap.VXLANSize:])
	return w.layers.End == len(data)-encap.VXLANSize
}

// hidesSealed reports whether a packet of one of our sessions lies behind the first of what
// may be a train. Its bytes decide, since lengths in clear text are anybody's word: with a
// forged address one packet gets into a peer's train, and is not to swallow the others.
func (w *inWorker) hidesSealed(data []byte, size int) bool {
	if w.sealer == nil {
		return false
	}
	for rest := data[size:]; len(rest) >= crypto.Overhead; rest = rest[min(size, len(rest)):] {
		if rest[0] == crypto.TypeData && w.sealer.node.Receiving(crypto.Header(rest).Index()) != nil {
			return true
		}
	}
	return false
}

// refuse books a packet that goes nowhere: a frame of network n, or what belongs to none.
func (w *inWorker) refuse(n *Network, data []byte, why Drop) {
	w.makeRoom()
	c := &w.stray
	if n != nil {
		c = &n.in[w.index]
	}
	entry := w.ledger.enterBytes(c, len(data))
	w.ledger.dropped(entry, why)
	if w.record.on() {
		w.remember(entry, n, data)
	}
}

// enter opens an entry in the ledger for the frame at hand.
func (w *inWorker) enter(c *counters) int {
	w.makeRoom()
	entry := w.ledger.enter(c, &w.inner, &w.layers)
	w.sender.count(&w.ledger.entries[entry])
	if w.record.on() {
		w.remember(entry, w.arrival.network, w.inner.Data)
	}
	return entry
}

// makeRoom settles the ledger if it is full: a train brings more packets than that.
func (w *inWorker) makeRoom() {
	if w.ledger.full() {
		w.settle()
	}
}

// packet checks one VXLAN packet and finds its network.
func (w *inWorker) packet(a *arrival, packet []byte) {
	if len(packet) < encap.VXLANSize {
		w.refuse(nil, packet, DropNoHeader)
		return
	}
	if word := encap.VXLAN(packet).Word(); a.network == nil || word != a.header {
		a.header, a.network, a.routed = word, nil, false
		if !w.admit(a, packet) {
			return
		}
	}
	w.frame(a, packet[encap.VXLANSize:])
}

// admit finds the network of a packet, or refuses it. The order of the checks is the
// kernel's: I flag, VNI, reserved bits.
func (w *inWorker) admit(a *arrival, packet []byte) bool {
	vni, fault := encap.CheckVXLAN(packet, ^uint64(0))
	if fault == encap.VXLANNoVNI {
		w.refuse(nil, packet, DropNoVNIFlag)
		return false
	}
	n := w.vtep.networks.Load().find(vni)
	if n == nil {
		w.refuse(nil, packet, DropUnknownVNI)
		return false
	}
	frame := packet[encap.VXLANSize:]
	if why := n.refuses(a); why != dropNone {
		w.refuse(n, frame, why)
		return false
	}
	if _, fault := encap.CheckVXLAN(packet, n.cfg.ReservedBits); fault != encap.VXLANOK {
		w.refuse(n, frame, DropReserved)
		return false
	}
	if n.cfg.Closed && !n.heard.Load().has(a.from) {
		w.refuse(n, frame, DropUnknownVTEP)
		return false
	}
	a.network = n
	return true
}

// frame decides where an inner frame goes.
func (w *inWorker) frame(a *arrival, data []byte) {
	n := a.network
	c := &n.in[w.index]
	if len(data) < encap.EthernetSize {
		w.refuse(n, data, DropRunt)
		return
	}
	if macs := [12]byte(data); !a.routed || macs != a.macs {
		a.macs, a.routed = macs, true
		a.port, a.refuse = w.route(n, encap.Ethernet(data), a.from)
		w.sender.turn(n, a.from, w.index)
	}
	if a.port != nil && w.merges.carryOn(a.port, a.envelope(), data) {
		w.sender.countOne(len(data))
		return
	}
	f := &w.inner
	*f = encap.Frame{Data: data}
	w.layers.Parse(data)
	w.clamp(a)
	why := a.refuse
	if why == dropNone && !w.combineECN(f, a.outer) {
		why = DropECN
	}
	switch {
	case why != dropNone:
		w.recognize(a)
		w.ledger.dropped(w.enter(c), why)
	case a.port != nil:
		w.toPort(a, c)
	default:
		w.recognize(a)
		w.merges.pass(f, &w.layers)
		entry := w.enter(c)
		for _, p := range *n.ports.Load() {
			w.writes.add(p, f, entry)
		}
	}
}

// recognize finds out what the sender of the frame at hand has left undone.
func (w *inWorker) recognize(a *arrival) {
	if a.key != nil && !a.partial {
		return // who seals knows, and would have said so
	}
	w.inner.Offload = encap.RecognizeOffload(w.inner.Data, &w.layers, a.hint, int(a.network.mtu.Load()))
}

// toPort hands the frame at hand to a port, as part of a superframe if it can be.
func (w *inWorker) toPort(a *arrival, c *counters) {
	p, f := a.port, &w.inner
	if !w.merges.look(p, f, &w.layers) {
		w.recognize(a)
		w.merges.take(f.Offload)
	}
	if w.merges.join() {
		w.sender.countOne(len(f.Data))
		return
	}
	if w.merges.full() {
		w.settle()
	}
	entry := w.enter(c)
	if !w.merges.begin(a.envelope(), entry) {
		w.writes.add(p, f, entry)
	}
}

// route checks the source of a frame, has it learned, and looks up where the frame
// goes: a port, or nil for every port of the network.
func (w *inWorker) route(n *Network, eth encap.Ethernet, from netip.Addr) (*port, Drop) {
	if !eth.Src().IsUnicast() {
		return nil, DropInvalidSource
	}
	if why := w.learn(n, eth.Src(), from); why != dropNone {
		return nil, why
	}
	d, _ := n.table.Lookup(eth.Dst())
	switch {
	case d == nil || eth.Dst().IsMulticast():
		return nil, dropNone
	case d.port != nil:
		return d.port, dropNone
	}
	return nil, DropSplitHorizon
}

// learn checks the source of a frame from a remote against the table, and reports it
// to the keeper if it is new there or has moved. Where learning is off, a static entry
// says where to send and not who may send, as with the kernel.
func (w *inWorker) learn(n *Network, src encap.MAC, from netip.Addr) Drop {
	d, class := n.table.Lookup(src)
	switch {
	case class == fdb.Local:
		return DropLoop
	case class == fdb.Controlled && !d.isRemote(from):
		return DropElsewhere
	case n.cfg.NoLearning:
		return dropNone
	case class == fdb.Static && !d.isRemote(from):
		return DropElsewhere
	case class > fdb.Learned:
		return dropNone
	case class == fdb.Learned && d.isRemote(from):
		n.table.Learned(src, d, w.clock.Load())
		return dropNone
	}
	w.saw(sighting{network: n, mac: src, remote: from})
	return dropNone
}

// combineECN brings the outer congestion mark into the inner header (RFC 6040 section
// 4.2). It reports false for a frame that has to be dropped: it was marked on the way,
// and its transport would not understand the mark.
func (w *inWorker) combineECN(f *encap.Frame, outer encap.ECN) bool {
	tos, ok := encap.InnerTOS(f.Data, &w.layers)
	if !ok {
		return true
	}
	inner := encap.ECNOf(tos)
	combined, ok := encap.DecapECN(inner, outer)
	if ok && combined != inner {
		encap.SetInnerECN(f.Data, &w.layers, combined)
	}
	return ok
}
