package dataplane

import (
	"bytes"
	"time"

	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/encap"
)

// sealSlab is the room for what a batch has sealed and not sent yet: some full trains,
// which still fit a cache.
const sealSlab = 512 << 10

// sealing is what sends needs for sealed networks.
type sealing struct {
	sealer *sealer // nil: there are none
	queue  int     // to seal on
	slab   []byte
	used   int
}

// addSealed seals a frame for each peer of each destination. A superframe is cut where it
// lies: the headers of a segment are put in front of its payload, over bytes that were
// sealed before, and the cipher moves the whole into the slab. Nobody may need the
// frame's bytes any more then.
func (s *sends) addSealed(out *outgoing, list []*destination) {
	o := outer{source: s.source(out), tos: outerTOS(out), ttl: out.network.cfg.TTL, sealed: true}
	if out.frame.Offload.GSO != encap.GSONone {
		s.addSealedSegments(out, &o, list)
		return
	}
	plain := out.buf[encap.Headroom-encap.VXLANSize : encap.Headroom+len(out.frame.Data)]
	copy(plain, out.network.header[:])
	var flags uint16
	if out.frame.Offload.NeedsCSUM {
		flags = crypto.FlagPartialChecksum
	}
	s.sealForAll(&o, list, plain, flags, out.entry)
}

func (s *sends) addSealedSegments(out *outgoing, o *outer, list []*destination) {
	if !s.cut.Reset(out.frame.Data, out.layers, out.frame.Offload) {
		s.ledger.dropped(out.entry, uncut(out.layers))
		return
	}
	s.cut.LeavePartial()
	size := out.layers.Payload         // of the headers
	payloadAt := encap.Headroom + size // of the next segment, in buf
	for {
		headerAt := payloadAt - size
		_, payload, ok := s.cut.Next(out.buf[headerAt:payloadAt])
		if !ok {
			return
		}
		start, end := headerAt-encap.VXLANSize, payloadAt+len(payload)
		copy(out.buf[start:], out.network.header[:])
		s.sealForAll(o, list, out.buf[start:end], crypto.FlagPartialChecksum, out.entry)
		payloadAt = end
	}
}

// sealForAll seals a VXLAN header and frame for each peer.
func (s *sends) sealForAll(o *outer, list []*destination, plain []byte, flags uint16, entry int) {
	for _, o.to = range list {
		for i, p := range o.to.peers {
			o.counted = o.to.counted[i]
			if o.fragments = !o.to.passes(i, s.bulk); o.fragments && !s.insists {
				s.ledger.dropped(entry, DropTooBig)
			} else if key := p.Sending(); key != nil {
				s.sealFor(p, key, *o, plain, flags, entry)
			} else {
				s.hold(p, o, plain, flags, entry)
			}
		}
	}
}

// sealFor seals it for one.
func (s *sends) sealFor(p *crypto.Peer, key *crypto.SendKey, o outer, plain []byte, flags uint16, entry int) {
	if s.n == maxRuns || len(s.seal.slab)-s.seal.used < len(plain)+crypto.Overhead {
		s.flush()
	}
	at := s.seal.used
	sealed, ok := key.Seal(s.seal.queue, s.seal.slab[at:at], plain, flags)
	if !ok {
		s.sealAgain(p, key, o, plain, flags, entry)
		return
	}
	s.seal.used += len(sealed)
	o.remote = p.Endpoint()
	if p.FromListener() {
		o.source = encap.SourceListen
	}
	s.put(&o, sealed, nil, entry)
}

// sealAgain deals with a key that seals nothing: its epoch has ended since it was asked
// for, or its share is used up.
func (s *sends) sealAgain(p *crypto.Peer, key *crypto.SendKey, o outer, plain []byte, flags uint16, entry int) {
	switch now := p.Sending(); now {
	case nil:
		s.hold(p, &o, plain, flags, entry)
	case key:
		s.ledger.dropped(entry, DropKeySpent)
	default:
		s.sealFor(p, now, o, plain, flags, entry)
	}
}

// hold has it wait for a session with the peer. Nothing ever leaves without.
func (s *sends) hold(p *crypto.Peer, o *outer, plain []byte, flags uint16, entry int) {
	if !s.seal.sealer.waiting.announce(p, len(plain)) {
		s.ledger.dropped(entry, DropNoKey)
		return
	}
	s.ledger.hold(heldFrame{
		peer: p, network: o.to.network, counted: o.counted, plain: bytes.Clone(plain), flags: flags, tos: o.tos, ttl: o.ttl, fragments: o.fragments,
		until: time.Now().Add(keyWait), entry: entry,
	})
	p.Want()
}

// bringHeld hands what is to wait to the sealer, once its batch was settled.
func (s *sends) bringHeld() {
	if len(s.ledger.held) == 0 {
		return
	}
	s.seal.sealer.waiting.bring(s.ledger.held)
	clear(s.ledger.held)
	s.ledger.held = s.ledger.held[:0]
	nudge(s.seal.sealer.wake)
}
