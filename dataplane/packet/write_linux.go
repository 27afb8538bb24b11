package packet

import (
	"fmt"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/encap"
)

// MaxSlices is the most slices that a frame's More may have for [Queue.Write]. A frame of
// more is refused with an error that wraps [errors.ErrUnsupported].
const MaxSlices = 66

// maxVectors is how many vectors the messages of one system call have together: those of a
// batch of plain frames, or of a few superframes in pieces.
const maxVectors = 4 * batch

// writer is the writing half of a queue. Several workers may write to one queue, each
// seldom to that of another.
type writer struct {
	busy sync.Mutex
	mtu  int
	tag  [encap.VLANTagSize]byte // put into each frame
	vlan bool                    // if so

	msgs    [batch]mmsghdr
	headers [batch]encap.VirtioHeader
	vectors [maxVectors]unix.Iovec
}

func (w *writer) init(mtu int, vlan uint16) {
	w.mtu, w.vlan = mtu, vlan != 0
	encap.PutVLANTag(w.tag[:], encap.EtherTypeVLAN, vlan)
}

func (q *Queue) setMTU(mtu int) {
	q.out.busy.Lock()
	defer q.out.busy.Unlock()
	q.out.mtu = mtu
}

// Write hands frames to the interface in order and returns how many it took; an error is
// about the one behind them. Any number of goroutines may write.
//
// Errors wrap [net.ErrClosed] when the interface is gone, [errors.ErrUnsupported] when the
// caller should do the frame's offloads itself, otherwise the system's error: ENETDOWN while
// the interface is down, EMSGSIZE for what exceeds its MTU, ENOBUFS when its queue is full.
func (q *Queue) Write(frames []encap.Frame) (int, error) {
	w := &q.out
	w.busy.Lock()
	defer w.busy.Unlock()
	if q.closed.Load() {
		return 0, q.errs.closed
	}
	n := 0
	for n < len(frames) {
		loaded, err := q.load(frames[n:])
		if loaded == 0 {
			return n, err
		}
		sent, errno := q.calls.sendmmsg(q.fd, w.msgs[:loaded])
		switch errno {
		case 0:
			q.prove(frames[n : n+sent])
			n += sent // the next call has the error, if not all were taken
		case unix.EINTR:
		default:
			return n, q.writeError(&frames[n], errno)
		}
	}
	return n, nil
}

// load makes messages of as many frames as there is room for, up to one that the kernel is
// not to be given. The error is about that, if it is the first.
func (q *Queue) load(frames []encap.Frame) (n int, err error) {
	w := &q.out
	used := 0
	for n < min(len(frames), batch) {
		f := &frames[n]
		if err = q.check(f); err != nil {
			break
		}
		v := w.vectors[used:]
		if need := 4 + len(f.More); need > len(v) {
			break
		}
		used += w.put(n, f, v)
		n++
	}
	return n, err
}

// put makes message i of a frame, and returns how many vectors that took.
func (w *writer) put(i int, f *encap.Frame, v []unix.Iovec) int {
	// unsafe: the kernel reads the header's fields in place.
	v[0].Base = (*byte)(unsafe.Pointer(&w.headers[i]))
	v[0].SetLen(encap.VirtioHeaderSize)
	used := 2
	if w.vlan {
		w.headers[i] = encap.MakeVirtioHeader(&f.Offload, encap.VLANTagSize)
		point(&v[1], f.Data[:macs])
		point(&v[2], w.tag[:])
		point(&v[3], f.Data[macs:])
		used = 4
	} else {
		w.headers[i] = encap.MakeVirtioHeader(&f.Offload, 0)
		point(&v[1], f.Data)
	}
	for _, b := range f.More {
		point(&v[used], b)
		used++
	}
	h := &w.msgs[i].hdr
	h.Iov = &v[0]
	h.SetIovlen(used)
	return used
}

// check refuses what the kernel would refuse too, so that its EINVAL is left to mean that
// it does not know the kind of offload; and superframes of segments that are too long, of
// which it would say nothing.
func (q *Queue) check(f *encap.Frame) error {
	switch o := &f.Offload; {
	case len(f.Data) < encap.EthernetSize:
		return fmt.Errorf("write %d bytes to %s: no frame: %w", len(f.Data), q.errs.name, unix.EINVAL)
	case len(f.More) > MaxSlices:
		return unsupported(q.errs.name, fmt.Sprintf("a frame in %d pieces, at most %d are taken", 1+len(f.More), 1+MaxSlices))
	case !o.NeedsCSUM && o.GSO == encap.GSONone:
		return nil
	case !q.Offloads().Takes(*o):
		return unsupported(q.errs.name, "an offload that it does not take")
	case !plausible(o, f):
		return fmt.Errorf("write to %s: offload %+v does not fit a frame of %d bytes: %w", q.errs.name, *o, f.Len(), unix.EINVAL)
	case o.GSO != encap.GSONone && int(o.HeaderLen)+int(o.SegmentSize) > q.out.mtu+headerSize(f.Data):
		return q.errs.tooBig
	}
	return nil
}

// headerSize is the length of a frame's Ethernet header, with a tag if it has one.
func headerSize(frame []byte) int {
	switch encap.Ethernet(frame).Type() {
	case encap.EtherTypeVLAN, encap.EtherTypeQinQ:
		return encap.EthernetSize + encap.VLANTagSize
	}
	return encap.EthernetSize
}

// plausible reports whether the offsets of o lie where they can in f, and a superframe has
// all that the kernel wants to know.
func plausible(o *encap.Offload, f *encap.Frame) bool {
	field := int(o.CSUMStart) + int(o.CSUMOffset)
	if !o.NeedsCSUM || o.CSUMStart < encap.EthernetSize || field+2 > len(f.Data) {
		return false
	}
	want := uint16(encap.TCPChecksumOffset)
	switch o.GSO {
	case encap.GSONone:
		return true
	case encap.GSOUDP:
		want = encap.UDPChecksumOffset
	}
	return o.CSUMOffset == want && o.SegmentSize > 0 &&
		int(o.HeaderLen) >= field+2 && int(o.HeaderLen) <= len(f.Data)
}

// prove remembers which kinds of superframes the kernel takes.
func (q *Queue) prove(sent []encap.Frame) {
	for i := range sent {
		kind := uint32(offloadOf(sent[i].Offload.GSO))
		if q.proven.Load()&kind != kind {
			q.proven.Or(kind)
		}
	}
}

// writeError says what a refused frame means.
func (q *Queue) writeError(f *encap.Frame, errno unix.Errno) error {
	switch errno {
	case unix.ENXIO, unix.ENODEV:
		return q.errs.gone
	case unix.ENETDOWN:
		return q.errs.down
	case unix.EAGAIN, unix.ENOBUFS, unix.ENOMEM:
		return q.errs.full
	case unix.EMSGSIZE:
		return q.errs.tooBig
	case unix.EINVAL:
		if q.retract(f.Offload.GSO) {
			return unsupported(q.errs.name, "this kernel takes no such superframes")
		}
	}
	return fmt.Errorf("write %d bytes to %s: %w", f.Len(), q.errs.name, errno)
}

// retract takes back a promise that the kernel does not keep. One frame refused after
// others of its kind were taken is that frame's fault, and changes nothing.
func (q *Queue) retract(g encap.GSO) bool {
	kind := uint32(offloadOf(g))
	if kind == 0 || q.proven.Load()&kind != 0 {
		return false
	}
	q.offloads.And(^kind)
	return true
}

// offloadOf returns the member of an offload set that allows superframes of a kind.
func offloadOf(g encap.GSO) encap.OffloadSet {
	switch g {
	case encap.GSOTCP4, encap.GSOTCP6:
		return encap.OffloadTSO
	case encap.GSOUDP:
		return encap.OffloadUSO
	}
	return 0
}
