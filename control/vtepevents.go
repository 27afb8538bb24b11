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

// portGone ends the agent, whose supervisor starts it again, unless the network was somebody
// else's, for whom only that is taken down.
func (a *Agent) portGone(e dataplane.Event) {
	told := api.Event{Kind: api.EventPortGone, VNI: e.VNI, Port: e.Port}
	err := fmt.Errorf("device %s of network %d is gone: %w", e.Port, e.VNI, e.Err)
	a.removals.Go(func() { // not here: the VTEP waits for this event to be taken
		if !a.removeForeign(e.VNI) {
			a.fail(told, err)
			return
		}
		told.Message = "a network without its device was taken down"
		a.report(zap.ErrorLevel, told, err)
	})
}

// removeForeign takes a network down that was made by a request, and reports whether it was
// one, or has gone already.
func (a *Agent) removeForeign(vni encap.VNI) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := a.networks[vni]
	if n == nil {
		return true
	}
	return n.origin == fromAPI && a.remove(n) == nil
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
