package mem

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"syscall"

	"github.com/vxtap/vxtap/encap"
)

const (
	defaultTTL  = 64    // what a datagram is sent with that asks for no TTL
	maxSegments = 128   // of a train: Linux, UDP_MAX_SEGMENTS since 6.9
	maxIPLen    = 65535 // of an IPv4 packet, and of an IPv6 payload
	udpHeader   = 8     // RFC 768
	ipv4Header  = 20    // RFC 791, without options
	ipv6Header  = 40    // RFC 8200
)

// Send puts dgrams on the wire in order and returns how many it took. An error is about
// dgrams[n]:
//
//   - [net.ErrClosed] after Close,
//   - EINVAL for a source socket or a train that no system has,
//   - EAFNOSUPPORT for a remote of the other address family,
//   - EMSGSIZE for what is over the wire's MTU or over what UDP can carry,
//   - ENETUNREACH if nobody has the remote address, unless the wire is a black hole.
func (u *Underlay) Send(dgrams []encap.Datagram) (int, error) {
	im := u.network.impairments.Load()
	for i := range dgrams {
		if err := u.send(&u.out, &dgrams[i], im); err != nil {
			return i, err
		}
	}
	return len(dgrams), nil
}

// Post puts one datagram on the wire from the listening address, from any goroutine.
// Source and SegmentSize are ignored; errors are those of Send. Its chances are drawn
// apart from those of Send, and hang on the order in which datagrams are posted.
func (u *Underlay) Post(d *encap.Datagram) error {
	one := *d
	one.Source, one.SegmentSize = encap.SourceListen, 0
	u.posting.Lock()
	defer u.posting.Unlock()
	return u.send(&u.post, &one, u.network.impairments.Load())
}

// send puts d on the wire by means of o, which is the caller's.
func (u *Underlay) send(o *outgoing, d *encap.Datagram, im *Impairments) error {
	if err := u.admit(d, im); err != nil {
		return fmt.Errorf("send %d bytes to %v: %w", d.Len(), d.Remote, err)
	}
	from := u.sourceAddr(d.Source)
	to := u.network.route(from, d)
	if to == nil && !im.Blackhole {
		return fmt.Errorf("send to %v: %w: nobody listens there", d.Remote, syscall.ENETUNREACH)
	}

	one := encap.Datagram{Remote: d.Remote, Source: d.Source, TOS: d.TOS, TTL: d.TTL}
	if one.TTL == 0 {
		one.TTL = defaultTTL
	}
	left := d.Len()
	size := left
	switch {
	case !isTrain(d, left):
	case im.KeepTrains:
		one.SegmentSize = d.SegmentSize
	default:
		size = int(d.SegmentSize)
	}
	if to != nil && to.discard && !im.random() && im.Delay <= 0 && u.network.tap.Load() == nil {
		u.sink(to, max(1, (left+size-1)/max(1, size)))
		return nil
	}
	for rest := (cursor{d.Data, d.More}); ; {
		o.scratch = rest.take(o.scratch[:0], min(size, left))
		one.Data = o.scratch
		u.transmit(o.rng, from, to, &one, im)
		if left -= len(one.Data); left == 0 {
			return nil // an empty datagram was one, too
		}
	}
}

// sink counts n datagrams that nobody will see, without putting them together.
func (u *Underlay) sink(to *Underlay, n int) {
	u.sent.sent.Add(uint64(n))
	to.mu.Lock()
	defer to.mu.Unlock()
	if to.closed.Load() {
		u.sent.vanished.Add(uint64(n))
		return
	}
	to.received += uint64(n)
}

// isTrain reports whether d, n bytes long, is more than one datagram.
func isTrain(d *encap.Datagram, n int) bool {
	return d.SegmentSize != 0 && int(d.SegmentSize) < n
}

// admit says why a socket would not take d.
func (u *Underlay) admit(d *encap.Datagram, im *Impairments) error {
	n, remote := d.Len(), d.Remote.Addr()
	one := n // the longest single datagram
	if isTrain(d, n) {
		one = int(d.SegmentSize)
	}
	headers := ipv4Header + udpHeader
	if !remote.Is4() {
		headers = ipv6Header + udpHeader
	}
	switch {
	case u.closed.Load():
		return net.ErrClosed
	case d.Source != encap.SourceListen && int(d.Source) >= u.sources:
		return fmt.Errorf("source socket %d of %d: %w", d.Source, u.sources, syscall.EINVAL)
	case remote.Is4() != u.addr.Addr().Is4() || remote.Is4In6():
		return fmt.Errorf("from %v: %w", u.addr.Addr(), syscall.EAFNOSUPPORT)
	case isTrain(d, n) && (n-1)/one+1 > maxSegments:
		return fmt.Errorf("%d segments, at most %d: %w", (n-1)/one+1, maxSegments, syscall.EINVAL)
	case n > maxIPLen-headers:
		return fmt.Errorf("at most %d: %w", maxIPLen-headers, syscall.EMSGSIZE)
	case im.MTU > 0 && one+headers > im.MTU:
		return fmt.Errorf("%d with headers, MTU %d: %w", one+headers, im.MTU, syscall.EMSGSIZE)
	}
	return nil
}

// sourceAddr is the address that a remote sees.
func (u *Underlay) sourceAddr(source uint8) netip.AddrPort {
	if source == encap.SourceListen {
		return u.addr
	}
	port := SourcePortBase + u.queue*MaxSources + int(source)
	return netip.AddrPortFrom(u.addr.Addr(), uint16(port))
}

// transmit puts one datagram, or a train that stays one, on the wire; rng decides on its
// fate. It borrows d. With nobody at the far end, to is nil.
func (u *Underlay) transmit(rng *rand.Rand, from netip.AddrPort, to *Underlay, d *encap.Datagram, im *Impairments) {
	if observe := u.network.tap.Load(); observe != nil {
		(*observe)(from, d.Remote, *d)
	}
	u.sent.sent.Add(1)
	f := im.draw(rng)
	if f.n == 0 {
		u.sent.lost.Add(1)
		return
	}
	u.sent.duplicated.Add(uint64(f.n - 1))
	for _, p := range f.copies[:f.n] {
		if p.late {
			u.sent.reordered.Add(1)
		}
		if to == nil || !to.arrive(from, d, p) {
			u.sent.vanished.Add(1)
		}
	}
}

// cursor walks over a gathered payload.
type cursor struct {
	data []byte
	more [][]byte
}

// take appends the next n bytes to dst. There are as many.
func (c *cursor) take(dst []byte, n int) []byte {
	for n > len(c.data) {
		dst = append(dst, c.data...)
		n -= len(c.data)
		c.data, c.more = c.more[0], c.more[1:]
	}
	dst = append(dst, c.data[:n]...)
	c.data = c.data[n:]
	return dst
}
