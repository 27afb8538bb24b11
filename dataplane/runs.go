package dataplane

import (
	"net/netip"

	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/encap"
)

const (
	// maxRuns is how many trains a batch can have in the making.
	maxRuns = 64
	// maxRunSegments is the most datagrams in one train, before Linux 6.9 the kernel's
	// limit (UDP_MAX_SEGMENTS) and enough to fill one with full-size frames.
	maxRunSegments = 64
	// maxRunBytes keeps a train below the 65507 bytes that one send may carry.
	maxRunBytes = 65000
)

// A run is datagrams that the underlay takes in one piece, a train: equal in length
// (the last may be shorter), remote, source socket, TOS and TTL. Their frames may be
// segments of one superframe, or many small frames, of one flow or several.
type run struct {
	outer
	size     int // of each segment but the last, in bytes
	bytes    int
	segments int
	last     bool // a shorter segment has ended it

	slices  [2 * maxRunSegments][]byte
	used    int
	pieces  [maxRunSegments][]byte // slices that lie next to each other put together
	first   [maxRunSegments]uint8  // of each segment's slices
	entries [maxRunSegments]uint8  // of each segment in the ledger
}

// outer is what the datagrams of a run have in common.
type outer struct {
	to               *destination
	remote           netip.AddrPort // one of to's
	counted          *remoteCounters
	source, tos, ttl uint8 // as in encap.Datagram
	sealed           bool  // each datagram is one slice of the same slab
	bare             bool  // without UDP checksum
	fragments        bool  // may be fragmented on the way
}

// overhead is how many bytes of each datagram are none of its frame's.
func (o *outer) overhead() int {
	if o.sealed {
		return crypto.Overhead + encap.VXLANSize
	}
	return encap.VXLANSize
}

// begin empties r for datagrams under o.
func (r *run) begin(o *outer) {
	r.outer = *o
	r.size, r.bytes, r.segments, r.used, r.last = 0, 0, 0, 0, false
}

// takes reports whether a segment of n bytes under o can follow, of at most limit. The
// source is the same.
func (r *run) takes(o *outer, n, limit int) bool {
	if r.last || r.segments >= limit || n > r.size || r.bytes+n > maxRunBytes {
		return false
	}
	return r.to == o.to && r.tos == o.tos && r.ttl == o.ttl && r.remote == o.remote && r.fragments == o.fragments
}

// add appends a segment: a header, and a payload that follows it or nil.
func (r *run) add(header, payload []byte, entry int) {
	n := len(header) + len(payload)
	if r.segments == 0 {
		r.size = n
	}
	r.last = n < r.size
	r.first[r.segments], r.entries[r.segments] = uint8(r.used), uint8(entry)
	r.segments++
	r.bytes += n
	r.slices[r.used] = header
	r.used++
	if payload != nil {
		r.slices[r.used] = payload
		r.used++
	}
}

// datagram returns the whole run as one datagram or train.
func (r *run) datagram() encap.Datagram {
	d := r.header()
	slices := r.slices[:r.used]
	if r.sealed {
		slices = r.join()
	}
	d.Data, d.More = slices[0], slices[1:]
	if r.segments > 1 {
		d.SegmentSize = uint16(r.size)
	}
	return d
}

// join returns the slices of a sealed run in as few pieces as possible: one, unless other
// runs were sealed in between. The kernel then copies it in one go.
func (r *run) join() [][]byte {
	n := 0
	r.pieces[0] = r.slices[0]
	for _, b := range r.slices[1:r.used] {
		last := r.pieces[n]
		if size := len(last); cap(last) > size && &last[:size+1][size] == &b[0] {
			r.pieces[n] = last[:size+len(b)]
			continue
		}
		n++
		r.pieces[n] = b
	}
	return r.pieces[:n+1]
}

// segment returns one segment as a datagram of its own.
func (r *run) segment(i int) encap.Datagram {
	end := r.used
	if i+1 < r.segments {
		end = int(r.first[i+1])
	}
	d := r.header()
	d.Data, d.More = r.slices[r.first[i]], r.slices[int(r.first[i])+1:end]
	return d
}

// header returns a datagram without its bytes.
func (r *run) header() encap.Datagram {
	return encap.Datagram{
		Remote: r.remote, Source: r.source, TOS: r.tos, TTL: r.ttl,
		Interface: r.to.device.Load(), NoChecksum: r.bare, MayFragment: r.fragments,
	}
}
