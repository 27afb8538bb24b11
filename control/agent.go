package control

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/encap"
)

// Agent is one node: a VTEP, its networks and their devices. Its methods may be called
// from any goroutine.
type Agent struct {
	node     NodeSpec
	drivers  Drivers
	log      *zap.Logger
	vtep     *dataplane.VTEP
	underlay *Underlay
	sealing  *sealing // nil if the node has no sealed networks
	started  time.Time
	version  string
	failed   chan error
	follower follower
	load     func() (Spec, error)
	hub      hub
	removals sync.WaitGroup // of networks whose device is gone

	mu       sync.Mutex // also held while a network comes or goes
	networks map[encap.VNI]*network
}

// network is what the agent keeps of one that runs.
type network struct {
	spec   NetworkSpec
	vtep   *dataplane.Network
	device *Device
	// origin says who may take it down.
	origin origin
	// members are its peers, if it is sealed.
	members []netip.AddrPort
	gone    chan struct{} // closed when it was taken down
}

// origin is where a network comes from.
type origin uint8

const (
	fromStart  origin = iota // the agent was started for it, and ends with it
	fromConfig               // the file that is loaded; a reload may change it
	fromAPI                  // a request, on which the agent does not depend
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
	var err error
	if a.underlay, err = a.drivers.OpenUnderlay(a.node); err != nil {
		return nil, err
	}
	if got, wanted := a.underlay.ReceiveBuffer, a.underlay.ReceiveBufferWanted; got < wanted {
		a.log.Warn("the kernel refused the receive buffer; bursts may be dropped",
			zap.Int("bytes", got), zap.Int("wanted", wanted),
			zap.String("do", "run with CAP_NET_ADMIN, or raise net.core.rmem_max"))
	}
	a.log.Info("underlay open", zap.Stringer("local", a.node.withPort(netip.AddrPortFrom(a.node.Local, 0))),
		zap.String("driver", a.underlay.Driver))
	a.vtep, err = dataplane.Open(dataplane.Config{
		Local:     a.node.Local,
		Port:      a.node.Port,
		Underlays: a.underlay.Queues,
		MTU:       a.interfaceMTU(),
		Paths:     a.underlay.Paths,
		NewPoller: a.drivers.NewPoller,
		BusyPoll:  a.drivers.BusyPoll,
		Sealing:   a.sealingConfig(cfg.Keys),
		Events:    a.event,
	})
	if err != nil {
		return nil, err
	}
	if cfg.Keys != nil {
		a.sealing = newSealing(cfg.Keys, a.vtep.Node())
		a.follower.start(a.followKeys)
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
	if err := spec.Check(a.node); err != nil {
		return nil, err
	}
	device, err := a.deviceSpec(spec)
	if err != nil {
		return nil, err
	}
	members, err := a.join(&spec)
	if err != nil {
		return nil, err
	}
	n, err := a.vtep.AddNetwork(spec.NetworkConfig)
	if err != nil {
		a.sealing.leave(members)
		return nil, err
	}
	d, err := a.attach(n, spec, device)
	if err != nil {
		err = errors.Join(err, a.vtep.RemoveNetwork(spec.VNI))
		a.sealing.leave(members)
		return nil, err
	}
	made := &network{spec: spec, vtep: n, device: d, origin: from, members: members, gone: make(chan struct{})}
	a.networks[spec.VNI] = made
	a.report(zap.InfoLevel, api.Event{Kind: api.EventNetworkUp, VNI: spec.VNI, Port: d.Name, Message: "network up"}, nil,
		zap.Stringer("vni", spec.VNI), zap.String("tap", d.Name), zap.Stringer("mac", d.MAC), zap.Int("mtu", d.MTU),
		zap.String("driver", d.Driver), zap.Stringers("remotes", n.Remotes()), zap.Bool("sealed", spec.Sealed))
	return made, nil
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
	err := a.vtep.RemoveNetwork(vni)
	a.sealing.leave(n.members)
	close(n.gone)
	a.report(zap.InfoLevel, api.Event{Kind: api.EventNetworkDown, VNI: vni, Port: n.device.Name, Message: "network down"}, nil,
		zap.Stringer("vni", vni), zap.String("tap", n.device.Name))
	if err != nil {
		return fmt.Errorf("take network %d down: %w", vni, err)
	}
	return nil
}

// attach gives a new network its entries and its device.
func (a *Agent) attach(n *dataplane.Network, spec NetworkSpec, device DeviceSpec) (*Device, error) {
	for _, e := range spec.Static {
		add := n.AddEntry
		if e.MAC.IsMulticast() { // a group may be behind several
			add = n.AppendEntry
		}
		if err := add(e.MAC, e.Remote); err != nil {
			return nil, fmt.Errorf("table entry %v=%v: %w", e.MAC, e.Remote, err)
		}
	}
	d, err := a.drivers.OpenDevice(device)
	if err != nil {
		return nil, err
	}
	err = n.AddPort(dataplane.PortConfig{Name: d.Name, MAC: d.MAC, MTU: d.MTU, Queues: d.Queues, Close: d.Close})
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	if d.Unordered != nil {
		a.log.Warn("frames of a flow may arrive out of order; leave --queues out, or run with CAP_BPF",
			zap.Stringer("vni", spec.VNI), zap.Error(d.Unordered))
	}
	return d, nil
}

// deviceSpec fills in what the network's spec leaves open about its device.
func (a *Agent) deviceSpec(spec NetworkSpec) (DeviceSpec, error) {
	d := DeviceSpec{
		Name: spec.tapName(), NetNS: spec.NetNS, MAC: spec.deriveMAC(a.node), MTU: spec.MTU,
		Addresses: spec.Addresses, Queues: a.vtep.Workers(), Offload: a.node.Offload,
	}
	underlay, err := a.drivers.UnderlayMTU(a.node.Local)
	room := min(encap.OverlayMTU(underlay, a.node.Local.Is6(), spec.Sealed, 0), encap.MaxMTU)
	switch {
	case d.MTU == 0 && err != nil:
		return d, fmt.Errorf("find the underlay's MTU (give one with --mtu): %w", err)
	case d.MTU == 0:
		d.MTU, spec.MTU = room, room
		if err := errors.Join(spec.checkDevice(), spec.checkAddresses()); err != nil {
			return d, fmt.Errorf("the underlay's MTU of %d leaves too little: %w", underlay, err)
		}
	case err == nil && d.MTU > room:
		a.log.Warn("the underlay cannot carry frames as long as the MTU allows; they are dropped, and their senders told",
			zap.Stringer("vni", spec.VNI), zap.Int("mtu", d.MTU), zap.Int("fits", room))
	}
	return d, nil
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

// Close carries what is waiting, and removes what the agent made.
func (a *Agent) Close() error {
	a.follower.stop()
	a.hub.close()
	err := a.vtep.Close()
	a.removals.Wait()
	return err
}
