package dataplane

import "github.com/vxtap/vxtap/encap"

// recordReceived records the datagrams of a batch as they were received, before any of
// them is opened where it lies.
func (w *inWorker) recordReceived(dgrams []encap.Datagram) {
	for _, to := range w.record.recorders {
		if to.Stages&StageWire == 0 {
			continue
		}
		for i := range dgrams {
			if to.from(dgrams[i].Remote.Addr()) {
				w.recordTrain(to, &dgrams[i])
			}
		}
	}
}

// recordTrain records each packet of a datagram or train.
func (w *inWorker) recordTrain(to *recorder, d *encap.Datagram) {
	size := w.packetSize(d)
	for rest := d.Data; len(rest) > 0; {
		packet := rest[:min(size, len(rest))]
		rest = rest[len(packet):]
		if to.VNI != 0 && !w.belongs(to.VNI, packet) {
			continue
		}
		c := Captured{Stage: StageWire, VNI: to.VNI, Remote: d.Remote, Packet: true, Queue: w.index, TOS: d.TOS, TTL: d.TTL}
		if len(packet) >= encap.VXLANSize && !w.isSealed(packet) {
			c.VNI = encap.VXLAN(packet).VNI()
		}
		to.put(&note{time: w.record.time, Captured: c}, packet, nil)
	}
}

// remember keeps where an entry of the ledger came from, for as long as that is open.
func (w *inWorker) remember(entry int, n *Network, data []byte) {
	w.record.origins[entry] = origin{network: n, remote: w.arrival.outside, data: data}
	if o := &w.record.origins[entry]; n != nil && w.arrival.key != nil {
		o.remote = w.arrival.key.Peer().VTEP()
	}
}

// recordDropped records what is about to be counted as dropped, once nothing of the batch
// is left to be delivered. What was refused as forged was wiped by the cipher.
func (w *inWorker) recordDropped() {
	w.writes.flush()
	for i := range w.ledger.entries[:w.ledger.n] {
		lost, why := w.ledger.entries[i].lost()
		if lost == 0 {
			continue
		}
		o := &w.record.origins[i]
		for _, to := range w.record.recorders {
			if !to.wants(StageDropped, o.network) || !to.from(o.remote.Addr()) {
				continue
			}
			n := note{time: w.record.time, Captured: Captured{
				Stage: StageDropped, Remote: o.remote, Drop: why, Frames: lost, Packet: o.network == nil,
			}}
			if o.network != nil {
				n.VNI = o.network.vni
			}
			to.put(&n, o.data, nil)
		}
	}
}
