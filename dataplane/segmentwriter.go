package dataplane

import "github.com/vxtap/vxtap/encap"

// segmentWriter does in software what a port's device cannot: it finishes a checksum,
// or cuts a superframe into wire-size frames, a batch of header blocks at a time. It
// never changes the frame, which may be on its way to other ports.
type segmentWriter struct {
	layers  encap.Layers
	cut     encap.Segmenter
	headers [headerSlab]byte // of the batch, one behind the other
	payload [batchSize][1][]byte
	frames  [batchSize]encap.Frame
	whole   []byte // a copy of a frame whose checksum is to be finished, or that lay in pieces
}

// write writes f to a queue on behalf of a ledger entry.
func (s *segmentWriter) write(q Queue, f *encap.Frame, entry int, l *ledger) {
	if f.Offload.GSO == encap.GSONone {
		s.finish(q, f, entry, l)
		return
	}
	data := f.Data
	if len(f.More) > 0 { // joined for a port that has gone back on its offloads since
		data = s.copy(f)
	}
	s.layers.Parse(data)
	if !s.cut.Reset(data, &s.layers, f.Offload) {
		l.dropped(entry, uncut(&s.layers))
		return
	}
	for n := s.batch(); n > 0; n = s.batch() {
		s.writeAll(q, n, entry, l)
	}
}

// batch makes the next frames of the superframe, and returns how many.
func (s *segmentWriter) batch() (n int) {
	size := s.layers.Payload
	for room := s.headers[:]; n < batchSize && len(room) >= size; n++ {
		_, payload, ok := s.cut.Next(room[:size])
		if !ok {
			break
		}
		s.payload[n][0] = payload
		s.frames[n] = encap.Frame{Data: room[:size:size], More: s.payload[n][:]}
		room = room[size:]
	}
	return n
}

// finish writes a copy of f with its checksum finished.
func (s *segmentWriter) finish(q Queue, f *encap.Frame, entry int, l *ledger) {
	whole := s.copy(f)
	if !encap.CompleteChecksum(whole, f.Offload) {
		l.dropped(entry, DropMalformed)
		return
	}
	s.frames[0] = encap.Frame{Data: whole}
	s.writeAll(q, 1, entry, l)
}

// copy returns f in one piece, in memory that the next copy takes over.
func (s *segmentWriter) copy(f *encap.Frame) []byte {
	s.whole = append(s.whole[:0], f.Data...)
	for _, b := range f.More {
		s.whole = append(s.whole, b...)
	}
	return s.whole
}

func (s *segmentWriter) writeAll(q Queue, n, entry int, l *ledger) {
	for i := 0; i < n; {
		written, err := q.Write(s.frames[i:n])
		for range written {
			l.deliveredSegment(entry)
		}
		if i += written; i < n {
			l.dropped(entry, portDrop(err))
			i++
		}
	}
}
