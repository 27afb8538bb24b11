package tap

import (
	"cmp"
	"io"

	"github.com/vxtap/vxtap/encap"
	"golang.org/x/sys/unix"
)

// burst is frames that are read together.
type burst struct {
	into    [burstSize][]byte // where each is to go, behind its vnetHeader
	results [burstSize]int32  // how long both are, or a negative errno
}

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
	n, more, err := 0, true, error(nil)
	for more && err == nil && n < len(frames) {
		var got int
		got, more, err = q.readSome(frames[n:])
		n += got
	}
	q.crowded = n == len(frames)
	if n > 0 {
		q.pending, err = err, nil
	}
	return n, err
}

// readSome reads the first of frames, and more if it is likely that they are waiting: one
// that is not there costs time too. It returns how many it read, and whether there
// may be others behind them.
func (q *vnetQueue) readSome(frames []encap.Frame) (n int, more bool, err error) {
	b, wanted := &q.burst, 1
	if q.crowded && q.calls.burst != nil {
		wanted = min(burstSize, len(frames))
	}
	for i := range frames[:wanted] {
		b.into[i] = frames[i].Data[q.begin():]
	}
	q.read(wanted)
	more = true
	for i, result := range b.results[:wanted] {
		switch length := int(result); {
		case length == -int(unix.EINTR):
		case length == -int(unix.EAGAIN):
			q.faults, more = 0, false // those behind it may have come in between
		case length < 0:
			err = cmp.Or(err, q.fault(unix.Errno(-length)))
		case length == len(b.into[i]): // the kernel cuts without saying so
			q.missed.Add(1)
		case length <= vnetHeaderSize:
			err = cmp.Or(err, q.fault(io.ErrUnexpectedEOF))
		default:
			q.faults = 0
			q.take(&frames[n], b.into[i][:length], n == i)
			n++
		}
	}
	return n, more, err
}

// read reads one frame by a plain read, and several by a burst for as long as there are such.
func (q *vnetQueue) read(wanted int) {
	b := &q.burst
	if wanted == 1 {
		n, errno := q.calls.read(q.fd, b.into[0])
		if b.results[0] = int32(n); errno != 0 {
			b.results[0] = -int32(errno)
		}
		return
	}
	if err := q.calls.burst(b, wanted); err != nil {
		q.calls.burst = nil
		q.readSingly(err)
	}
}

// begin is where in a buffer its vnetHeader goes. An Ethernet header that does not cross
// finds room before the packet, over the vnetHeader.
func (q *vnetQueue) begin() int { return max(q.skip-vnetHeaderSize, 0) }

// take makes f the frame that lies behind the vnetHeader in b: in its own buffer, or in that
// of a later one.
func (q *vnetQueue) take(f *encap.Frame, b []byte, inPlace bool) {
	if !inPlace {
		copy(f.Data[q.begin():], b)
	}
	h := encap.VirtioHeaderAt(b)
	f.Data = f.Data[max(vnetHeaderSize-q.skip, 0) : q.begin()+len(b)]
	f.More = nil
	if q.skip > 0 {
		blankEthernet(f.Data)
		h.Shift(uint16(q.skip))
	}
	f.Offload = h.Offload(f.Data)
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
