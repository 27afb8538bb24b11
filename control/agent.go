package control

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"go.uber.org/zap"

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

	mu       sync.Mutex
	networks map[encap.VNI]*network
}

// network is what the agent keeps of one that runs.
type network struct {
	spec   NetworkSpec
	vtep   *dataplane.Network
	device *Device
}

// AgentConfig says what an agent is made from.
type AgentConfig struct {
	Node    NodeSpec
	Keys    Keys // nil if the node is to have no sealed networks
	Drivers Drivers
	Logger  *zap.Logger // nil means silence
	Version string      // of the program, for listings
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
		node: cfg.Node, drivers: cfg.Drivers, log: cfg.Logger, version: cfg.Version,
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
// was made is taken away again.
func (a *Agent) AddNetwork(spec NetworkSpec) error {
	if err := spec.Check(a.node); err != nil {
		return err
	}
	device, err := a.deviceSpec(spec)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	members, err := a.join(&spec)
	if err != nil {
		return err
	}
	n, err := a.vtep.AddNetwork(spec.NetworkConfig)
	if err != nil {
		a.sealing.leave(members)
		return err
	}
	if err := a.attach(n, spec, device); err != nil {
		err = errors.Join(err, a.vtep.RemoveNetwork(spec.VNI))
		a.sealing.leave(members)
		return err
	}
	return nil
}

// attach gives a new network its entries and its device.
func (a *Agent) attach(n *dataplane.Network, spec NetworkSpec, device DeviceSpec) error {
	for _, e := range spec.Static {
		add := n.AddEntry
		if e.MAC.IsMulticast() { // a group may be behind several
			add = n.AppendEntry
		}
		if err := add(e.MAC, e.Remote); err != nil {
			return fmt.Errorf("table entry %v=%v: %w", e.MAC, e.Remote, err)
		}
	}
	d, err := a.drivers.OpenDevice(device)
	if err != nil {
		return err
	}
	err = n.AddPort(dataplane.PortConfig{Name: d.Name, MAC: d.MAC, MTU: d.MTU, Queues: d.Queues, Close: d.Close})
	if err != nil {
		return errors.Join(err, d.Close())
	}
	if d.Unordered != nil {
		a.log.Warn("frames of a flow may arrive out of order; leave --queues out, or run with CAP_BPF",
			zap.Stringer("vni", spec.VNI), zap.Error(d.Unordered))
	}
	a.networks[spec.VNI] = &network{spec: spec, vtep: n, device: d}
	a.log.Info("network up", zap.Stringer("vni", spec.VNI), zap.String("tap", d.Name),
		zap.Stringer("mac", d.MAC), zap.Int("mtu", d.MTU), zap.String("driver", d.Driver),
		zap.Stringers("remotes", n.Remotes()), zap.Bool("sealed", spec.Sealed))
	return nil
}

// deviceSpec fills in what the network's spec leaves open about its device.
func (a *Agent) deviceSpec(spec NetworkSpec) (DeviceSpec, error) {
	d := DeviceSpec{
		Name: spec.TAP, NetNS: spec.NetNS, MAC: spec.deriveMAC(a.node), MTU: spec.MTU,
		Addresses: spec.Addresses, Queues: a.vtep.Workers(), Offload: a.node.Offload,
	}
	if d.Name == "" {
		d.Name = fmt.Sprintf("vx%d", spec.VNI)
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
		a.log.Warn("the underlay cannot carry frames as long as the MTU allows; they are dropped",
			zap.Stringer("vni", spec.VNI), zap.Int("mtu", d.MTU), zap.Int("fits", room))
	}
	return d, nil
}

// event takes what the VTEP reports: a device that went away, a worker that ended, a MAC
// that two VTEPs claim, or a route that is slower than others.
func (a *Agent) event(e dataplane.Event) {
	if !e.MAC.IsZero() {
		a.log.Warn("a MAC moves to and fro; two hosts have it, or frames come back in a loop",
			zap.Stringer("vni", e.VNI), zap.Stringer("mac", e.MAC), zap.Error(e.Err))
		return
	}
	if e.Remote.IsValid() {
		a.log.Warn("the route takes no trains of datagrams; each is sent by itself, which takes more CPU",
			zap.Stringer("remote", e.Remote), zap.Error(e.Err))
		return
	}
	err := e.Err
	if e.Port != "" {
		err = fmt.Errorf("device %s of network %d is gone: %w", e.Port, e.VNI, e.Err)
	}
	a.log.Error("the dataplane failed", zap.Error(err))
	select {
	case a.failed <- err:
	default: // one is enough to end the agent
	}
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
	return a.vtep.Close()
}
