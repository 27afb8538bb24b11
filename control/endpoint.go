package control

import (
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/dataplane"
)

// endpoint is one of the node's VTEPs. There is one for each of its addresses, which are of
// different families. A network belongs to that of the family of its remotes, and they know
// nothing of each other.
type endpoint struct {
	agent *Agent
	// node is the node as this VTEP is; guarded by the agent's mu, but for its address.
	node     NodeSpec
	vtep     *dataplane.VTEP
	underlay *Underlay
	sealing  *sealing // nil if the node has no sealed networks
	follower follower
	watching sync.WaitGroup
	state    atomic.Pointer[UnderlayState]
}

// LocalKeys is what Keys implement by which a node is somebody else at another address.
type LocalKeys interface {
	// At returns the keys of this node at one of its addresses.
	At(local netip.Addr) Keys
}

// openEndpoints opens the node's VTEPs, all with as many queues as the first.
func (a *Agent) openEndpoints(keys Keys) error {
	queues := a.node.Queues
	for _, node := range a.node.endpoints() {
		node.Queues = queues
		e := &endpoint{agent: a, node: node}
		if err := e.open(keys); err != nil {
			return errors.Join(err, a.Close())
		}
		a.endpoints = append(a.endpoints, e)
		queues = e.vtep.Workers()
	}
	return nil
}

// closeVTEPs carries what is waiting, and removes what the VTEPs made.
func (a *Agent) closeVTEPs() (err error) {
	for _, e := range a.endpoints {
		err = errors.Join(err, e.vtep.Close())
	}
	return err
}

func (e *endpoint) open(keys Keys) (err error) {
	a := e.agent
	if e.underlay, err = a.drivers.OpenUnderlay(e.node); err != nil {
		return err
	}
	if got, wanted := e.underlay.ReceiveBuffer, e.underlay.ReceiveBufferWanted; got < wanted {
		a.log.Warn("the kernel refused the receive buffer; bursts may be dropped",
			zap.Int("bytes", got), zap.Int("wanted", wanted),
			zap.String("do", "run with CAP_NET_ADMIN, or raise net.core.rmem_max"))
	}
	a.log.Info("underlay open", zap.Stringer("local", e.node.withPort(netip.AddrPortFrom(e.node.Local, 0))),
		zap.String("driver", e.underlay.Driver))
	if k, ok := keys.(LocalKeys); ok {
		keys = k.At(e.node.Local)
	}
	e.vtep, err = dataplane.Open(dataplane.Config{
		Local:     e.node.Local,
		Port:      e.node.Port,
		Underlays: e.underlay.Queues,
		MTU:       e.interfaceMTU(),
		Paths:     e.underlay.Paths,
		NewPoller: func() (dataplane.Poller, error) { return a.drivers.NewPoller(e.node) },
		BusyPoll:  e.underlay.BusyPoll,
		Sealing:   e.sealingConfig(keys),
		Events:    a.event,
	})
	if err != nil {
		return errors.Join(err, e.closeWatch())
	}
	e.watchUnderlay()
	if keys != nil {
		e.sealing = newSealing(keys, e.vtep.Node())
		e.follower.start(e.followKeys)
	}
	return nil
}

// endpointOf returns the VTEP that a network is to belong to.
func (a *Agent) endpointOf(spec *NetworkSpec) *endpoint {
	local := a.node.facing(spec).Local
	for _, e := range a.endpoints {
		if e.node.Local == local {
			return e
		}
	}
	return a.endpoints[0]
}

// first is the VTEP at the address that was named first.
func (a *Agent) first() *endpoint { return a.endpoints[0] }

// describe describes the UDP side.
func (e *endpoint) describe() api.UnderlayInfo {
	state := e.underlayState()
	return api.UnderlayInfo{
		Driver:              e.underlay.Driver,
		Interface:           state.Interface,
		MTU:                 state.MTU,
		Trouble:             state.Trouble,
		Queues:              e.vtep.Workers(),
		ReceiveBuffer:       e.underlay.ReceiveBuffer,
		ReceiveBufferWanted: e.underlay.ReceiveBufferWanted,
		Offloads:            offloads(e.underlay.Features),
		TrainsRefused:       e.vtep.Stats().TrainsRefused,
		Paths:               e.narrowPaths(),
	}
}
