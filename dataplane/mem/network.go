package mem

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/vxtap/vxtap/encap"
)

// SourcePortBase is the port that source socket 0 of the first queue of an address
// sends from. Queue q has its socket i at SourcePortBase + q*MaxSources + i.
const SourcePortBase = 49152

// MaxSources is how many source-port sockets one queue can have.
const MaxSources = 16

// Network is the wire between underlays. Underlays of one network reach each other;
// the addresses need no route.
//
// What becomes of a datagram hangs on the network's seed, on its sender, and on how
// many datagrams that sender sent before: hosts that run at once do not disturb one
// another's luck.
type Network struct {
	seed        uint64
	impairments atomic.Pointer[Impairments]
	tap         atomic.Pointer[func(from, to netip.AddrPort, d encap.Datagram)]

	// Senders read routes without a lock; mu is for those who change it.
	mu     sync.Mutex
	routes atomic.Pointer[map[netip.AddrPort][]*Underlay] // never changed in place
}

// NewNetwork returns a wire without anybody on it.
func NewNetwork(im Impairments, seed uint64) *Network {
	n := &Network{seed: seed}
	n.SetImpairments(im)
	n.routes.Store(&map[netip.AddrPort][]*Underlay{})
	return n
}

// SetImpairments changes the wire for datagrams sent from now on. Those under way
// arrive as they would have.
func (n *Network) SetImpairments(im Impairments) { n.impairments.Store(&im) }

// Tap sets an observer for every datagram that is put on the wire, before chance has
// its say; nil ends it. Trains are seen as their datagrams unless the wire keeps them.
// The observer runs in the sender's Send or Post, borrows d until it returns, and is
// called by several senders at once. It does not post from the underlay that it observes.
func (n *Network) Tap(observe func(from, to netip.AddrPort, d encap.Datagram)) {
	if observe == nil {
		n.tap.Store(nil)
		return
	}
	n.tap.Store(&observe)
}

// UnderlayConfig says what an underlay is like. The zero UnderlayConfig sends
// everything from its listening address.
type UnderlayConfig struct {
	// Sources is the number of source-port sockets: a power of two up to MaxSources,
	// or 0.
	Sources int
	// Depth is how many datagrams wait to be received, a train counting as one; 0 is
	// DefaultDepth. More are dropped and counted, as by a socket whose buffer is full.
	Depth int
	// Shared lets others that say so too have the same address, as SO_REUSEPORT does.
	// Each sender reaches one of them: the flow is pinned by its address and port. What
	// is sealed goes by the sender's queue instead, as package underlay has it steered;
	// queues are numbered in the order in which they came.
	Shared bool
	// Discard makes it a sink: what arrives is counted as received and forgotten.
	Discard bool
}

// Underlay puts a VTEP's queue on the network, listening at addr: a plain address,
// neither unspecified nor mapped, with a port.
func (n *Network) Underlay(addr netip.AddrPort, cfg UnderlayConfig) (*Underlay, error) {
	if err := checkUnderlay(addr, cfg); err != nil {
		return nil, fmt.Errorf("listen on %v in memory: %w", addr, err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	group := (*n.routes.Load())[addr]
	for _, other := range group {
		if !cfg.Shared || !other.shared {
			return nil, fmt.Errorf("listen on %v in memory: %w", addr, syscall.EADDRINUSE)
		}
	}
	u := newUnderlay(n, addr, freeQueue(group), cfg)
	n.setRoute(addr, append(slices.Clip(group), u))
	return u, nil
}

func checkUnderlay(addr netip.AddrPort, cfg UnderlayConfig) error {
	switch a := addr.Addr(); {
	case !a.IsValid() || a.IsUnspecified() || a.IsMulticast() || a.Is4In6():
		return fmt.Errorf("%w: give the address of one host", syscall.EADDRNOTAVAIL)
	case addr.Port() == 0:
		return fmt.Errorf("%w: give a port", syscall.EADDRNOTAVAIL)
	case cfg.Sources < 0 || cfg.Sources > MaxSources || cfg.Sources&(cfg.Sources-1) != 0:
		return fmt.Errorf("%d source ports: %w: give a power of two up to %d, or 0", cfg.Sources, syscall.EINVAL, MaxSources)
	}
	return nil
}

// freeQueue is the lowest queue number that nobody in group has.
func freeQueue(group []*Underlay) int {
	q := 0
	for slices.ContainsFunc(group, func(u *Underlay) bool { return u.queue == q }) {
		q++
	}
	return q
}

// leave takes u off the network.
func (n *Network) leave(u *Underlay) {
	n.mu.Lock()
	defer n.mu.Unlock()
	group := (*n.routes.Load())[u.addr]
	n.setRoute(u.addr, slices.DeleteFunc(slices.Clone(group), func(o *Underlay) bool { return o == u }))
}

// setRoute publishes a new route table. mu is held.
func (n *Network) setRoute(addr netip.AddrPort, group []*Underlay) {
	routes := maps.Clone(*n.routes.Load())
	routes[addr] = group
	if len(group) == 0 {
		delete(routes, addr)
	}
	n.routes.Store(&routes)
}

// route is the underlay that hears d, sent by from, or nil.
func (n *Network) route(from netip.AddrPort, d *encap.Datagram) *Underlay {
	group := (*n.routes.Load())[d.Remote]
	switch len(group) {
	case 0:
		return nil
	case 1:
		return group[0]
	}
	if queue, steered := steer(d, len(group)); steered {
		return group[queue]
	}
	return group[hashAddr(from)%uint64(len(group))]
}

// rng returns the luck of one sender.
func (n *Network) rng(addr netip.AddrPort, queue int) *rand.Rand {
	return rand.New(rand.NewPCG(n.seed, hashAddr(addr)+uint64(queue)))
}

// hashAddr is FNV-1a over address and port: the same in every run.
func hashAddr(a netip.AddrPort) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	for _, b := range a.Addr().As16() {
		h = (h ^ uint64(b)) * prime
	}
	h = (h ^ uint64(a.Port()&0xff)) * prime
	h = (h ^ uint64(a.Port()>>8)) * prime
	// FNV's low bits, which choose among few queues, hang on the low bits of the
	// input alone; fold the high ones in.
	return h ^ h>>32
}
