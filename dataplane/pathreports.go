package dataplane

import (
	"encoding/binary"
	"time"

	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/encap"
)

// maxReports bounds how many reports are looked at in a second.
const maxReports = 100

// hearRouters takes reports until there are no more.
func (v *VTEP) hearRouters() {
	for {
		r, err := v.cfg.Paths.Next()
		if err != nil {
			return
		}
		v.reported(r)
	}
}

// reported believes a router, as far as what it says is plausible: a datagram of ours, to
// a remote in use, did not fit. Of a plain network's datagrams, anybody who can guess two
// addresses and the port that one left from can say so. Of a sealed network's only those
// who have seen one are believed, as it takes what the datagram said.
func (v *VTEP) reported(r encap.PathReport) {
	if now := time.Now(); now.Sub(v.paths.second) >= time.Second {
		v.paths.second, v.paths.reports = now, 0
	}
	if v.paths.reports++; v.paths.reports > maxReports {
		return
	}
	if r.Remote.Addr().Is4() {
		r.MTU = max(r.MTU, minPathMTU4)
	}
	if r.MTU >= v.interfaceMTU() {
		return
	}
	v.narrow(r.Remote, r.MTU, func(l lane) bool {
		if l.peer == nil && v.sendsPlainFrom(r.Local.Port()) || l.peer != nil && quotesSealed(&r, l.peer) {
			return true
		}
		return v.paths.quotesProbe(&r, l.way())
	})
}

// sendsPlainFrom reports whether frames of plain networks leave from a port of ours. From the
// listening port, which is the same everywhere, they only do where there are no others.
func (v *VTEP) sendsPlainFrom(port uint16) bool {
	return port != v.cfg.Port || v.cfg.Underlays[0].Sources() == 0
}

// quotesSealed reports whether a report quotes what was sealed for a peer with the key that
// holds now: its index is random, and has crossed the network only sealed. A router that
// is late, with one from before a rotation, will say so again.
func quotesSealed(r *encap.PathReport, p *crypto.Peer) bool {
	key := p.Sending()
	kind, version, index := r.Head[0], r.Head[1], binary.BigEndian.Uint32(r.Head[4:])
	return key != nil && (kind == crypto.TypeData || kind == crypto.TypeKeepalive) &&
		version == crypto.Version && index == key.Receiver()
}

// quotesProbe reports whether a report quotes one of a path's probes. Caller holds mu.
func (b *pathBook) quotesProbe(r *encap.PathReport, w way) bool {
	p := b.narrow[w]
	return p != nil && p.probes > 0 && r.Head == p.probe
}
