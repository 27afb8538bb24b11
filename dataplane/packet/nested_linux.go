package packet

import "github.com/vxtap/vxtap/encap"

// nested holds superframes inside tunnels: a container with a VXLAN device of its own hands
// them over whole, and a virtio header describes what is inside alone. Nobody behind us knows
// what to do with those, so that they are cut up here, each segment in a buffer of the reader's.
//
// A queue that has seen one reads frame by frame from then on, so that what comes behind one
// need not wait. Of what one call has brought before, that is held too.
type nested struct {
	seen  bool
	held  []encap.Frame // copies; the first is being cut up if begun
	begun bool
	spare []byte // memory of one that is done with
	cut   encap.TunnelSegmenter
	l     encap.Layers
}

// waits reports whether there is something to cut up.
func (h *nested) waits() bool { return len(h.held) > 0 }

// cutUp holds a superframe with these layers, and reports false if it cannot be cut up.
// Nothing is being cut up at the moment: frames are read when nothing is held.
func (h *nested) cutUp(f *encap.Frame, l *encap.Layers) bool {
	h.seen = true
	if !h.cut.Reset(f.Data, l, f.Offload) {
		return false
	}
	h.hold(f)
	return true
}

// hold keeps a copy of a frame.
func (h *nested) hold(f *encap.Frame) {
	h.held = append(h.held, encap.Frame{Data: append(h.spare, f.Data...), Offload: f.Offload})
	h.spare = nil
}

// next fills frames with what is held, in order and cut up, and returns how many.
func (h *nested) next(frames []encap.Frame) (n int) {
	for n < len(frames) && h.waits() {
		size, offload, last := h.segment(frames[n].Data)
		if size > 0 {
			frames[n] = encap.Frame{Data: frames[n].Data[:size], Offload: offload}
			n++
		}
		if last {
			h.spare, h.begun = h.held[0].Data[:0], false
			h.held = h.held[:copy(h.held, h.held[1:])]
		}
	}
	return n
}

// segment puts the next segment of what is held first into b, or all of it if it is no
// superframe to be cut up. Of a size of 0 there is none.
func (h *nested) segment(b []byte) (size int, o encap.Offload, last bool) {
	f := &h.held[0]
	if !h.begun {
		if h.l.Parse(f.Data); !h.l.Inside(f.Offload) {
			return copy(b, f.Data), f.Offload, true
		}
		h.begun = h.cut.Reset(f.Data, &h.l, f.Offload)
	}
	size, ok := h.cut.Next(b)
	return size, o, !ok
}
