package dataplane

import (
	"net/netip"
	"slices"

	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/encap"
)

// recordRead records the frames of a batch as they were read.
func (w *outWorker) recordRead(p *port, frames []encap.Frame) {
	for _, to := range w.record.recorders {
		if !to.wants(StageTap, p.network) {
			continue
		}
		for i := range frames {
			if frames[i].Refusal != encap.RefusalHeld && p.network.leadsTo(frames[i].Data, to.Remote) {
				w.recordFrame(to, p, Captured{Stage: StageTap}, frames[i].Data)
			}
		}
	}
}

// recordDropped records what is about to be counted as dropped, once nothing of the batch
// is left to be delivered. The entries of the ledger are the frames in their order.
//
// Superframes that were cut where they lay begin with the headers of their last segment.
func (w *outWorker) recordDropped(p *port, frames []encap.Frame) {
	w.writes.flush()
	for _, to := range w.record.recorders {
		if !to.wants(StageDropped, p.network) {
			continue
		}
		for i := range frames {
			lost, why := w.ledger.entries[i].lost()
			if lost > 0 && p.network.leadsTo(frames[i].Data, to.Remote) {
				w.recordFrame(to, p, Captured{Stage: StageDropped, Drop: why, Frames: lost}, frames[i].Data)
			}
		}
	}
}

func (w *outWorker) recordFrame(to *recorder, p *port, c Captured, data []byte) {
	c.Out, c.VNI, c.Port = true, p.network.vni, p.name
	to.put(&note{time: w.record.time, Captured: c}, data, nil)
}

// leadsTo reports whether the VTEP at an address is among those that a frame from a port
// is sent to. Every frame leads to the invalid address.
func (n *Network) leadsTo(frame []byte, remote netip.Addr) bool {
	if !remote.IsValid() {
		return true
	}
	if len(frame) < encap.EthernetSize {
		return false
	}
	if d, _ := n.table.Lookup(encap.Ethernet(frame).Dst()); d != nil {
		return d.hasRemote(remote)
	}
	return slices.ContainsFunc(n.table.Flood(), func(d *destination) bool { return d.hasRemote(remote) })
}

// recordRun records the datagrams of a run that was sent.
func (s *sends) recordRun(r *run) {
	for i := range r.segments {
		d := r.segment(i)
		s.record.sent(r.to.network, &d)
	}
}

// recordHeld records a frame that had waited for a key, and is about to be counted as
// dropped.
func (s *sealer) recordHeld(h *heldFrame, why Drop) {
	for _, to := range s.record.recorders {
		if !to.wants(StageDropped, h.network) || !to.from(h.peer.VTEP().Addr()) {
			continue
		}
		c := Captured{Stage: StageDropped, Out: true, VNI: h.network.vni, Remote: h.peer.VTEP(), Drop: why, Frames: 1}
		to.put(&note{time: s.record.time, Captured: c}, h.plain[encap.VXLANSize:], nil)
	}
}

// belongs reports whether a packet from the underlay is one of a network: by its VNI, or if
// it is sealed because its peer is a member.
func (w *inWorker) belongs(vni encap.VNI, packet []byte) bool {
	if !w.isSealed(packet) {
		return len(packet) >= encap.VXLANSize && encap.VXLAN(packet).VNI() == vni
	}
	n := w.vtep.networks.Load().find(vni)
	if n == nil || packet[0] != crypto.TypeData || len(packet) < crypto.Overhead {
		return false
	}
	key := w.sealer.node.Receiving(crypto.Header(packet).Index())
	return key != nil && n.members.has(key.Peer().VTEP().Addr())
}
