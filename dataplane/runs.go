package dataplane

import (
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
	encap.Datagram // Data and More are filled in when it is sent
	to             *destination
	size           int // of each segment but the last, in bytes
	bytes          int
	segments       int
	last           bool // a shorter segment has ended it

	slices  [2 * maxRunSegments][]byte
	used    int
	first   [maxRunSegments]uint8 // of each segment's slices
	entries [maxRunSegments]uint8 // of each segment in the ledger
}

// begin empties r for datagrams like d.
func (r *run) begin(d encap.Datagram, to *destination) {
	r.Datagram, r.to = d, to
	r.size, r.bytes, r.segments, r.used, r.last = 0, 0, 0, 0, false
}

// takes reports whether a segment of n bytes to the same place can follow.
func (r *run) takes(d *encap.Datagram, to *destination, n, limit int) bool {
	switch {
	case r.last || r.segments >= limit || n > r.size || r.bytes+n > maxRunBytes:
		return false
	}
	return r.to == to && r.Remote == d.Remote && r.TOS == d.TOS && r.TTL == d.TTL
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
	d := r.Datagram
	d.Data, d.More = r.slices[0], r.slices[1:r.used]
	if r.segments > 1 {
		d.SegmentSize = uint16(r.size)
	}
	return d
}

// segment returns one segment as a datagram of its own.
func (r *run) segment(i int) encap.Datagram {
	end := r.used
	if i+1 < r.segments {
		end = int(r.first[i+1])
	}
	d := r.Datagram
	d.Data, d.More = r.slices[r.first[i]], r.slices[int(r.first[i])+1:end]
	return d
}
