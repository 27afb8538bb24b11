package tap

import (
	"fmt"
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
		n, errno := q.calls.read(q.fd, &q.header, f.Data)
		n -= vnetHeaderSize
		switch {
		case errno == unix.EINTR:
		case errno == unix.EAGAIN:
			return false, nil
		case errno != 0:
			return false, q.readError(errno)
		case n > len(f.Data):
			q.tooLong.Add(1)
		case n > 0:
			f.Data = f.Data[:n]
			f.More = nil
			f.Offload = q.header.offload(f.Data)
			return true, nil
		default:
			return false, fmt.Errorf("read from %s: a header without a frame: %w", q.errs.name, io.ErrUnexpectedEOF)
		}
	}
}

func (q *vnetQueue) readError(errno unix.Errno) error {
	if isGone(errno) {
		return q.errs.gone
	}
	return fmt.Errorf("read from %s: %w", q.errs.name, errno)
}
