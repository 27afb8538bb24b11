package control

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/encap"
)

// Ask asks on a network who has an address, as a host does before it takes one for itself
// (an ARP probe, RFC 5227 section 2.1.1, or duplicate address detection, RFC 4862 section
// 5.4.2), and returns the MAC of whoever answers first. If nobody does until ctx ends, the
// error is that of ctx.
func (a *Agent) Ask(ctx context.Context, vni encap.VNI, addr netip.Addr) (encap.MAC, error) {
	n, err := a.network(vni)
	if err != nil {
		return encap.MAC{}, err
	}
	q := newQuestion(fmt.Sprintf("%v/%d", n.home.node.Local, vni), addr)
	port := dataplane.PortConfig{Name: "asks for " + addr.String(), MAC: q.mac, Queues: []dataplane.Queue{q}, Close: q.close}
	for range n.home.vtep.Workers() - 1 {
		port.Queues = append(port.Queues, otherQueue{q})
	}
	if err := n.vtep.AddPort(port); err != nil {
		return encap.MAC{}, fmt.Errorf("ask who has %v: %w", addr, err)
	}
	defer func() { _ = n.vtep.RemovePort(port.Name) }() // which may be gone with the network
	again := time.NewTicker(askTimeout / 2)
	defer again.Stop()
	for {
		select {
		case mac := <-q.answer:
			return mac, nil
		case <-again.C:
			q.askAgain()
		case <-ctx.Done():
			return encap.MAC{}, context.Cause(ctx)
		}
	}
}

// question is a port in memory that asks who has an address. It implements
// [dataplane.Queue].
type question struct {
	addr   netip.Addr
	mac    encap.MAC
	frame  []byte
	answer chan encap.MAC // has room for one

	mu      sync.Mutex
	waiting bool // the frame is to be read
	closed  bool
	ready   func()
}

func newQuestion(node string, addr netip.Addr) *question {
	q := &question{addr: addr, mac: encap.MACFromName("asks/" + node + "/" + addr.String()), answer: make(chan encap.MAC, 1), waiting: true}
	if addr.Is4() {
		q.frame = probe4(q.mac, addr)
	} else {
		q.frame = probe6(q.mac, addr)
	}
	return q
}

// Read implements [dataplane.Queue].
func (q *question) Read(frames []encap.Frame) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return 0, net.ErrClosed
	case !q.waiting || len(frames) == 0:
		return 0, nil
	}
	q.waiting = false
	f := &frames[0]
	f.Data, f.Offload = f.Data[:copy(f.Data, q.frame)], encap.Offload{}
	return 1, nil
}

// Write implements [dataplane.Queue].
func (q *question) Write(frames []encap.Frame) (int, error) {
	for i := range frames {
		mac, addr := speaker(&frames[i])
		if addr == q.addr && mac != q.mac {
			select {
			case q.answer <- mac:
			default: // one is enough
			}
		}
	}
	return len(frames), nil
}

// Offloads implements [dataplane.Queue].
func (q *question) Offloads() encap.OffloadSet { return 0 }

// FD implements [dataplane.Queue].
func (q *question) FD() int { return -1 }

// Notify implements [dataplane.Queue].
func (q *question) Notify(ready func()) {
	q.mu.Lock()
	q.ready = ready
	now := q.waiting || q.closed
	q.mu.Unlock()
	if now && ready != nil {
		ready()
	}
}

func (q *question) askAgain() { q.wake(func() { q.waiting = true }) }

func (q *question) close() error {
	q.wake(func() { q.closed = true })
	return nil
}

func (q *question) wake(change func()) {
	q.mu.Lock()
	change()
	ready := q.ready
	q.mu.Unlock()
	if ready != nil {
		ready()
	}
}

// otherQueue is a queue beside the first, from which nothing is read.
type otherQueue struct{ *question }

// Read implements [dataplane.Queue].
func (l otherQueue) Read([]encap.Frame) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return 0, net.ErrClosed
	}
	return 0, nil
}

// Notify implements [dataplane.Queue].
func (otherQueue) Notify(func()) {}
