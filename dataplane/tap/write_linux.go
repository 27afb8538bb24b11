package tap

import (
	"fmt"
	"io"

	"github.com/vxtap/vxtap/encap"
	"golang.org/x/sys/unix"
)

// Write writes frame by frame until one is refused.
func (q *vnetQueue) Write(frames []encap.Frame) (int, error) {
	if !q.use.enter() {
		return 0, q.errs.closed
	}
	defer q.leave()
	for n := range frames {
		if err := q.writeFrom(&frames[n]); err != nil {
			return n, err
		}
	}
	return len(frames), nil
}

// writeFrom writes one frame.
func (q *vnetQueue) writeFrom(f *encap.Frame) error {
	if err := q.checkFrame(f); err != nil {
		return err
	}
	h := encap.MakeVirtioHeader(&f.Offload, -uint16(q.skip))
	for {
		n, errno := q.calls.write(q.fd, h, f, q.skip)
		switch {
		case errno == unix.EINTR:
		case errno != 0:
			return q.writeError(f, errno)
		case n != vnetHeaderSize+f.Len()-q.skip:
			return fmt.Errorf("write %d bytes to %s: took %d: %w", f.Len(), q.errs.name, n-vnetHeaderSize, io.ErrShortWrite)
		default:
			q.prove(f.Offload.GSO)
			return nil
		}
	}
}

// checkFrame refuses what the kernel would refuse too, so that its EINVAL is left to
// mean that it does not know the kind of offload.
func (q *vnetQueue) checkFrame(f *encap.Frame) error {
	if len(f.More) > MaxSlices {
		return unsupported(q.errs.name, fmt.Sprintf("a frame in %d pieces, at most %d are taken", 1+len(f.More), 1+MaxSlices))
	}
	if len(f.Data) <= q.skip && q.skip > 0 {
		return encap.RefusalNotIP
	}
	o := &f.Offload
	if !o.NeedsCSUM && o.GSO == encap.GSONone {
		return nil
	}
	if !q.Offloads().Takes(*o) {
		return unsupported(q.errs.name, "an offload that it does not take")
	}
	if !plausible(o, f) {
		return fmt.Errorf("write to %s: offload %+v does not fit a frame of %d bytes: %w", q.errs.name, *o, f.Len(), unix.EINVAL)
	}
	return nil
}

// plausible reports whether the offsets of o lie where they can in f, and a
// superframe has all that the kernel wants to know.
func plausible(o *encap.Offload, f *encap.Frame) bool {
	field := int(o.CSUMStart) + int(o.CSUMOffset)
	if !o.NeedsCSUM || o.CSUMStart < encap.EthernetSize || field+2 > len(f.Data) {
		return false
	}
	want := uint16(16) // of TCP's checksum
	switch o.GSO {
	case encap.GSONone:
		return true
	case encap.GSOUDP:
		want = 6
	}
	return o.CSUMOffset == want && o.SegmentSize > 0 &&
		int(o.HeaderLen) >= field+2 && int(o.HeaderLen) <= len(f.Data)
}

// prove remembers that the kernel takes superframes of a kind.
func (q *vnetQueue) prove(g encap.GSO) {
	kind := uint32(offloadOf(g))
	if q.proven.Load()&kind != kind {
		q.proven.Or(kind)
	}
}

// writeError says what a refused frame means.
func (q *vnetQueue) writeError(f *encap.Frame, errno unix.Errno) error {
	switch {
	case isGone(errno):
		return q.errs.gone
	case errno == unix.EIO:
		return q.errs.down
	case errno == unix.EAGAIN, errno == unix.ENOBUFS:
		return q.errs.full
	case errno == unix.EINVAL && q.retract(f.Offload.GSO):
		return unsupported(q.errs.name, "this kernel takes no such superframes")
	}
	return fmt.Errorf("write %d bytes to %s: %w", f.Len(), q.errs.name, errno)
}

// retract takes back a promise that the kernel does not keep. One frame refused after
// others of its kind were taken is that frame's fault, and changes nothing.
func (q *vnetQueue) retract(g encap.GSO) bool {
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
