package control

import (
	"fmt"

	"go.uber.org/zap"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/encap"
)

// event takes what the VTEP reports: a device that went away, a worker that ended, a MAC
// that two VTEPs claim, a path that is narrower, or a route that is slower than others.
func (a *Agent) event(e dataplane.Event) {
	if e.Missed > 0 {
		if a.limits.allow(a.log, eventMissed, zap.WarnLevel) {
			a.log.Warn("events came too fast, and some were left out", zap.Uint64("events", e.Missed))
		}
		a.hub.skip(e.Missed)
	}
	switch {
	case !e.MAC.IsZero():
		a.report(zap.WarnLevel, api.Event{
			Kind: api.EventMAC, VNI: e.VNI, MAC: e.MAC,
			Message: "a MAC moves to and fro; two hosts have it, or frames come back in a loop",
		}, e.Err, zap.Stringer("vni", e.VNI), zap.Stringer("mac", e.MAC))
	case e.PathMTU > 0:
		a.report(zap.InfoLevel, api.Event{
			Kind: api.EventPath, Remote: e.Remote.Addr(), MTU: e.PathMTU,
			Message: "a link on the path is narrower than the underlay's interface; senders of larger frames are told",
		}, nil, zap.Stringer("remote", e.Remote), zap.Int("mtu", e.PathMTU))
	case e.Rerouted:
		a.report(zap.InfoLevel, api.Event{
			Kind: api.EventPath, Remote: e.Remote.Addr(),
			Message: "the route is another; what was known of the path is forgotten",
		}, nil, zap.Stringer("remote", e.Remote))
	case e.Remote.IsValid():
		a.report(zap.WarnLevel, api.Event{
			Kind: api.EventRemote, Remote: e.Remote.Addr(),
			Message: "the route takes no trains of datagrams; each is sent by itself, which takes more CPU",
		}, e.Err, zap.Stringer("remote", e.Remote))
	case e.Port != "":
		a.portGone(e)
	default:
		a.fail(api.Event{Kind: api.EventFailed}, e.Err)
	}
}

// portGone deals with a port whose device went away. One that was added goes alone. A
// network without its own port is taken down, if it was made by a request; without one of
// another the agent ends, and its supervisor starts it again.
func (a *Agent) portGone(e dataplane.Event) {
	told := api.Event{Kind: api.EventPortGone, VNI: e.VNI, Port: e.Port}
	err := fmt.Errorf("device of port %s on network %d is gone: %w", e.Port, e.VNI, e.Err)
	a.removals.Go(func() { // not here, where others' events would wait for it
		switch a.letGo(e.VNI, e.Port) {
		case goneBefore:
		case wentAlone:
			told.Message = "a port was closed"
			a.report(zap.WarnLevel, told, err)
		case wentWithNetwork:
			told.Message = "a network without its device was taken down"
			a.report(zap.ErrorLevel, told, err)
		default:
			a.fail(told, err)
		}
	})
}

// loss is what came of a port whose device went away.
type loss uint8

const (
	needed          loss = iota // the agent cannot go on without it
	goneBefore                  // somebody had it removed meanwhile
	wentAlone                   // its network goes on
	wentWithNetwork             // as its network was nothing without
)

// letGo forgets a port that the VTEP has closed.
func (a *Agent) letGo(vni encap.VNI, name string) loss {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := a.networks[vni]
	if n == nil {
		return goneBefore
	}
	switch p := n.port(name); {
	case p == nil || n.vtep.HasPort(name): // another one has the name by now
		return goneBefore
	case p.added != nil || n.origin == fromPort:
		n.forget(p)
		a.removeIdle(n)
		return wentAlone
	case n.origin == fromAPI && a.remove(n) == nil:
		return wentWithNetwork
	}
	return needed
}

// fail ends the agent.
func (a *Agent) fail(e api.Event, err error) {
	e.Message = "the dataplane failed"
	a.report(zap.ErrorLevel, e, err)
	select {
	case a.failed <- err:
	default: // one is enough to end the agent
	}
}
