package dataplane

import (
	"errors"
	"net"
	"net/netip"
	"runtime"
	"time"

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
	underlay Underlay
	dgrams   [batchSize]encap.Datagram
	slab     [][]byte
	stray    counters // of what belongs to no network
}

// maxDatagram is the most that one receive can bring: a 64 KB superframe from a kernel
// VTEP, or as much coalesced.
const maxDatagram = 1 << 16

func newInWorker(v *VTEP, index int) *inWorker {
	w := &inWorker{underlay: v.cfg.Underlays[index], slab: newBuffers(batchSize, 0, maxDatagram)}
	w.init(v, index)
	w.offer(batchSize)
	return w
}

// offer makes the first n datagrams whole buffers again.
func (w *inWorker) offer(n int) {
	for i := range w.dgrams[:n] {
		w.dgrams[i] = encap.Datagram{Data: w.slab[i]}
	}
}

// run is the worker's life. It ends when the underlay is closed.
func (w *inWorker) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for failures := 0; ; {
		n, err := w.underlay.Recv(w.dgrams[:])
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// The system reports troubles of the past this way, each once. If they do
			// not end, do not spin.
			if failures++; failures > batchSize {
				time.Sleep(10 * time.Millisecond)
			}
			continue
		}
		failures = 0
		w.batch(n)
	}
}

func (w *inWorker) batch(n int) {
	w.gate.enter()
	defer w.gate.leave()
	for i := range w.dgrams[:n] {
		w.datagram(&w.dgrams[i])
	}
	w.settle()
	w.offer(n)
}

// datagram takes a datagram or a train apart.
//
// Across veth or virtio a kernel VTEP's superframe arrives as one datagram that was
// never segmented, and the kernel reports the size of its inner segments where it
// would report that of a train's datagrams. The inner length tells them apart: the
// first packet of a superframe fills the datagram, that of a train does not.
func (w *inWorker) datagram(d *encap.Datagram) {
	if d.Truncated {
		w.refuse(&w.stray, len(d.Data), DropTruncated)
		return
	}
	size := int(d.SegmentSize)
	if size == 0 || size >= len(d.Data) || w.isSuperframe(d.Data) {
		w.packet(d, d.Data, d.SegmentSize)
		return
	}
	for rest := d.Data; len(rest) > 0; {
		packet := rest[:min(size, len(rest))]
		rest = rest[len(packet):]
		w.packet(d, packet, 0)
	}
}

// isSuperframe reports whether one inner IP packet fills the whole datagram.
func (w *inWorker) isSuperframe(data []byte) bool {
	if len(data) < encap.VXLANSize {
		return false
	}
	w.layers.Parse(data[encap.VXLANSize:])
	return w.layers.End == len(data)-encap.VXLANSize
}

// refuse books a packet that goes nowhere.
func (w *inWorker) refuse(c *counters, bytes int, why Drop) {
	w.ledger.dropped(w.enter(c, bytes, 1), why)
}

// enter opens an entry in the ledger, which it settles first if it is full: a train
// brings more packets than that.
func (w *inWorker) enter(c *counters, bytes, weight int) int {
	if w.ledger.full() {
		w.settle()
	}
	return w.ledger.enter(c, bytes, weight)
}

// packet checks one VXLAN packet and finds its network. The order of the checks is the
// kernel's: I flag, VNI, reserved bits.
func (w *inWorker) packet(d *encap.Datagram, packet []byte, hint uint16) {
	vni, fault := encap.CheckVXLAN(packet, ^uint64(0))
	switch fault {
	case encap.VXLANShort:
		w.refuse(&w.stray, len(packet), DropNoHeader)
		return
	case encap.VXLANNoVNI:
		w.refuse(&w.stray, len(packet), DropNoVNIFlag)
		return
	}
	n := w.vtep.networks.Load().find(vni)
	if n == nil {
		w.refuse(&w.stray, len(packet), DropUnknownVNI)
		return
	}
	c := &n.in[w.index]
	frame := encap.Frame{Data: packet[encap.VXLANSize:]}
	if _, fault := encap.CheckVXLAN(packet, n.cfg.ReservedBits); fault != encap.VXLANOK {
		w.refuse(c, len(frame.Data), DropReserved)
		return
	}
	from := d.Remote.Addr()
	if n.cfg.Closed && !n.heard.Load().has(from) {
		w.refuse(c, len(frame.Data), DropUnknownVTEP)
		return
	}
	if len(frame.Data) < encap.EthernetSize {
		w.refuse(c, len(frame.Data), DropRunt)
		return
	}
	w.frame(n, &frame, from, encap.ECN(d.TOS&3), hint)
}

// frame decides where an inner frame goes.
func (w *inWorker) frame(n *Network, f *encap.Frame, from netip.Addr, outer encap.ECN, hint uint16) {
	w.layers.Parse(f.Data)
	f.Offload = encap.RecognizeOffload(f.Data, &w.layers, hint, int(n.mtu.Load()))
	entry := w.enter(&n.in[w.index], len(f.Data), wireFrames(f, &w.layers))

	eth := encap.Ethernet(f.Data)
	src := eth.Src()
	if !src.IsUnicast() {
		w.ledger.dropped(entry, DropInvalidSource)
		return
	}
	if why := w.learn(n, src, from); why != dropNone {
		w.ledger.dropped(entry, why)
		return
	}
	if !w.combineECN(f, outer) {
		w.ledger.dropped(entry, DropECN)
		return
	}
	d, _ := n.table.Lookup(eth.Dst())
	switch {
	case d == nil || eth.Dst().IsMulticast():
		for _, p := range *n.ports.Load() {
			w.writes.add(p, f, entry)
		}
	case d.port != nil:
		w.writes.add(d.port, f, entry)
	default:
		w.ledger.dropped(entry, DropSplitHorizon)
	}
}

// learn checks the source of a frame from a remote against the table, and reports it
// to the keeper if it is new there or has moved.
func (w *inWorker) learn(n *Network, src encap.MAC, from netip.Addr) Drop {
	d, class := n.table.Lookup(src)
	switch {
	case class == fdb.Local:
		return DropLoop
	case n.cfg.NoLearning || class > fdb.Learned:
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
	inner := encap.ECN(tos & 3)
	combined, ok := encap.DecapECN(inner, outer)
	if ok && combined != inner {
		encap.SetInnerECN(f.Data, &w.layers, combined)
	}
	return ok
}
