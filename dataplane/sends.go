package dataplane

import (
	"errors"
	"net/netip"
	"syscall"

	"github.com/vxtap/vxtap/encap"
)

// sends collects datagrams for the underlay and sends them a batch at a time. The bytes
// of frames stay where they are until flush returns.
type sends struct {
	underlay Underlay
	ledger   *ledger
	seed     uint64
	sources  uint32 // a power of two, or 0
	dgrams   [batchSize]encap.Datagram
	entries  [batchSize]int
	n        int

	cut     encap.Segmenter
	headers [batchSize][encap.VXLANSize + encap.MaxHeader]byte
	payload [batchSize][1][]byte
}

// outgoing is a frame on its way to remotes.
type outgoing struct {
	network *Network
	frame   *encap.Frame
	layers  *encap.Layers
	buf     []byte // the frame's bytes, with the headroom before them
	entry   int    // in the ledger
}

func (s *sends) init(u Underlay, seed uint64, l *ledger) {
	s.underlay, s.seed, s.ledger, s.sources = u, seed, l, uint32(u.Sources())
}

// add encapsulates a frame for each of some remotes. Its checksum is finished, unless
// it is a superframe.
func (s *sends) add(out *outgoing, remotes []netip.AddrPort) {
	d := s.outer(out)
	if out.frame.Offload.GSO != encap.GSONone {
		for _, remote := range remotes {
			d.Remote = remote
			s.addSegments(out, d)
		}
		return
	}
	d.Data = out.buf[encap.Headroom-encap.VXLANSize : encap.Headroom+len(out.frame.Data)]
	copy(d.Data, out.network.header[:])
	for _, remote := range remotes {
		d.Remote = remote
		s.put(d, out.entry)
	}
}

// addSegments cuts a superframe into datagrams: a header block each, beside a slice of
// the original payload.
func (s *sends) addSegments(out *outgoing, d encap.Datagram) {
	if !s.cut.Reset(out.frame.Data, out.layers, out.frame.Offload) {
		s.ledger.dropped(out.entry, DropMalformed)
		return
	}
	for {
		if s.n == batchSize {
			s.flush()
		}
		header, payload := &s.headers[s.n], &s.payload[s.n]
		size, slice, ok := s.cut.Next(header[encap.VXLANSize:])
		if !ok {
			return
		}
		copy(header[:], out.network.header[:])
		payload[0] = slice
		d.Data, d.More = header[:encap.VXLANSize+size], payload[:]
		s.put(d, out.entry)
	}
}

// outer fills in what the outer headers take from the frame: the source port from its
// flow, DSCP and ECN from its IP header (RFC 6040; RFC 2983's uniform model unless the
// DSCP is fixed).
func (s *sends) outer(out *outgoing) encap.Datagram {
	n := out.network
	d := encap.Datagram{TTL: n.cfg.TTL, Source: encap.SourceListen}
	if s.sources > 0 {
		d.Source = uint8(encap.FlowHash(out.frame.Data, out.layers, s.seed) & (s.sources - 1))
	}
	inner, _ := encap.InnerTOS(out.frame.Data, out.layers)
	dscp := inner
	if n.cfg.FixedTOS {
		dscp = n.cfg.TOS
	}
	d.TOS = dscp&^3 | uint8(encap.EncapECN(encap.ECN(inner&3)))
	return d
}

func (s *sends) put(d encap.Datagram, entry int) {
	if s.n == batchSize {
		s.flush()
	}
	s.dgrams[s.n], s.entries[s.n] = d, entry
	s.n++
}

// flush sends what was collected, going on behind each datagram that fails.
func (s *sends) flush() {
	for i := 0; i < s.n; {
		sent, err := s.underlay.Send(s.dgrams[i:s.n])
		for ; sent > 0; sent-- {
			s.ledger.deliveredSegment(s.entries[i])
			i++
		}
		if i < s.n {
			s.ledger.dropped(s.entries[i], sendDrop(err))
			i++
		}
	}
	s.n = 0
}

// sendDrop names the reason for which the underlay did not take a datagram. An address
// that the host has lost shows as EINVAL (IPv4) or EADDRNOTAVAIL (IPv6).
func sendDrop(err error) Drop {
	switch {
	case errors.Is(err, syscall.EMSGSIZE):
		return DropTooBig
	case errors.Is(err, syscall.ENOBUFS), errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.ENOMEM):
		return DropSendFull
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH),
		errors.Is(err, syscall.ENETDOWN), errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EINVAL):
		return DropUnreachable
	}
	return DropSendFailed
}
