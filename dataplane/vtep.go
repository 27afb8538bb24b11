package dataplane

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vxtap/vxtap/encap"
)

// VTEP is a VXLAN tunnel endpoint: workers between an underlay and the ports of any
// number of networks. Its methods may be called from any goroutine.
type VTEP struct {
	cfg      Config
	out      []*outWorker
	in       []*inWorker
	networks atomic.Pointer[vniIndex]
	opened   time.Time
	clock    atomic.Uint32         // seconds since then, coarse
	mtu      atomic.Int32          // of the interface with cfg.Local
	broken   atomic.Pointer[error] // what ended a worker
	keeper   keeper
	teller   teller
	paths    pathBook
	sealer   *sealer                    // nil: no sealed networks
	self     netip.Addr                 // cfg.Local as a received datagram would have it
	captures atomic.Pointer[captureSet] // nil: none run

	sending, receiving sync.WaitGroup

	mu     sync.Mutex // guards what follows
	byVNI  map[encap.VNI]*Network
	closed bool

	changing sync.Mutex // held while a port comes or goes; taken before a network's mu
	tokens   []bool     // by token: whether a port has it; guarded by changing
}

// Open starts a VTEP without networks. It owns the underlays and paths of cfg from then on,
// also if it fails.
func Open(cfg Config) (*VTEP, error) {
	v, err := newVTEP(cfg)
	if err != nil {
		err = errors.Join(err, closeAll(cfg.Underlays))
		if cfg.Paths != nil {
			err = errors.Join(err, cfg.Paths.Close())
		}
		return nil, err
	}
	for _, w := range v.out {
		v.sending.Go(w.run)
	}
	for _, w := range v.in {
		v.receiving.Go(w.run)
	}
	go v.teller.run()
	go v.keep()
	v.keepPaths()
	if v.sealer != nil {
		go v.seal()
	}
	return v, nil
}

func newVTEP(cfg Config) (*VTEP, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.Port == 0 {
		cfg.Port = DefaultPort
	}
	if cfg.FlowSeed == 0 {
		cfg.FlowSeed = rand.Uint64()
	}
	v := &VTEP{cfg: cfg, self: bareAddr(cfg.Local), opened: time.Now(), byVNI: make(map[encap.VNI]*Network), keeper: newKeeper()}
	v.mtu.Store(usableMTU(cfg.MTU))
	v.networks.Store(newVNIIndex(nil))
	v.paths.init()
	v.teller.init(cfg.Events)
	if cfg.Sealing != nil {
		var err error
		if v.sealer, err = newSealer(cfg); err != nil {
			return nil, err
		}
	}
	for i := range cfg.Underlays {
		w, err := newOutWorker(v, i)
		if err != nil {
			for _, w := range v.out {
				err = errors.Join(err, w.poller.Close())
			}
			return nil, fmt.Errorf("out-worker %d: %w", i, err)
		}
		v.out = append(v.out, w)
		v.in = append(v.in, newInWorker(v, i))
	}
	return v, nil
}

// Workers returns the number of workers in each direction, which is the number of
// queues that ports must have.
func (v *VTEP) Workers() int { return len(v.out) }

// AddNetwork adds a network without ports.
func (v *VTEP) AddNetwork(cfg NetworkConfig) (*Network, error) {
	n, err := v.addNetwork(cfg)
	if err != nil {
		return nil, errors.Join(err, cfg.release())
	}
	return n, nil
}

func (v *VTEP) addNetwork(cfg NetworkConfig) (*Network, error) {
	if err := cmp.Or(cfg.check(), cfg.checkGroup(v.cfg.Local)); err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return nil, ErrClosed
	}
	if cfg.Sealed && v.sealer == nil {
		return nil, fmt.Errorf("network %d is sealed, and this vtep has no key", cfg.VNI)
	}
	if v.byVNI[cfg.VNI] != nil {
		return nil, fmt.Errorf("network %d: %w", cfg.VNI, ErrExists)
	}
	n := newNetwork(v, cfg)
	for _, remote := range cfg.Remotes {
		if err := n.AddRemote(remote); err != nil {
			return nil, err
		}
	}
	v.byVNI[cfg.VNI] = n
	v.networks.Store(newVNIIndex(v.byVNI))
	return n, nil
}

// RemoveNetwork removes a network and closes its ports.
func (v *VTEP) RemoveNetwork(vni encap.VNI) error {
	v.mu.Lock()
	n := v.byVNI[vni]
	if n == nil {
		v.mu.Unlock()
		return fmt.Errorf("network %d: %w", vni, ErrNotFound)
	}
	delete(v.byVNI, vni)
	v.networks.Store(newVNIIndex(v.byVNI))
	v.mu.Unlock()
	return n.close()
}

// Network returns a network by its VNI, or nil.
func (v *VTEP) Network(vni encap.VNI) *Network { return v.networks.Load().find(vni) }

// Networks returns all networks, by VNI.
func (v *VTEP) Networks() []*Network {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.SortedFunc(maps.Values(v.byVNI), func(a, b *Network) int { return int(a.vni) - int(b.vni) })
}

// Close carries the frames that are waiting at the ports, stops the workers, and
// releases ports and underlays.
func (v *VTEP) Close() error {
	v.mu.Lock()
	if v.closed {
		v.mu.Unlock()
		return ErrClosed
	}
	v.closed = true
	v.mu.Unlock()

	for _, w := range v.out {
		w.stop.Store(true)
		w.poller.Wake(0)
	}
	v.sending.Wait()
	if v.sealer != nil {
		close(v.sealer.stop)
		<-v.sealer.done
	}
	err := errors.Join(v.closePaths(), closeAll(v.cfg.Underlays))
	v.receiving.Wait()
	if v.sealer != nil {
		v.sealer.node.Close()
	}
	close(v.keeper.stop)
	<-v.keeper.done
	for _, n := range v.Networks() {
		err = errors.Join(err, n.close())
	}
	for _, w := range v.out {
		err = errors.Join(err, w.poller.Close())
	}
	v.teller.close()
	return err
}

func closeAll(underlays []Underlay) (err error) {
	for _, u := range underlays {
		err = errors.Join(err, u.Close())
	}
	return err
}
