package dataplane

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/dataplane/fdb"
	"github.com/vxtap/vxtap/encap"
)

// Network is one overlay network on this VTEP: a VNI, the ports that are on it here,
// and the table that says where its MACs are. Its methods may be called from any
// goroutine.
type Network struct {
	vtep  *VTEP
	vni   encap.VNI
	cfg   NetworkConfig
	table *fdb.Table[destination]

	// What workers read without a lock. Replaced whole, never changed in place.
	ports  atomic.Pointer[[]*port]
	heard  atomic.Pointer[addrSet] // with cfg.Closed
	mtu    atomic.Int64            // the smallest of the ports', in bytes of IP packet
	header [encap.VXLANSize]byte

	out, in []counters // one for each worker
	book    remoteBook

	peers   map[netip.Addr]*crypto.Peer // of a sealed network, by VTEP address
	members addrSet                     // their addresses

	mu      sync.Mutex                      // serialises everything below, and changes of the above
	remotes map[netip.AddrPort]*destination // every single remote in use
	named   map[netip.Addr][]namedRemote    // those that were not learned, by address
	flaps   flaps
	group   *destination // on the flood list; nil if there is none

	closed bool // no port may come any more; guarded by the VTEP's changing
}

func newNetwork(v *VTEP, cfg NetworkConfig) *Network {
	cfg.fill()
	n := &Network{
		vtep:    v,
		vni:     cfg.VNI,
		cfg:     cfg,
		out:     make([]counters, len(v.out)),
		in:      make([]counters, len(v.in)),
		remotes: make(map[netip.AddrPort]*destination),
		named:   make(map[netip.Addr][]namedRemote),
	}
	n.book.init(len(v.out))
	n.setPeers(cfg.Peers)
	n.table = fdb.New(n.released)
	n.table.Watch(n.setNamed)
	n.table.SetLimit(cfg.MaxMACs)
	n.ports.Store(new([]*port))
	n.heard.Store(new(addrSet))
	n.setMTU()
	encap.PutVXLAN(n.header[:], cfg.VNI)
	n.setGroup()
	return n
}

// VNI returns the network's identifier.
func (n *Network) VNI() encap.VNI { return n.vni }

// Config returns the configuration with defaults filled in.
func (n *Network) Config() NetworkConfig { return n.cfg }

// AddPort puts a device on the network. From then on it is the VTEP's, and is released
// with the port, the network or the VTEP. If AddPort fails it stays the caller's.
func (n *Network) AddPort(cfg PortConfig) error {
	if len(cfg.Queues) != len(n.vtep.out) {
		return fmt.Errorf("port %s has %d queues, the vtep has %d workers", cfg.Name, len(cfg.Queues), len(n.vtep.out))
	}
	if cfg.MAC.IsMulticast() {
		return fmt.Errorf("port %s: MAC %v is a group's, not a device's", cfg.Name, cfg.MAC)
	}
	p := &port{network: n, name: cfg.Name, mac: cfg.MAC, mtu: cfg.MTU, queues: cfg.Queues, close: cfg.Close}
	p.dest = &destination{port: p}
	p.offload.refresh(p.queues)

	n.vtep.changing.Lock()
	defer n.vtep.changing.Unlock()
	if err := n.putIn(p); err != nil {
		return err
	}
	if err := n.vtep.watch(p); err != nil {
		n.takeOut(p)
		return errors.Join(fmt.Errorf("watch port %s: %w", p.name, err), n.vtep.unwatch(p))
	}
	return nil
}

// RemovePort takes a port off the network and closes its device.
func (n *Network) RemovePort(name string) error {
	found, err := n.removePort(n.port(name))
	if !found {
		return fmt.Errorf("port %s on network %d: %w", name, n.vni, ErrNotFound)
	}
	return err
}

// removePort takes p off the network and closes its device, or reports that it was off
// already.
func (n *Network) removePort(p *port) (found bool, err error) {
	n.vtep.changing.Lock()
	defer n.vtep.changing.Unlock()
	if !slices.Contains(*n.ports.Load(), p) {
		return false, nil
	}
	n.takeOut(p)
	return true, n.vtep.release(p)
}

// close closes all ports and lets no other on.
func (n *Network) close() (err error) {
	n.vtep.changing.Lock()
	defer n.vtep.changing.Unlock()
	n.closed = true
	for _, p := range *n.ports.Load() {
		n.takeOut(p)
		err = errors.Join(err, n.vtep.release(p))
	}
	return errors.Join(err, n.cfg.release())
}

// putIn makes p known to workers, if its name and MAC are free; the VTEP's changing is
// held.
func (n *Network) putIn(p *port) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return fmt.Errorf("port %s: network %d was removed: %w", p.name, n.vni, ErrNotFound)
	}
	ports := *n.ports.Load()
	for _, other := range ports {
		if other.name == p.name {
			return fmt.Errorf("port %s on network %d: %w", p.name, n.vni, ErrExists)
		}
		if p.mac == other.mac && !p.mac.IsZero() {
			return fmt.Errorf("port %s has the MAC %v of port %s: %w", p.name, p.mac, other.name, ErrExists)
		}
	}
	if !p.mac.IsZero() {
		if err := n.table.Set(p.mac, fdb.Local, p.dest); err != nil {
			return fmt.Errorf("port %s: %w", p.name, err)
		}
	}
	ports = append(slices.Clone(ports), p)
	n.ports.Store(&ports)
	n.setMTU()
	return nil
}

// takeOut makes workers forget p; the VTEP's changing is held.
func (n *Network) takeOut(p *port) {
	n.mu.Lock()
	defer n.mu.Unlock()
	ports := slices.DeleteFunc(slices.Clone(*n.ports.Load()), func(q *port) bool { return q == p })
	n.ports.Store(&ports)
	n.setMTU()
	n.table.Flush(func(e fdb.Entry[destination]) bool { return e.Dest == p.dest })
}

// HasPort reports whether a port of that name is on the network now. One that failed is not,
// before its event is told.
func (n *Network) HasPort(name string) bool { return n.port(name) != nil }

func (n *Network) port(name string) *port {
	for _, p := range *n.ports.Load() {
		if p.name == name {
			return p
		}
	}
	return nil
}

// SetPortMTU says that a port's device has another MTU.
func (n *Network) SetPortMTU(name string, mtu int) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.port(name)
	if p == nil {
		return fmt.Errorf("port %s on network %d: %w", name, n.vni, ErrNotFound)
	}
	p.mtu = mtu
	n.setMTU()
	return nil
}

// setMTU keeps the smallest MTU of the ports, or what the underlay leaves
// when there are none that say.
func (n *Network) setMTU() {
	mtu := n.overlayMTU(n.vtep.interfaceMTU(), 0)
	known := false
	for _, p := range *n.ports.Load() {
		if p.mtu > 0 && (!known || p.mtu < mtu) {
			mtu, known = p.mtu, true
		}
	}
	n.mtu.Store(int64(mtu))
}

// learn enters what a worker saw; only the keeper calls it. It reports false if there is
// something to tell of it.
func (n *Network) learn(s sighting, now uint32) (e Event, quiet bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if s.port != nil {
		if slices.Contains(*n.ports.Load(), s.port) {
			n.table.Learn(s.mac, s.port.dest, now)
		}
		return e, true
	}
	if CheckRemote(n.vtep.cfg.Local, s.remote) != nil {
		return e, true // forged: our own frames would come back to us
	}
	d := n.learnedRemote(n.listener(s.remote))
	defer n.forget(d)
	if from, moved := n.moved(s.mac, d); moved {
		return n.moveTo(s.mac, d, from, now)
	}
	n.table.Learn(s.mac, d, now)
	return e, true
}

// expire removes the learned entries that have not been seen for the ageing time.
func (n *Network) expire(now uint32) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.flaps.expire(now)
	if n.cfg.Ageing < 0 {
		return
	}
	n.table.Expire(now, uint32(min((n.cfg.Ageing+time.Second-1)/time.Second, math.MaxInt32)))
}
