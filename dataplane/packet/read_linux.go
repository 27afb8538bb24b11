package packet

import (
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/encap"
)

// macs is where a tag is in a frame: behind the addresses.
const macs = 12

// reader is the reading half of a queue. Its message headers point into its own arrays for
// good; a call only sets the buffers and the lengths. The buffers of the last call stay
// referenced until the next: they are the worker's, which lives as long.
type reader struct {
	// busy is held while the descriptor is in use, so that it is not taken away. It is
	// contended only by those who ask for drops, or close.
	busy    sync.Mutex
	gone    atomic.Bool // the interface is
	pending error       // of what came behind the frames that the last Read returned
	faults  int         // reads that failed since one did not
	layers  encap.Layers
	nested  nested

	// msgs[i] gathers a header into headers[i] and a frame into buffers[i], and has what
	// the kernel says beside it in control[i].
	msgs    [batch]mmsghdr
	vectors [batch][2]unix.Iovec
	headers [batch]encap.VirtioHeader
	control [batch]auxdata
	buffers [batch][]byte
}

func (r *reader) init() {
	for i := range r.msgs {
		v := &r.vectors[i]
		// unsafe: the kernel writes headers and control messages in place.
		v[0].Base = (*byte)(unsafe.Pointer(&r.headers[i]))
		v[0].SetLen(encap.VirtioHeaderSize)
		h := &r.msgs[i].hdr
		h.Iov = &v[0]
		h.SetIovlen(len(v))
		h.Control = (*byte)(unsafe.Pointer(&r.control[i]))
	}
}

// Read fills up to len(frames) waiting frames, without blocking, and returns how many. Only
// one goroutine reads. A frame longer than its buffer is dropped, and counted in
// [Device.Drops].
func (q *Queue) Read(frames []encap.Frame) (int, error) {
	r := &q.in
	r.busy.Lock()
	defer r.busy.Unlock()
	frames = frames[:min(len(frames), batch)]
	if r.nested.seen {
		return q.readNested(frames, 0)
	}
	n, err := q.receive(frames)
	if r.nested.waits() {
		return q.readNested(frames, n)
	}
	return n, err
}

// readNested reads frame by frame behind the first n, and cuts up what is held in between.
func (q *Queue) readNested(frames []encap.Frame, n int) (int, error) {
	h := &q.in.nested
	for n < len(frames) {
		if cut := h.next(frames[n:]); cut > 0 {
			n += cut
			continue
		}
		got, err := q.receive(frames[n : n+1])
		if err != nil && n > 0 {
			q.in.pending, err = err, nil
		}
		if n += got; err != nil || got == 0 && !h.waits() {
			return n, err
		}
	}
	if h.waits() { // which the descriptor does not show
		q.notify()
	}
	return n, nil
}

// receive reads as many frames as one call brings.
func (q *Queue) receive(frames []encap.Frame) (int, error) {
	r := &q.in
	for lost := 0; ; {
		switch {
		case q.closed.Load():
			return 0, q.errs.closed
		case r.gone.Load():
			return 0, q.errs.gone
		case r.pending != nil:
			err := r.pending
			r.pending = nil
			return 0, err
		case len(frames) == 0 || lost == batch: // others are to have their turn
			return 0, nil
		}
		r.load(frames)
		n, errno := q.calls.recvmmsg(q.fd, r.msgs[:len(frames)])
		switch errno {
		case 0:
			r.faults = 0
			return q.unload(frames[:n]), nil
		case unix.EINTR:
		case unix.EAGAIN:
			r.faults = 0
			return 0, nil
		case unix.ENETDOWN:
			q.wentDown()
		case unix.EINVAL: // a superframe for which there is no virtio header, as of SCTP
			q.missed.Add(1)
			lost++
		default:
			r.pending = q.fault(errno)
		}
	}
}

// load points the message headers at the buffers of frames, but for the room of a tag at
// their beginning.
func (r *reader) load(frames []encap.Frame) {
	for i := range frames {
		r.buffers[i] = frames[i].Data
		point(&r.vectors[i][1], frames[i].Data[min(encap.VLANTagSize, len(frames[i].Data)):])
		h := &r.msgs[i].hdr
		h.SetControllen(int(unsafe.Sizeof(r.control[i])))
		h.Flags = 0
	}
}

// unload describes the frames that the kernel has put in their buffers, and returns how
// many are left without those that did not fit, and what is held from the first on that is to
// be cut up. What comes behind one of the former, which is seldom, is moved to the buffer
// before it.
func (q *Queue) unload(frames []encap.Frame) int {
	r := &q.in
	n := 0
	for i := range frames {
		if !q.describe(&frames[i], i) {
			q.missed.Add(1)
			continue
		}
		switch {
		case q.isNested(&frames[i]):
			if !r.nested.cutUp(&frames[i], &r.layers) {
				q.missed.Add(1)
			}
			continue
		case r.nested.waits(): // it is not to overtake
			r.nested.hold(&frames[i])
			continue
		}
		if n < i {
			frames[n] = encap.Frame{Data: r.buffers[n][:copy(r.buffers[n], frames[i].Data)], Offload: frames[i].Offload}
		}
		n++
	}
	for i := n; i < len(frames); i++ {
		frames[i].Data = r.buffers[i] // whole again
	}
	return n
}

// isNested reports whether f is a superframe inside a tunnel, and finds its layers.
func (q *Queue) isNested(f *encap.Frame) bool {
	if f.Offload.GSO == encap.GSONone {
		return false
	}
	q.in.layers.Parse(f.Data)
	return q.in.layers.Inside(f.Offload)
}

// describe says in f what message i has brought, and is false if that is no whole frame.
func (q *Queue) describe(f *encap.Frame, i int) bool {
	r := &q.in
	m, h := &r.msgs[i], &r.headers[i]
	size := int(m.len) - encap.VirtioHeaderSize
	if m.hdr.Flags&unix.MSG_TRUNC != 0 || size < 0 {
		return false
	}
	buf := r.buffers[i][:encap.VLANTagSize+size]
	f.Data, f.More = buf[encap.VLANTagSize:], nil
	tpid, tci, tagged := r.control[i].tag(int(m.hdr.Controllen))
	if tagged && q.wire.vlan == 0 && size >= macs {
		f.Data = buf
		copy(buf, buf[encap.VLANTagSize:encap.VLANTagSize+macs])
		binary.BigEndian.PutUint16(buf[macs:], tpid)
		binary.BigEndian.PutUint16(buf[macs+2:], tci)
		h.Shift(encap.VLANTagSize)
	}
	if segment, merged := h.Merged(); merged {
		f.Offload = encap.Unfinish(f.Data, &r.layers, segment)
	} else {
		f.Offload = h.Offload(f.Data)
	}
	return true
}

// maxFaults is how many reads in a row may fail, each for a frame's own reasons, before
// there is something wrong that does not pass.
const maxFaults = 64

// fault counts a read that failed as a lost frame, which it was about. It returns an error
// if one read after another fails.
func (q *Queue) fault(errno unix.Errno) error {
	q.missed.Add(1)
	if q.in.faults++; q.in.faults < maxFaults {
		return nil
	}
	return fmt.Errorf("read from %s: failed %d times in a row: %w", q.errs.name, maxFaults, errno)
}
