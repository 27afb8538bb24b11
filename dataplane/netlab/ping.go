package netlab

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// pingPatience is how long an echo request waits for its reply: long enough for a
// neighbour to be asked for twice, on a machine that has much else to do.
const pingPatience = 6 * time.Second

// Ping sends count ICMP echo requests with size bytes of data, each when the one before
// it is answered or six seconds have passed, and returns the round-trip times of those that
// were answered. The error says that none was, or that ctx ended.
//
// The zone of a link-local address is the name of an interface of the host.
func (h *Host) Ping(ctx context.Context, dst netip.Addr, count, size int) ([]time.Duration, error) {
	p, err := h.newPinger(ctx, dst, size)
	if err != nil {
		return nil, fmt.Errorf("ping %v from host %s: %w", dst, h.Name(), err)
	}
	defer p.close()
	var times []time.Duration
	for seq := range count {
		rtt, err := p.echo(seq)
		switch {
		case err == nil:
			times = append(times, rtt)
		case !errors.Is(err, os.ErrDeadlineExceeded) || ctx.Err() != nil:
			return times, fmt.Errorf("ping %v from host %s: %w", dst, h.Name(), errors.Join(ctx.Err(), err))
		}
	}
	if len(times) == 0 && count > 0 {
		return nil, fmt.Errorf("ping %v from host %s: none of %d echo requests was answered", dst, h.Name(), count)
	}
	return times, nil
}

// pinger is a socket for echo requests to one address.
type pinger struct {
	conn  net.PacketConn
	stop  func() bool // ends the watch over the context
	dst   netip.Addr  // with a number as its zone
	id    uint16      // ours: other pingers of the host get our replies, too
	data  []byte
	reply []byte
}

func (h *Host) newPinger(ctx context.Context, dst netip.Addr, size int) (*pinger, error) {
	if size < 0 || size > 65507 {
		return nil, fmt.Errorf("%d bytes of data: give 0 to 65507", size)
	}
	dst, err := h.zoneIndex(dst.Unmap())
	if err != nil {
		return nil, err
	}
	conn, err := h.listenICMP(dst)
	if err != nil {
		return nil, err
	}
	p := &pinger{conn: conn, dst: dst, id: uint16(rand.Uint32()), data: make([]byte, size), reply: make([]byte, 65536)}
	for i := range p.data {
		p.data[i] = byte(i)
	}
	p.stop = context.AfterFunc(ctx, func() { conn.Close() })
	return p, nil
}

func (p *pinger) close() {
	p.stop()
	p.conn.Close()
}

// echo sends one request and waits for its reply.
func (p *pinger) echo(seq int) (time.Duration, error) {
	request, err := p.request(uint16(seq))
	if err != nil {
		return 0, err
	}
	if err := p.conn.SetDeadline(time.Now().Add(pingPatience)); err != nil {
		return 0, err
	}
	sent := time.Now()
	to := &net.IPAddr{IP: p.dst.AsSlice(), Zone: p.dst.Zone()}
	if _, err := p.conn.WriteTo(request, to); err != nil {
		return 0, err
	}
	for {
		n, _, err := p.conn.ReadFrom(p.reply)
		if err != nil {
			return 0, err
		}
		if p.answers(p.reply[:n], uint16(seq)) {
			return time.Since(sent), nil
		}
	}
}

func (p *pinger) request(seq uint16) ([]byte, error) {
	m := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: int(p.id), Seq: int(seq), Data: p.data}}
	if p.dst.Is6() {
		m.Type = ipv6.ICMPTypeEchoRequest // the kernel does the checksum
	}
	return m.Marshal(nil)
}

// answers reports whether b is the reply to request seq (RFC 792; RFC 4443 section
// 4.2), and holds as much data as was sent.
func (p *pinger) answers(b []byte, seq uint16) bool {
	reply := byte(ipv4.ICMPTypeEchoReply)
	if p.dst.Is6() {
		reply = byte(ipv6.ICMPTypeEchoReply)
	}
	return len(b) == 8+len(p.data) && b[0] == reply &&
		binary.BigEndian.Uint16(b[4:]) == p.id && binary.BigEndian.Uint16(b[6:]) == seq
}
