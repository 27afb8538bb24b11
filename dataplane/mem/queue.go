package mem

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/vxtap/vxtap/encap"
)

// Read fills up to len(frames) frames that are waiting and returns how many; it never
// blocks. A frame that is longer than its buffer is lost, and the error wraps
// [io.ErrShortBuffer]. After Close the error is [net.ErrClosed].
func (p *Port) Read(frames []encap.Frame) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return 0, net.ErrClosed
	}
	for i := range frames {
		src, ok := p.next()
		if !ok {
			return i, nil
		}
		if len(src.data) > len(frames[i].Data) {
			if i > 0 {
				return i, nil // the error is the next call's
			}
			p.taken()
			return 0, fmt.Errorf("read frame of %d bytes into %d: %w", len(src.data), len(frames[i].Data), io.ErrShortBuffer)
		}
		n := copy(frames[i].Data, src.data)
		frames[i] = encap.Frame{Data: frames[i].Data[:n], Offload: src.offload}
		if p.cfg.RefuseRead != nil {
			frames[i].Refusal = p.cfg.RefuseRead(&frames[i])
		}
		p.taken()
		p.counts.Read++
	}
	return len(frames), nil
}

// next looks at the frame to read: one to repeat while there are any, and then the
// oldest injected.
func (p *Port) next() (frame, bool) {
	if f := p.repeat.peek(); f != nil {
		return frame{f.Data, f.Offload}, true
	}
	if p.in.n == 0 {
		return frame{}, false
	}
	return *p.in.front(), true
}

// taken removes the frame that next returned.
func (p *Port) taken() {
	if p.repeat.left() {
		p.repeat.advance()
		return
	}
	p.in.pop(p.in.front().data)
}

// Write copies frames to the far side in order and returns how many it took. An error
// is about frames[n]:
//
//   - [net.ErrClosed] after Close,
//   - [errors.ErrUnsupported] for an offload that Offloads does not list,
//   - EINVAL for what is shorter than an Ethernet header,
//   - EMSGSIZE for a frame over the MTU or over [encap.MaxFrame],
//   - ENOBUFS if the far side is full and the port refuses,
//   - whatever FailWrite returns.
func (p *Port) Write(frames []encap.Frame) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range frames {
		if err := p.write(&frames[i]); err != nil {
			p.counts.Refused++
			return i, err
		}
	}
	return len(frames), nil
}

func (p *Port) write(f *encap.Frame) error {
	if p.closed {
		return net.ErrClosed
	}
	if p.cfg.FailWrite != nil {
		if err := p.cfg.FailWrite(f); err != nil {
			return err
		}
	}
	if err := p.admit(f); err != nil {
		return err
	}
	p.counts.Written++
	p.counts.WrittenBytes += uint64(f.Len())
	if p.cfg.Overflow == Discard {
		return nil
	}
	if p.out.full() { // and so the port drops the oldest
		p.out.pop(p.out.front().data)
		p.counts.Evicted++
	}
	p.out.push(frame{gather(p.out.buffer(), f.Data, f.More), f.Offload})
	p.signal()
	return nil
}

// admit says why a device would not take f.
func (p *Port) admit(f *encap.Frame) error {
	n := f.Len()
	switch {
	case !p.Offloads().Takes(f.Offload):
		return fmt.Errorf("write frame with offload %+v: %w", f.Offload, errors.ErrUnsupported)
	case n < encap.EthernetSize:
		return fmt.Errorf("write frame of %d bytes: %w", n, syscall.EINVAL)
	case p.tooLong(n, f.Offload):
		return fmt.Errorf("write frame of %d bytes to a port with MTU %d: %w", n, p.cfg.MTU, syscall.EMSGSIZE)
	case p.cfg.Overflow == Refuse && p.out.full():
		return fmt.Errorf("write frame behind %d others: %w", p.out.n, syscall.ENOBUFS)
	}
	return nil
}

// tooLong reports whether a frame of n bytes is over the limits. Like Linux, it does
// not look for VLAN tags but leaves room for them.
func (p *Port) tooLong(n int, o encap.Offload) bool {
	if n > encap.MaxFrame {
		return true
	}
	if p.cfg.MTU == 0 || o.GSO != encap.GSONone {
		return false
	}
	return n > p.cfg.MTU+encap.EthernetSize+2*encap.VLANTagSize
}
