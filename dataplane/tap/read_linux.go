package tap

import (
	"io"

	"github.com/vxtap/vxtap/encap"
	"golang.org/x/sys/unix"
)

// Read reads until frames are full or the kernel has no more.
func (q *vnetQueue) Read(frames []encap.Frame) (int, error) {
	if !q.use.enter() {
		return 0, q.errs.closed
	}
	defer q.leave()
	if err := q.pending; err != nil {
		q.pending = nil
		return 0, err
	}
	for n := range frames {
		ok, err := q.readInto(&frames[n])
		if err != nil && n > 0 {
			q.pending = err
			return n, nil
		}
		if !ok {
			return n, err
		}
	}
	return len(frames), nil
}

// readInto reads one frame, and is false if there was none.
func (q *vnetQueue) readInto(f *encap.Frame) (bool, error) {
	for {
		n, errno := q.calls.read(q.fd, &q.header, f.Data[q.skip:])
		n += q.skip - vnetHeaderSize
		switch {
		case errno == unix.EINTR:
		case errno == unix.EAGAIN:
			q.faults = 0
			return false, nil
		case errno != 0:
			if err := q.fault(errno); err != nil {
				return false, err
			}
		case n > len(f.Data):
			q.missed.Add(1)
		case n > q.skip:
			q.faults = 0
			f.Data = f.Data[:n]
			f.More = nil
			if q.skip > 0 {
				blankEthernet(f.Data)
				q.header.Shift(uint16(q.skip))
			}
			f.Offload = q.header.Offload(f.Data)
			return true, nil
		default: // a header without a frame
			if err := q.fault(io.ErrUnexpectedEOF); err != nil {
				return false, err
			}
		}
	}
}

// fault counts a read that failed as a lost frame, which it was about. It returns an
// error if there is nothing more to read: the interface is gone, or one read after
// another fails.
func (q *vnetQueue) fault(err error) error {
	if isGone(err) {
		return q.errs.gone
	}
	q.missed.Add(1)
	if q.faults++; q.faults < maxFaults {
		return nil
	}
	return tooManyFaults(q.errs.name, err)
}
