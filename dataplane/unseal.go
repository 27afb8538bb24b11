package dataplane

import (
	"net/netip"

	"github.com/vxtap/vxtap/crypto"
)

// sealedPacket takes a sealed packet: it opens data on the spot, and leaves what belongs
// to a handshake to the sealer.
func (w *inWorker) sealedPacket(a *arrival, packet []byte) {
	if packet[0] != crypto.TypeData {
		w.forSealer(a.outside, packet)
		return
	}
	if len(packet) < crypto.Overhead {
		w.refuse(nil, packet, DropSealedHeader)
		return
	}
	if index := crypto.Header(packet).Index(); a.key == nil || index != a.index {
		key := w.sealer.node.Receiving(index)
		if key == nil {
			w.refuse(nil, packet, DropUnknownSession)
			return
		}
		a.from = key.Peer().VTEP().Addr()
		a.key, a.index, a.network = key, index, nil
	}
	plain, flags, verdict := a.key.Open(packet)
	if verdict != crypto.Opened {
		w.refuse(nil, packet, sealedDrop(verdict))
		return
	}
	a.partial = flags&crypto.FlagPartialChecksum != 0
	if p := a.key.Peer(); p.FromListener() && a.outside != p.Endpoint() && a.key.Current() {
		p.Heard(a.outside)
	}
	w.packet(a, plain)
}

// sealedDrop names the reason for which a packet was not opened.
func sealedDrop(v crypto.Verdict) Drop {
	switch v {
	case crypto.Forged:
		return DropForged
	case crypto.Replayed:
		return DropReplayed
	}
	return DropSealedHeader
}

// forSealer passes a message on.
func (w *inWorker) forSealer(from netip.AddrPort, message []byte) {
	l := &w.letter
	if len(message) > len(l.data) {
		w.refuse(nil, message, DropSealedHeader)
		return
	}
	l.from, l.size = from, copy(l.data[:], message)
	if w.letters.ringFor(message[0]).put(l) {
		nudge(w.sealer.wake)
	}
}

// clearPacket takes a packet that is not sealed.
func (w *inWorker) clearPacket(a *arrival, packet []byte) {
	if a.key != nil { // others of its train were
		a.key, a.network, a.partial = nil, nil, false
		a.from = a.outside.Addr()
	}
	w.packet(a, packet)
}
