package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/encap"
)

// PortSpec is what a user asks of one port.
type PortSpec = api.PortSpec

// The kinds of devices that a port can be.
const (
	KindTAP       = api.KindTAP
	KindTUN       = api.KindTUN
	KindInterface = api.KindInterface
)

// port is what the agent keeps of one that carries frames.
type port struct {
	spec   PortSpec // with everything filled in
	device *Device
	added  *PortSpec // what the request was that added it; nil: it is its network's own
	mtu    atomic.Int64

	name atomic.Pointer[string] // of its device, if it was handed over and has been taken
	stop context.CancelFunc     // ends the wait for that
}

// AddPort makes a device and puts it on a network. If it fails, what was made is taken away
// again. When its device or its namespace goes away, so does the port, and the agent tells.
func (a *Agent) AddPort(vni encap.VNI, spec PortSpec) (api.Port, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	n, err := a.networkFor(vni, spec.Network)
	if err != nil {
		return api.Port{}, conflict(err)
	}
	spec.Network = nil // it is there
	p, err := a.addPort(n, spec)
	if err != nil {
		a.removeIdle(n)
		return api.Port{}, conflict(err)
	}
	return describePort(p), nil
}

// addPort is AddPort; a.mu is held.
func (a *Agent) addPort(n *network, spec PortSpec) (*port, error) {
	if a.closed {
		return nil, errClosed
	}
	asked := spec
	spec, err := a.portSpec(&n.spec, spec)
	if err != nil {
		return nil, err
	}
	if old := n.port(spec.Name); old != nil {
		if old.added == nil || n.vtep.HasPort(spec.Name) {
			return nil, fmt.Errorf("port %s on network %d: %w", spec.Name, n.spec.VNI, api.ErrExists)
		}
		n.forget(old) // its device is gone, which is about to be told; but not of this one
		a.report(zap.WarnLevel, api.Event{Kind: api.EventPortGone, VNI: n.spec.VNI, Port: spec.Name, Message: "a port was closed, whose device is gone"}, nil,
			zap.Stringer("vni", n.spec.VNI), zap.String("port", spec.Name))
	}
	p, err := a.openPort(n, spec, &asked)
	if err != nil {
		return nil, err
	}
	a.report(zap.InfoLevel, api.Event{Kind: api.EventPortUp, VNI: n.spec.VNI, Port: spec.Name, Message: "port up"}, nil, n.portFields(p)...)
	return p, nil
}

// portFields describes a port in the log.
func (n *network) portFields(p *port) []zap.Field {
	fields := []zap.Field{
		zap.Stringer("vni", n.spec.VNI), zap.String("port", p.spec.Name), zap.String("device", p.device.Name),
		zap.Stringer("mac", p.device.MAC), zap.Int("mtu", p.device.MTU), zap.String("driver", p.device.Driver),
	}
	if p.spec.NetNS != "" {
		fields = append(fields, zap.String("netns", p.spec.NetNS))
	}
	return fields
}

// openPort makes a port as its spec says, in which nothing is open, and has its frames flow.
func (a *Agent) openPort(n *network, spec PortSpec, added *PortSpec) (*port, error) {
	if err := a.checkWire(n, &spec); err != nil {
		return nil, err
	}
	d, err := a.drivers.OpenDevice(DeviceSpec{PortSpec: spec, Locals: a.node.locals(), Queues: n.home.vtep.Workers(), Offload: a.node.Offload})
	if err != nil {
		return nil, err
	}
	a.note(n, &spec, d)
	mtu := d.MTU
	if spec.Kind == KindInterface {
		mtu = min(mtu, int(n.mtu.Load())) // it may take longer frames than the network has, and is to get none
	}
	err = n.vtep.AddPort(dataplane.PortConfig{Name: spec.Name, MAC: d.MAC, MTU: mtu, Queues: d.Queues, Close: d.Close})
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	if d.Unordered != nil {
		a.log.Warn("frames of a flow may arrive out of order; leave --queues out, or run with CAP_BPF",
			zap.Stringer("vni", n.spec.VNI), zap.Error(d.Unordered))
	}
	p := &port{spec: spec, device: d, added: added, stop: func() {}}
	p.mtu.Store(int64(d.MTU))
	if spec.Handover && d.Follow != nil {
		a.follow(n.spec.VNI, p)
	}
	n.portsMu.Lock()
	defer n.portsMu.Unlock()
	n.ports = append(n.ports, p)
	return p, nil
}

// follow tells when a port's interface was taken to where it is to be.
func (a *Agent) follow(vni encap.VNI, p *port) {
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	a.removals.Go(func() {
		name, err := p.device.Follow(ctx)
		if err != nil { // it was removed, of which others tell
			return
		}
		p.name.Store(&name)
		a.report(zap.InfoLevel, api.Event{Kind: api.EventPortMoved, VNI: vni, Port: p.spec.Name, Device: name, Message: "port taken over"}, nil,
			zap.Stringer("vni", vni), zap.String("port", p.spec.Name), zap.String("device", name))
	})
}

// RemovePort takes a port off a network that AddPort put on it, and removes its device.
func (a *Agent) RemovePort(vni encap.VNI, name string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := a.networks[vni]
	if n == nil {
		return fmt.Errorf("network %d: %w", vni, api.ErrNotFound)
	}
	p := n.port(name)
	switch {
	case p == nil:
		return fmt.Errorf("port %s on network %d: %w", name, vni, api.ErrNotFound)
	case p.added == nil:
		return &api.Error{Status: statusConflict, Message: fmt.Sprintf("port %s is network %d's own: it goes with the network", name, vni)}
	}
	n.forget(p)
	// That the device is gone already is not told: it is what was wanted.
	err := unless(n.vtep.RemovePort(name), dataplane.ErrNotFound)
	a.report(zap.InfoLevel, api.Event{Kind: api.EventPortDown, VNI: vni, Port: name, Message: "port down"}, err,
		zap.Stringer("vni", vni), zap.String("port", name))
	a.removeIdle(n)
	return err
}

// port returns the network's port of that name, or nil.
func (n *network) port(name string) *port {
	for _, p := range n.portList() {
		if p.spec.Name == name {
			return p
		}
	}
	return nil
}

// portList returns the ports that there are now.
func (n *network) portList() []*port {
	n.portsMu.Lock()
	defer n.portsMu.Unlock()
	return slices.Clone(n.ports)
}

// addedPorts returns what was asked for of those that were added, each with its name.
func (n *network) addedPorts() (list []PortSpec) {
	for _, p := range n.portList() {
		if p.added != nil {
			spec := *p.added
			spec.Name = p.spec.Name
			list = append(list, spec)
		}
	}
	return list
}

func (n *network) forget(p *port) {
	p.stop()
	n.portsMu.Lock()
	defer n.portsMu.Unlock()
	n.ports = slices.DeleteFunc(n.ports, func(q *port) bool { return q == p })
}

// now returns the MAC and the MTU that the device has, or if it does not tell those that it was
// given.
func (p *port) now() (mac encap.MAC, mtu int) {
	mac, mtu = p.device.MAC, int(p.mtu.Load())
	if p.device.Now == nil {
		return mac, mtu
	}
	hasMAC, hasMTU, err := p.device.Now()
	if err != nil {
		return mac, mtu
	}
	if !hasMAC.IsZero() {
		mac = hasMAC
	}
	return mac, hasMTU
}

func describePort(p *port) api.Port {
	d, spec := p.device, &p.spec
	device := d.Name
	if name := p.name.Load(); name != nil {
		device = *name
	}
	mac, mtu := p.now()
	return api.Port{
		Name: spec.Name, Kind: spec.Kind, Device: device, MAC: mac, MTU: mtu, NetNS: spec.NetNS, Driver: d.Driver,
		Addresses: spec.Addresses, Routes: spec.Routes, Offloads: offloads(d.Offloads()), Notes: d.Notes, Added: p.added != nil,
		Owner: spec.Owner, Aliases: spec.Aliases,
	}
}

// portSpec checks the spec of a port that is to be added to a network, and fills in what it
// leaves open.
func (a *Agent) portSpec(n *NetworkSpec, p PortSpec) (PortSpec, error) {
	err := checkPort(&p)
	if err == nil && p.Kind != KindInterface {
		p.MTU = cmp.Or(p.MTU, n.Port.MTU)
		err = cmp.Or(checkPort(&p), a.checkDeviceName(p.Device))
	}
	switch {
	case err != nil:
		return p, invalid(err)
	case p.Device == "":
		return p, invalid(errors.New("no device: give the name that the port's interface has, or is to have"))
	}
	return a.fillPort(n, p)
}

func (a *Agent) checkDeviceName(name string) error {
	if a.drivers.CheckName == nil {
		return nil
	}
	return a.drivers.CheckName(name)
}

// fillPort fills in what the spec of a port leaves open.
func (a *Agent) fillPort(n *NetworkSpec, p PortSpec) (PortSpec, error) {
	p.Kind = cmp.Or(p.Kind, KindTAP)
	if p.PID != 0 {
		p.NetNS, p.PID = fmt.Sprintf("/proc/%d/ns/net", p.PID), 0
	}
	p.Name = cmp.Or(p.Name, portName(&p))
	if p.Kind == KindInterface {
		p.MTU = 0 // it has its own
		return p, checkPortName(&p)
	}
	if p.MAC.IsZero() {
		p.MAC = a.deriveMAC(n, &p)
	}
	if err := checkPortName(&p); err != nil {
		return p, err
	}
	return p, a.fillMTU(n, &p)
}

// portName is the name of a port that was given none.
func portName(p *PortSpec) string {
	if p.NetNS == "" {
		return p.Device
	}
	ns := strings.TrimSuffix(p.NetNS, "/ns/net") // of a process in /proc
	return p.Device + "@" + path.Base(ns)
}

// fillMTU gives a port the MTU that the underlay leaves, unless it has one.
func (a *Agent) fillMTU(n *NetworkSpec, p *PortSpec) error {
	local := a.node.facing(n).Local
	underlay, err := a.drivers.UnderlayMTU(local)
	room := room(local, underlay, n.Sealed)
	switch {
	case p.MTU == 0 && err != nil:
		return fmt.Errorf("find the underlay's MTU (give one with --mtu): %w", err)
	case p.MTU == 0:
		p.MTU = room
		if err := checkPort(p); err != nil {
			return fmt.Errorf("the underlay's MTU of %d leaves too little: %w", underlay, err)
		}
	case err == nil && p.MTU > room:
		a.warnTooLong(n.VNI, p.Name, p.MTU, room)
	}
	return nil
}

// deriveMAC gives a device an address that is the same after every restart: that of its
// first address, as Docker does, or else a network's own port has that of the node.
func (a *Agent) deriveMAC(n *NetworkSpec, p *PortSpec) encap.MAC {
	switch {
	case len(p.Addresses) > 0:
		return encap.MACFromAddr(p.Addresses[0].Addr())
	case p.Name == n.ownPort().Name:
		return encap.MACFromAddr(a.node.facing(n).Local)
	}
	return encap.MACFromName(fmt.Sprintf("%v/%d/%s", a.node.Local, n.VNI, p.Name))
}
