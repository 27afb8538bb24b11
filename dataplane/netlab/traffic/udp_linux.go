package traffic

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// UDP sends datagrams at a rate and returns what became of them.
func (c *Client) UDP(ctx context.Context, cfg UDPConfig) (UDPResult, error) {
	r, err := c.udp(ctx, cfg)
	return r, c.explain(ctx, fmt.Sprintf("send UDP in %d flows", cfg.Flows), err)
}

func (c *Client) udp(ctx context.Context, cfg UDPConfig) (UDPResult, error) {
	if len(cfg.Sizes) == 0 || slices.Min(cfg.Sizes) < headerSize || cfg.Flows < 1 {
		return UDPResult{}, fmt.Errorf("sizes %v: give sizes of %d bytes or more, and one flow or more", cfg.Sizes, headerSize)
	}
	j, ports, err := c.begin(ctx, jobUDP, cfg.Flows)
	if err != nil {
		return UDPResult{}, err
	}
	defer j.close()
	if len(ports) != cfg.Flows {
		return UDPResult{}, fmt.Errorf("the sink gave %d ports for %d flows", len(ports), cfg.Flows)
	}
	tx, err := c.newSender(cfg, ports, j.token)
	if err != nil {
		return UDPResult{}, err
	}
	defer tx.socket.close()
	var result UDPResult
	if result.Sent, result.Elapsed, err = tx.runFor(ctx, cfg.Duration); err != nil {
		return result, err
	}
	var got counted
	if err := j.ask(done{result.Sent}, &got); err != nil {
		return result, err
	}
	if got.Err != "" {
		return result, errors.New("sink: " + got.Err)
	}
	result.Received, result.Duplicates = got.Received, got.Duplicates
	result.Reordered, result.SinkDrops = got.Reordered, got.SinkDrops
	result.Span = time.Duration(got.Nanos)
	return result, nil
}

// sender sends the datagrams of one job, in bursts, from one socket.
//
// One flow goes through a connected socket, as a program that streams would do it. With
// several, each datagram of a burst has a destination port of its own: flows then take
// turns with every datagram, which is the hardest order for whoever wants to join
// neighbours, and 64 flows still cost one system call for 64 datagrams.
//
// Nothing is allocated after the start: headers, vectors and buffers are written over.
type sender struct {
	socket *udpSocket
	token  uint32
	sizes  []int
	flows  uint64
	msgs   *messages
	names  []unix.RawSockaddrInet4 // or names6: the destination of each flow; none with one
	names6 []unix.RawSockaddrInet6
	pacer  pacer
	number uint64 // of the next datagram, over all flows
}

func (c *Client) newSender(cfg UDPConfig, ports []uint16, token uint32) (*sender, error) {
	any := netip.IPv4Unspecified()
	if c.sink.Addr().Is6() {
		any = netip.IPv6Unspecified()
	}
	socket, err := openUDP(c.place, any)
	if err != nil {
		return nil, err
	}
	tx := &sender{
		socket: socket, token: token, sizes: cfg.Sizes, flows: uint64(cfg.Flows),
		msgs: newMessages(maxBurst, slices.Max(cfg.Sizes)), pacer: newPacer(cfg.Rate),
	}
	if cfg.Flows > 1 {
		tx.address(c.sink.Addr(), ports)
		return tx, nil
	}
	if err := socket.connect(netip.AddrPortFrom(c.sink.Addr(), ports[0])); err != nil {
		socket.close()
		return nil, err
	}
	return tx, nil
}

// address prepares the destinations of several flows.
func (tx *sender) address(to netip.Addr, ports []uint16) {
	for _, port := range ports {
		var order [2]byte
		binary.BigEndian.PutUint16(order[:], port)
		wire := binary.NativeEndian.Uint16(order[:]) // whose bytes in memory are in network order
		if to.Is4() {
			tx.names = append(tx.names, unix.RawSockaddrInet4{Family: unix.AF_INET, Port: wire, Addr: to.As4()})
		} else {
			tx.names6 = append(tx.names6, unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: wire, Addr: to.As16()})
		}
	}
	tx.msgs.withNames(unix.SizeofSockaddrInet4)
	if !to.Is4() {
		tx.msgs.withNames(unix.SizeofSockaddrInet6)
	}
}

// runFor sends for that long, and returns how many datagrams went out and how long it
// took.
func (tx *sender) runFor(ctx context.Context, d time.Duration) (uint64, time.Duration, error) {
	var stop atomic.Bool
	unwatch := context.AfterFunc(ctx, func() { stop.Store(true) })
	defer unwatch()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := wakeSharply(); err != nil {
		return 0, 0, fmt.Errorf("set the timer slack: %w", err)
	}
	start := time.Now()
	for {
		now := time.Since(start)
		switch {
		case stop.Load():
			return tx.number, now, ctx.Err()
		case now >= d:
			return tx.number, now, nil
		}
		n, later := tx.pacer.due(now)
		if n == 0 {
			pause(min(later, d-now))
			continue
		}
		sent, err := tx.send(n)
		if err != nil {
			return tx.number, now, err
		}
		tx.pacer.sent(sent)
	}
}

// A system call that takes part of a burst, or none of it because a buffer is full, is no
// loss: those datagrams are never counted as sent.

// send sends the next n datagrams, or as many of them as the kernel takes at once, and
// returns their number. What it did not take is sent anew, and so counted once.
func (tx *sender) send(n int) (int, error) {
	for i := range n {
		tx.write(i, tx.number+uint64(i))
	}
	sent, errno := sendmmsg(tx.socket.fd, tx.msgs.headers[:n])
	switch {
	case retry(errno):
		return 0, nil
	case errno == unix.ECONNREFUSED:
		return 0, errors.New("nobody listens at the sink any more")
	case errno != 0:
		return 0, fmt.Errorf("send datagrams: %w", errno)
	}
	tx.number += uint64(sent)
	return sent, nil
}

// write makes message i of the burst the datagram of that number.
func (tx *sender) write(i int, number uint64) {
	size := tx.sizes[number%uint64(len(tx.sizes))]
	tx.msgs.iovecs[i].SetLen(size)
	flow := number % tx.flows
	putHeader(tx.msgs.buffers[i], tx.token, number/tx.flows)
	switch {
	case tx.names != nil:
		tx.msgs.setName4(i, tx.names[flow])
	case tx.names6 != nil:
		tx.msgs.names[i] = tx.names6[flow]
	}
}
