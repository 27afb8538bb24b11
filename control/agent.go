package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/encap"
)

// Agent is one node: its VTEPs, their networks and devices. Its methods may be called from
// any goroutine.
type Agent struct {
	node      NodeSpec
	drivers   Drivers
	log       *zap.Logger
	endpoints []*endpoint // as their addresses were named, one or two
	started   time.Time
	version   string
	failed    chan error
	load      func() (Spec, error)
	hub       hub
	limits    logLimits
	removals  sync.WaitGroup // of networks whose device is gone

	mu       sync.Mutex // also held while a network or port comes or goes
	networks map[encap.VNI]*network
	closed   bool // nothing is to be added any more
}

// network is what the agent keeps of one that runs.
type network struct {
	spec NetworkSpec
	home *endpoint // that it belongs to
	vtep *dataplane.Network
	// mtu is that of ports without one of their own.
	mtu atomic.Int64
	// origin says who may take it down.
	origin origin
	// held: it stays without ports, though a port may have brought it; see Hold.
	held bool
	// members are its peers, if it is sealed.
	members []netip.AddrPort
	gone    chan struct{} // closed when it was taken down
	// groupLost: its group's interface is gone, or down; guarded by the agent's mu.
	groupLost bool

	portsMu sync.Mutex // taken after the agent's mu
	ports   []*port    // its own first, if it has one
}

// origin is where a network comes from.
type origin uint8

const (
	fromStart  origin = iota // the agent was started for it, and ends with it
	fromConfig               // the file that is loaded; a reload may change it
	fromAPI                  // a request, on which the agent does not depend
	fromPort                 // the first port that was added, with the last of which it goes
)

// AgentConfig says what an agent is made from.
type AgentConfig struct {
	Node    NodeSpec
	Keys    Keys // nil if the node is to have no sealed networks
	Drivers Drivers
	Logger  *zap.Logger // nil means silence
	Version string      // of the program, for listings
	// Load reads the configuration anew for Reload; nil if there is none.
	Load func() (Spec, error)
}

// Open starts an agent without networks.
func Open(cfg AgentConfig) (*Agent, error) {
	if err := cfg.Node.Check(); err != nil {
		return nil, err
	}
	if cfg.Node.Port == 0 {
		cfg.Node.Port = dataplane.DefaultPort
	}
	if cfg.Logger == nil {
		cfg.Logger = zap.NewNop()
	}
	a := &Agent{
		node: cfg.Node, drivers: cfg.Drivers, log: cfg.Logger, version: cfg.Version, load: cfg.Load,
		started:  time.Now(),
		failed:   make(chan error, 1),
		networks: make(map[encap.VNI]*network),
	}
	if err := a.openEndpoints(cfg.Keys); err != nil {
		return nil, err
	}
	return a, nil
}

// AddNetwork makes a network and its device, and has frames flow. If it fails, what
// was made is taken away again. When its device fails, so does the agent.
func (a *Agent) AddNetwork(spec NetworkSpec) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, err := a.add(spec, fromStart)
	return err
}

// add is AddNetwork; a.mu is held.
func (a *Agent) add(spec NetworkSpec, from origin) (*network, error) {
	if a.closed {
		return nil, errClosed
	}
	if err := spec.Check(a.node); err != nil {
		return nil, err
	}
	if a.networks[spec.VNI] != nil { // perhaps at another of our VTEPs
		return nil, fmt.Errorf("network %d: %w", spec.VNI, dataplane.ErrExists)
	}
	own, err := a.fillPort(&spec, spec.ownPort())
	if err != nil {
		return nil, err
	}
	home := a.endpointOf(&spec)
	members, err := home.join(&spec)
	if err != nil {
		return nil, err
	}
	n, err := home.vtep.AddNetwork(spec.NetworkConfig)
	if err != nil {
		home.sealing.leave(members)
		return nil, err
	}
	made := &network{spec: spec, home: home, vtep: n, origin: from, members: members, gone: make(chan struct{})}
	made.mtu.Store(int64(own.MTU))
	if err := a.fill(made, own); err != nil {
		err = errors.Join(err, home.vtep.RemoveNetwork(spec.VNI))
		home.sealing.leave(members)
		return nil, err
	}
	a.networks[spec.VNI] = made
	a.reportUp(made)
	return made, nil
}

// fill gives a new network its entries and its own ports.
func (a *Agent) fill(n *network, own PortSpec) error {
	for _, e := range n.spec.Static {
		add := n.vtep.AddEntry
		if e.MAC.IsMulticast() { // a group may be behind several
			add = n.vtep.AppendEntry
		}
		if err := add(e.MAC, e.Remote); err != nil {
			return fmt.Errorf("table entry %v=%v: %w", e.MAC, e.Remote, err)
		}
	}
	ports := n.spec.bridgePorts()
	if !n.spec.NoPort {
		ports = append([]PortSpec{own}, ports...)
	}
	for _, p := range ports {
		if _, err := a.openPort(n, p, nil); err != nil {
			return err
		}
	}
	return nil
}

func (a *Agent) reportUp(n *network) {
	fields := []zap.Field{zap.Stringer("vni", n.spec.VNI)}
	if !n.spec.NoPort {
		fields = n.portFields(n.port(n.ownName()))
	}
	fields = append(fields, zap.Stringers("remotes", n.vtep.Remotes()), zap.Bool("sealed", n.spec.Sealed))
	a.report(zap.InfoLevel, api.Event{Kind: api.EventNetworkUp, VNI: n.spec.VNI, Port: n.ownName(), Message: "network up"}, nil, fields...)
}

// ownName is the name of the network's own port, empty if it has none.
func (n *network) ownName() string {
	if n.spec.NoPort {
		return ""
	}
	return n.spec.ownPort().Name
}

// RemoveNetwork takes a network down, and its device.
func (a *Agent) RemoveNetwork(vni encap.VNI) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := a.networks[vni]
	if n == nil {
		return fmt.Errorf("network %d: %w", vni, api.ErrNotFound)
	}
	return a.remove(n)
}

// remove takes n down, unless it was before; a.mu is held.
func (a *Agent) remove(n *network) error {
	vni := n.spec.VNI
	if a.networks[vni] != n {
		return nil
	}
	delete(a.networks, vni)
	for _, p := range n.portList() {
		p.stop()
	}
	err := n.home.vtep.RemoveNetwork(vni)
	n.home.sealing.leave(n.members)
	close(n.gone)
	a.report(zap.InfoLevel, api.Event{Kind: api.EventNetworkDown, VNI: vni, Port: n.ownName(), Message: "network down"}, nil,
		zap.Stringer("vni", vni))
	if err != nil {
		return fmt.Errorf("take network %d down: %w", vni, err)
	}
	return nil
}

// Wait returns nil when ctx ends, or the reason for which the agent can no longer do
// what it was asked to.
func (a *Agent) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-a.failed:
		return err
	}
}

// Alive returns once the agent has been seen to be able to do what it is for: to take the locks
// that everything takes, and to carry frames. If it hangs, so does Alive, until ctx ends.
func (a *Agent) Alive(ctx context.Context) error {
	_ = a.Stats()
	for _, e := range a.endpoints {
		if err := e.vtep.AwaitWorkers(ctx); err != nil {
			return err
		}
	}
	return nil
}

// errClosed is for who asks an agent that is being closed.
var errClosed = fmt.Errorf("the agent ends: %w", net.ErrClosed)

// Close carries what is waiting, and removes what the agent made. Whoever asks it for
// more meanwhile gets net.ErrClosed.
func (a *Agent) Close() error {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	var err error
	for _, e := range a.endpoints {
		e.follower.stop()
		err = errors.Join(err, e.closeWatch())
	}
	for _, n := range a.list() {
		for _, p := range n.portList() {
			p.stop()
		}
	}
	a.hub.close()
	err = errors.Join(err, a.closeVTEPs())
	a.removals.Wait()
	a.limits.close(a.log)
	return err
}
