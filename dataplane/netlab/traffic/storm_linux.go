package traffic

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// Storm sends datagrams that nobody asked for until ctx ends, which is no error.
func Storm(ctx context.Context, place Place, cfg StormConfig) (r StormResult, err error) {
	if len(cfg.Packets) == 0 {
		return r, errors.New("a storm of no packets")
	}
	s := storm{cfg: cfg, pacer: newPacer(cfg.Rate)}
	defer s.close()
	if err := s.open(place); err != nil {
		return r, err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := wakeSharply(); err != nil {
		return r, fmt.Errorf("set the timer slack: %w", err)
	}
	start := time.Now()
	for ctx.Err() == nil {
		n, later := s.pacer.due(time.Since(start))
		if n == 0 {
			pause(min(later, time.Millisecond))
			continue
		}
		sent, err := s.burst(n)
		if err != nil {
			return r, err
		}
		r.Sent += uint64(sent)
		s.pacer.sent(sent)
	}
	r.Elapsed = time.Since(start)
	return r, nil
}

// storm is one under way.
type storm struct {
	cfg     StormConfig
	pacer   pacer
	sockets []*udpSocket
	bursts  []burst // of each packet
	turn    int
}

// burst is a packet so many times, as messages or in one piece.
type burst struct {
	size  int
	msgs  *messages
	train []byte
}

func (s *storm) open(place Place) error {
	any := netip.IPv4Unspecified()
	if s.cfg.To.Addr().Is6() {
		any = netip.IPv6Unspecified()
	}
	for range max(s.cfg.Flows, 1) {
		u, err := openUDP(place, any)
		if err != nil {
			return err
		}
		s.sockets = append(s.sockets, u)
		if err := u.connect(s.cfg.To); err != nil {
			return err
		}
	}
	for _, p := range s.cfg.Packets {
		b := burst{size: len(p), msgs: newMessages(maxBurst, len(p))}
		for i := range b.msgs.buffers {
			copy(b.msgs.buffers[i], p)
			b.train = append(b.train, p...)
		}
		s.bursts = append(s.bursts, b)
	}
	return nil
}

func (s *storm) close() {
	for _, u := range s.sockets {
		u.close()
	}
}

// burst sends up to n datagrams. What came of earlier ones is of no interest.
func (s *storm) burst(n int) (int, error) {
	b, fd := &s.bursts[s.turn%len(s.bursts)], s.sockets[s.turn%len(s.sockets)].fd
	s.turn++
	if !s.cfg.Trains {
		sent, errno := sendmmsg(fd, b.msgs.headers[:n])
		return stormSent(sent, errno)
	}
	n = min(n, 65000/b.size)
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_SEGMENT, b.size); err != nil {
		return 0, fmt.Errorf("set UDP_SEGMENT: %w", err)
	}
	_, err := unix.Write(fd, b.train[:n*b.size])
	if err == nil {
		return n, nil
	}
	errno, _ := err.(unix.Errno) //nolint:errorlint // package unix wraps nothing
	return stormSent(0, errno)
}

func stormSent(sent int, errno unix.Errno) (int, error) {
	if errno == 0 {
		return sent, nil
	}
	if retry(errno) || errno == unix.ECONNREFUSED {
		return 0, nil
	}
	return 0, fmt.Errorf("send a storm: %w", errno)
}
