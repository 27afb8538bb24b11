package underlay

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/encap"
)

// receiver is the receiving half of a linuxSocket. Its message headers point into its
// own arrays for good; a call only sets the buffers and the lengths. The buffers of
// the last call stay referenced until the next: they are the worker's, which lives as
// long.
type receiver struct {
	sys    system
	closed *atomic.Bool
	// busy is held by Recv while it runs, so that Close does not take the descriptors
	// away under it. It is never contended but by Close.
	busy   sync.Mutex
	fd     int
	wait   []unix.PollFd // the socket, the eventfd that Close writes to, and those of groups
	groups groups

	// msgs[i] gathers into buffers[i], which is dgrams[i].Data of the call under way,
	// and has its sender in names[i] and what the kernel says about it in control[i].
	msgs    [Batch]mmsghdr
	buffers [Batch]unix.Iovec
	names   [Batch]sockaddr
	control [Batch][controlSize]byte
}

// newReceiver returns the receiver of socket fd, with all headers linked to their parts.
func newReceiver(sys system, fd, wake int, closed *atomic.Bool) *receiver {
	r := &receiver{sys: sys, fd: fd, closed: closed}
	r.wait = []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(wake), Events: unix.POLLIN}}
	for i := range r.msgs {
		h := &r.msgs[i].hdr
		h.Name = &r.names[i][0]
		h.Iov = &r.buffers[i]
		h.SetIovlen(1)
		h.Control = &r.control[i][0]
	}
	return r
}

// recv reads first and waits, if it may, only if nothing was there: a busy socket costs
// one system call a batch.
func (r *receiver) recv(dgrams []encap.Datagram, wait bool) (int, error) {
	r.busy.Lock()
	defer r.busy.Unlock()
	dgrams = dgrams[:min(len(dgrams), Batch)]
	for {
		if r.closed.Load() {
			return 0, net.ErrClosed
		}
		if len(dgrams) == 0 {
			return 0, nil
		}
		r.load(dgrams)
		n, errno := r.take(len(dgrams))
		switch errno {
		case 0:
			r.unload(dgrams[:n])
			return n, nil
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			if !wait {
				return 0, nil
			}
			errno = r.sleep()
			if errno == 0 || errno == unix.EINTR {
				continue
			}
		}
		return 0, fmt.Errorf("receiving: %w", errno)
	}
}

// load points the message headers at the buffers of dgrams.
func (r *receiver) load(dgrams []encap.Datagram) {
	for i := range dgrams {
		setBuffer(&r.buffers[i], dgrams[i].Data)
		h := &r.msgs[i].hdr
		h.Namelen = unix.SizeofSockaddrInet6
		h.SetControllen(controlSize)
		h.Flags = 0
	}
}

// unload describes in dgrams what the kernel has put in their buffers.
func (r *receiver) unload(dgrams []encap.Datagram) {
	for i := range dgrams {
		m, d := &r.msgs[i], &dgrams[i]
		*d = encap.Datagram{
			Data:      d.Data[:m.len],
			Remote:    r.names[i].addrPort(),
			Truncated: m.hdr.Flags&unix.MSG_TRUNC != 0,
			Source:    d.Source,
		}
		readControl(r.control[i][:m.hdr.Controllen], d)
	}
}

// setBuffer points an iovec at b.
func setBuffer(v *unix.Iovec, b []byte) {
	v.Base = nil
	if len(b) > 0 {
		v.Base = &b[0]
	}
	v.SetLen(len(b))
}
