package traffic

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// receiveBatch is how many datagrams one system call takes in.
	receiveBatch = 64
	// receiveSize is the room for each. What is longer is cut off, and counts.
	receiveSize = 2048
	// receiveTick is how often an idle receiver looks whether it is done.
	receiveTick = 5 * time.Millisecond
	// silence is how long after the last datagram nothing more is expected. Queues of a
	// thousand packets or two empty within milliseconds.
	silence = 40 * time.Millisecond
	// unknown is what was sent, as long as the sender has not said.
	unknown = ^uint64(0)
)

// receiver counts the datagrams of one udp job, on one thread: as many threads as flows
// would measure the scheduler.
type receiver struct {
	token   uint32
	sockets []*udpSocket
	flows   []sequence // one for each socket
	msgs    *messages
	poll    *epoll        // nil with one flow, where a receive call may just block
	sent    atomic.Uint64 // set when all is sent
}

// countDatagrams serves a udp job.
func (s *Sink) countDatagrams(c *control, r request) error {
	if r.Flows < 1 || r.Flows > maxFlows {
		return fmt.Errorf("%d flows: want one to %d", r.Flows, maxFlows)
	}
	rx, ports, err := newReceiver(s.place, c.local(), r)
	if err != nil {
		return err
	}
	defer rx.close()
	result := make(chan counted, 1)
	go func() { result <- rx.run() }()
	var all done // if the client is gone, nothing was sent, and the receiver ends
	if c.enc.Encode(ready{Ports: ports}) == nil {
		_ = c.dec.Decode(&all)
	}
	rx.sent.Store(all.Sent)
	_ = c.enc.Encode(<-result)
	return nil
}

func newReceiver(place Place, addr netip.Addr, r request) (rx *receiver, ports []uint16, err error) {
	rx = &receiver{token: r.Token, flows: make([]sequence, r.Flows), msgs: newMessages(receiveBatch, receiveSize)}
	rx.sent.Store(unknown)
	defer func() {
		if err != nil {
			rx.close()
		}
	}()
	for range r.Flows {
		s, err := openUDP(place, addr)
		if err != nil {
			return nil, nil, err
		}
		rx.sockets = append(rx.sockets, s)
		port, err := s.port()
		if err != nil {
			return nil, nil, err
		}
		ports = append(ports, port)
	}
	if r.Flows == 1 {
		return rx, ports, rx.sockets[0].patience(receiveTick)
	}
	rx.poll, err = newEpoll(rx.sockets)
	return rx, ports, err
}

func (rx *receiver) close() {
	for _, s := range rx.sockets {
		s.close()
	}
	if rx.poll != nil {
		rx.poll.close()
	}
}

// run receives until all that was sent has arrived, or nothing more comes.
func (rx *receiver) run() counted {
	runtime.LockOSThread() // so that the kernel knows it as one that sleeps and wakes
	defer runtime.UnlockOSThread()
	var first time.Time
	last := time.Now() // when something arrived
	for {
		n, err := rx.receive()
		if err != nil {
			return counted{Err: err.Error()}
		}
		if n > 0 {
			last = time.Now()
			if first.IsZero() {
				first = last
			}
		}
		sent := rx.sent.Load()
		if sent == unknown {
			continue
		}
		if c := rx.total(); c.Received >= sent || time.Since(last) > silence {
			if c.Received > 0 {
				c.Nanos = last.Sub(first).Nanoseconds()
			}
			return c
		}
	}
}

// receive takes in what there is, waiting for it for a tick, and returns how much that
// was.
func (rx *receiver) receive() (int, error) {
	if rx.poll == nil {
		return rx.receiveFlow(0, unix.MSG_WAITFORONE)
	}
	flows, err := rx.poll.wait(receiveTick)
	total := 0
	for _, e := range flows {
		n, err := rx.receiveFlow(int(e.Fd), unix.MSG_DONTWAIT)
		if err != nil {
			return total, err
		}
		total += n
	}
	return total, err
}

// receiveFlow makes one receive call.
func (rx *receiver) receiveFlow(flow, flags int) (int, error) {
	n, errno := recvmmsg(rx.sockets[flow].fd, rx.msgs.headers, flags)
	switch {
	case retry(errno):
		return 0, nil
	case errno != 0:
		return 0, fmt.Errorf("receive datagrams: %w", errno)
	}
	for i := range n {
		b := rx.msgs.buffers[i][:rx.msgs.headers[i].len]
		if number, ok := parseHeader(b, rx.token); ok {
			rx.flows[flow].add(number)
		}
	}
	return n, nil
}

// total is the count over all flows.
func (rx *receiver) total() (c counted) {
	for i := range rx.flows {
		c.Received += rx.flows[i].unique
		c.Duplicates += rx.flows[i].duplicates
		c.Reordered += rx.flows[i].reordered
	}
	for _, s := range rx.sockets {
		c.SinkDrops += socketDrops(s.fd)
	}
	return c
}

// epoll waits for any of several sockets. An event's Fd is the socket's place in the list.
type epoll struct {
	fd     int
	events []unix.EpollEvent
}

func newEpoll(sockets []*udpSocket) (*epoll, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make an epoll: %w", err)
	}
	for i, s := range sockets {
		event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)}
		if err := unix.EpollCtl(fd, unix.EPOLL_CTL_ADD, s.fd, &event); err != nil {
			unix.Close(fd)
			return nil, fmt.Errorf("add a socket to an epoll: %w", err)
		}
	}
	return &epoll{fd, make([]unix.EpollEvent, len(sockets))}, nil
}

func (e *epoll) wait(limit time.Duration) ([]unix.EpollEvent, error) {
	n, err := unix.EpollWait(e.fd, e.events, int(limit.Milliseconds()))
	if errors.Is(err, unix.EINTR) {
		return nil, nil
	}
	return e.events[:max(n, 0)], err
}

func (e *epoll) close() { unix.Close(e.fd) }
