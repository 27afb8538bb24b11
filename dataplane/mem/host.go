package mem

import (
	"context"
	"fmt"
	"net"
	"slices"

	"github.com/vxtap/vxtap/encap"
)

// Inject puts a copy of a frame where Read finds it, as the host's stack would. Like
// a TAP, a port has no back-pressure: if the queue is full, the frame too long or the
// port closed, the frame is counted as dropped and Inject returns false.
func (p *Port) Inject(data []byte, o encap.Offload) bool {
	p.mu.Lock()
	if p.closed || p.in.full() || p.tooLong(len(data), o) {
		p.counts.InjectDropped++
		p.mu.Unlock()
		return false
	}
	wasEmpty := p.in.n == 0
	p.in.push(frame{append(p.in.buffer(), data...), o})
	p.counts.Injected++
	ready := p.notify
	p.mu.Unlock()
	if wasEmpty {
		announce(ready)
	}
	return true
}

// Repeat makes Read return copies of frames, over and over, n in all, before anything
// that is injected: a source for benchmarks, which costs one copy a frame. It takes
// its own copy of frames, and replaces what an earlier call left.
func (p *Port) Repeat(frames []encap.Frame, n uint64) {
	own := make([]encap.Frame, len(frames))
	for i, f := range frames {
		own[i] = cloneFrame(&f)
	}
	p.mu.Lock()
	p.repeat = newRepeat(own, n)
	ready := p.notify
	p.mu.Unlock()
	announce(ready)
}

// Receive waits for the next frame that was written, and returns it in memory of its
// own. Frames written before Close are still returned; then the error is
// [net.ErrClosed].
func (p *Port) Receive(ctx context.Context) (encap.Frame, error) {
	for {
		if f, ok := p.TryReceive(); ok {
			return f, nil
		}
		select {
		case <-p.arrived:
		case <-p.done:
			// A frame may have come between the look and the Close.
			if f, ok := p.TryReceive(); ok {
				return f, nil
			}
			return encap.Frame{}, net.ErrClosed
		case <-ctx.Done():
			return encap.Frame{}, fmt.Errorf("wait for a frame from the port: %w", ctx.Err())
		}
	}
}

// TryReceive is Receive for those who do not wait: it reports whether there was a
// frame.
func (p *Port) TryReceive() (encap.Frame, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.out.n == 0 {
		return encap.Frame{}, false
	}
	src := p.out.front()
	f := encap.Frame{Data: slices.Clone(src.data), Offload: src.offload}
	p.out.pop(src.data)
	p.counts.Received++
	if p.out.n > 0 {
		p.signal() // for others who wait
	}
	return f, true
}

// signal wakes one who waits in Receive.
func (p *Port) signal() {
	select {
	case p.arrived <- struct{}{}:
	default:
	}
}

// cloneFrame returns f in one piece and in memory of its own.
func cloneFrame(f *encap.Frame) encap.Frame {
	return encap.Frame{Data: gather(make([]byte, 0, f.Len()), f.Data, f.More), Offload: f.Offload}
}
