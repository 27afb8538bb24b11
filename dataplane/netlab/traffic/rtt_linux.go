package traffic

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// echoPatience is how long a datagram may take to come back.
const echoPatience = 200 * time.Millisecond

// RTT sends datagrams one at a time to be sent back, and returns how long they took. It
// sleeps while it waits, as a program would.
func (c *Client) RTT(ctx context.Context, cfg RTTConfig) (RTTResult, error) {
	r, err := c.rtt(ctx, cfg)
	return r, c.explain(ctx, "measure round trips", err)
}

func (c *Client) rtt(ctx context.Context, cfg RTTConfig) (RTTResult, error) {
	if cfg.Size < headerSize {
		return RTTResult{}, fmt.Errorf("size %d: give %d bytes or more", cfg.Size, headerSize)
	}
	j, ports, err := c.begin(ctx, jobEcho, 0)
	if err != nil {
		return RTTResult{}, err
	}
	defer j.close()
	if len(ports) != 1 {
		return RTTResult{}, fmt.Errorf("the sink gave %d ports for an echo", len(ports))
	}
	p, err := c.newPingPong(cfg, ports[0], j.token)
	if err != nil {
		return RTTResult{}, err
	}
	defer p.socket.close()
	if _, err := p.runFor(ctx, cfg.WarmUp); err != nil {
		return RTTResult{}, err
	}
	p.lost = 0
	times, err := p.runFor(ctx, cfg.Duration)
	if err == nil && len(times) == 0 {
		err = fmt.Errorf("none of %d datagrams came back", p.lost)
	}
	return newRTTResult(times, p.lost), err
}

// pingPong is a datagram that goes to and fro. Its socket is connected, and its calls
// block: each round trip has two sleeps and two wake-ups in it, one of each at either
// end, and those of a userspace tunnel between them.
type pingPong struct {
	socket   *udpSocket
	token    uint32
	interval time.Duration
	out, in  []byte
	number   uint64
	lost     int
}

func (c *Client) newPingPong(cfg RTTConfig, port uint16, token uint32) (*pingPong, error) {
	any := netip.IPv4Unspecified()
	if c.sink.Addr().Is6() {
		any = netip.IPv6Unspecified()
	}
	socket, err := openUDP(c.place, any)
	if err != nil {
		return nil, err
	}
	err = errors.Join(socket.patience(echoPatience), socket.connect(netip.AddrPortFrom(c.sink.Addr(), port)))
	if err != nil {
		socket.close()
		return nil, err
	}
	return &pingPong{socket: socket, token: token, interval: cfg.Interval, out: make([]byte, cfg.Size), in: make([]byte, cfg.Size)}, nil
}

// runFor goes to and fro for that long.
func (p *pingPong) runFor(ctx context.Context, d time.Duration) ([]time.Duration, error) {
	var stop atomic.Bool
	unwatch := context.AfterFunc(ctx, func() { stop.Store(true) })
	defer unwatch()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := wakeSharply(); err != nil {
		return nil, fmt.Errorf("set the timer slack: %w", err)
	}
	times := make([]time.Duration, 0, d/max(p.interval, 10*time.Microsecond)+1)
	for start := time.Now(); time.Since(start) < d; {
		if stop.Load() {
			return times, ctx.Err()
		}
		began := time.Now()
		took, err := p.once()
		if err != nil {
			return times, err
		}
		if took > 0 {
			times = append(times, took)
		}
		if rest := p.interval - time.Since(began); rest > 0 {
			pause(rest)
		}
	}
	return times, nil
}

// once returns how long one round trip took; 0 if the datagram was lost.
func (p *pingPong) once() (time.Duration, error) {
	p.number++
	putHeader(p.out, p.token, p.number)
	sent := time.Now()
	if _, err := unix.Write(p.socket.fd, p.out); err != nil {
		return 0, fmt.Errorf("send a datagram: %w", err)
	}
	for {
		n, err := unix.Read(p.socket.fd, p.in)
		took := time.Since(sent)
		switch {
		case errors.Is(err, unix.EAGAIN) || err == nil && took > echoPatience:
			p.lost++
			return 0, nil
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return 0, fmt.Errorf("receive a datagram: %w", err)
		}
		// A late answer to an earlier one was counted as lost.
		if number, ok := parseHeader(p.in[:n], p.token); ok && number == p.number {
			return took, nil
		}
	}
}
