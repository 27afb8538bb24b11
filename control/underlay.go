package control

import (
	"errors"
	"net"
	"net/netip"

	"go.uber.org/zap"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/encap"
)

// UnderlayWatch tells what becomes of the interface with the local address, and of routes.
// Next and State belong to one goroutine.
type UnderlayWatch interface {
	// State is what it was when Next returned, or at the beginning.
	State() UnderlayState
	// Next blocks until something has changed. After Close the error is net.ErrClosed.
	Next() (UnderlayChange, error)
	// Close ends a Next that is under way.
	Close() error
}

// UnderlayState is what has become of the interface with the local address.
type UnderlayState struct {
	Interface string // empty if none has the address
	MTU       int    // in bytes of IP packet; 0 if it is not known
	Trouble   string // what keeps datagrams from being sent or received; empty if nothing is known to
}

// UnderlayChange is what has changed, and how things are now.
type UnderlayChange struct {
	State  UnderlayState
	Routes []netip.Prefix // destinations to which the route may be another
	Links  []UnderlayLink // interfaces that came, went, or are in another state
}

// UnderlayLink is an interface that has changed.
type UnderlayLink struct {
	Name  string
	Index uint32
	Up    bool  // it is there, and takes packets
	MTU   int   // in bytes of IP packet; 0 if it is gone
	Err   error // why sockets that were bound to it could not be moved to it as it is now
}

// watchUnderlay begins to follow the underlay.
func (e *endpoint) watchUnderlay() {
	e.setUnderlayState(UnderlayState{})
	if e.underlay.Watch == nil {
		return
	}
	e.setUnderlayState(e.underlay.Watch.State())
	if s := e.underlayState(); s.Trouble != "" {
		e.agent.reportTrouble(s)
	}
	e.watching.Go(e.followUnderlay)
}

// closeWatch ends that. It may be called if nothing was begun.
func (e *endpoint) closeWatch() (err error) {
	if e.underlay.Watch != nil {
		err = e.underlay.Watch.Close()
	}
	e.watching.Wait()
	return err
}

// followUnderlay keeps to what becomes of the underlay until the watch is closed.
func (e *endpoint) followUnderlay() {
	for {
		change, err := e.underlay.Watch.Next()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			e.agent.report(zap.ErrorLevel, api.Event{
				Kind: api.EventUnderlay, Message: "changes of the underlay are not followed any more; start vxtap anew for that",
			}, err)
			return
		}
		e.underlayChanged(&change)
	}
}

func (e *endpoint) underlayState() UnderlayState { return *e.state.Load() }

// setUnderlayState notes how things are. While no interface has the address, its last MTU
// is as good as any.
func (e *endpoint) setUnderlayState(s UnderlayState) {
	if was := e.state.Load(); s.MTU == 0 && was != nil {
		s.MTU = was.MTU
	}
	if s.MTU == 0 {
		s.MTU = e.interfaceMTU()
	}
	e.state.Store(&s)
}

// underlayChanged says what has changed, and has the VTEP and the devices follow.
func (e *endpoint) underlayChanged(c *UnderlayChange) {
	was := e.underlayState()
	e.setUnderlayState(c.State)
	now := e.underlayState()
	switch {
	case now.Trouble != "" && now.Trouble != was.Trouble:
		e.agent.reportTrouble(now)
	case now.Trouble == "" && (was.Trouble != "" || was.Interface != now.Interface):
		e.agent.report(zap.InfoLevel, api.Event{Kind: api.EventUnderlay, Message: "the underlay is usable, the local address is on interface " + now.Interface}, nil)
	}
	if now.MTU != was.MTU {
		e.vtep.SetMTU(now.MTU)
		e.agent.report(zap.InfoLevel, api.Event{Kind: api.EventUnderlay, MTU: now.MTU, Message: "the underlay's interface has another MTU"}, nil,
			zap.String("interface", now.Interface), zap.Int("mtu", now.MTU), zap.Int("before", was.MTU))
	}
	if now.Interface != was.Interface {
		e.checkBridged(now.Interface)
	}
	e.followLinks(c.Links, now.MTU, now.MTU != was.MTU)
	if len(c.Routes) > 0 {
		e.vtep.RoutesChanged(c.Routes)
	}
}

func (a *Agent) reportTrouble(s UnderlayState) {
	a.report(zap.WarnLevel, api.Event{Kind: api.EventUnderlay, Message: "the underlay is not usable: " + s.Trouble}, nil)
}

// followLinks has the networks follow interfaces that have changed, and the MTU if that has.
func (e *endpoint) followLinks(links []UnderlayLink, mtu int, changed bool) {
	for i := range links {
		if err := links[i].Err; err != nil {
			e.agent.report(zap.WarnLevel, api.Event{Kind: api.EventUnderlay, Message: "interface " + links[i].Name + " is another now, and not all sockets could follow"}, err)
		}
	}
	e.agent.mu.Lock()
	defer e.agent.mu.Unlock()
	for _, n := range e.agent.networks {
		if n.home != e {
			continue
		}
		for i := range links {
			if n.spec.Group.IsValid() && n.spec.groupDevice() == links[i].Name {
				e.agent.followGroup(n, &links[i])
			}
			e.agent.followInterface(n, &links[i])
		}
		if changed {
			e.agent.followMTU(n, mtu)
		}
	}
}

// followGroup has a network reach its group by an interface as it is now; a.mu is held.
func (a *Agent) followGroup(n *network, l *UnderlayLink) {
	was := n.groupLost
	n.groupLost = !l.Up || l.Err != nil
	if l.Up {
		n.vtep.SetGroupInterface(l.Index)
	}
	e := api.Event{Kind: api.EventUnderlay, VNI: n.spec.VNI}
	fields := []zap.Field{zap.Stringer("vni", n.spec.VNI), zap.Stringer("group", n.spec.Group), zap.String("dev", l.Name)}
	switch {
	case n.groupLost && !was:
		e.Message = "the group's interface " + l.Name + " is down or gone; nothing goes to the group, or comes from it, until it is back"
		a.report(zap.WarnLevel, e, nil, fields...)
	case was && !n.groupLost:
		e.Message = "the group's interface " + l.Name + " is back, and the group joined"
		a.report(zap.InfoLevel, e, nil, fields...)
	}
}

// followMTU gives a network's ports the MTU that the underlay leaves, those that are to have
// that; a.mu is held.
func (a *Agent) followMTU(n *network, underlay int) {
	room := room(n.home.node.Local, underlay, n.spec.Sealed)
	if n.spec.Port.MTU == 0 {
		n.mtu.Store(int64(follows(int(n.mtu.Load()), room)))
	}
	for _, p := range n.portList() {
		if p.spec.Kind == KindInterface { // the host's, which gets no longer frames than the network has
			_ = n.vtep.SetPortMTU(p.spec.Name, min(int(p.mtu.Load()), int(n.mtu.Load()))) // unless it is gone
			continue
		}
		has := int(p.mtu.Load())
		fixed := n.spec.Port.MTU != 0 || p.added != nil && p.added.MTU != 0
		if to := follows(has, room); !fixed && to != has && a.setPortMTU(n, p, to) {
			has = to
		}
		if has > room {
			a.warnTooLong(n.spec.VNI, p.spec.Name, has, room)
		}
	}
}

// checkBridged says if the tunnel goes through an interface that is bridged, by now, as its address
// was moved there. Before, that would have been refused.
func (e *endpoint) checkBridged(name string) {
	for _, n := range e.agent.list() {
		for _, p := range n.portList() {
			if p.spec.Kind != KindInterface || p.spec.Device != name {
				continue
			}
			e.agent.report(zap.ErrorLevel, api.Event{
				Kind: api.EventUnderlay, VNI: n.spec.VNI, Port: p.spec.Name,
				Message: "interface " + name + ", which is bridged, carries the tunnel itself now: each of its packets is a frame of the network; move the local address elsewhere, or end the bridging",
			}, nil, zap.Stringer("vni", n.spec.VNI), zap.Stringer("local", e.node.Local))
		}
	}
}

// followInterface has the port on an interface of the host know of its MTU; a.mu is held.
func (a *Agent) followInterface(n *network, l *UnderlayLink) {
	for _, p := range n.portList() {
		was := int(p.mtu.Load())
		if p.device.MTUChanged == nil || p.device.Index != l.Index || l.MTU == 0 || l.MTU == was {
			continue
		}
		p.device.MTUChanged(l.MTU)
		p.mtu.Store(int64(l.MTU))
		_ = n.vtep.SetPortMTU(p.spec.Name, min(l.MTU, int(n.mtu.Load()))) // unless it is gone
		a.report(zap.InfoLevel, api.Event{
			Kind: api.EventNetworkChanged, VNI: n.spec.VNI, Port: p.spec.Name, MTU: l.MTU, Message: "the interface has another MTU",
		}, nil, zap.Stringer("vni", n.spec.VNI), zap.String("port", p.spec.Name), zap.Int("mtu", l.MTU), zap.Int("before", was))
	}
}

// follows is the MTU of a device once there is another room for it. IPv6 would be gone from a
// device with less than it needs (RFC 8200 section 5), addresses and all, and not come back:
// one that had that much keeps it.
func follows(has, room int) int {
	switch {
	case has >= minMTU6:
		return max(room, minMTU6)
	case room < encap.MinMTU:
		return has
	}
	return room
}

// setPortMTU gives a port's device another MTU, and reports whether it has it.
func (a *Agent) setPortMTU(n *network, p *port, mtu int) bool {
	if p.device.SetMTU == nil {
		return false
	}
	e := api.Event{Kind: api.EventUnderlay, VNI: n.spec.VNI, Port: p.spec.Name, MTU: mtu}
	fields := []zap.Field{zap.Stringer("vni", n.spec.VNI), zap.String("port", p.spec.Name), zap.Int("mtu", mtu)}
	err := p.device.SetMTU(mtu)
	if err == nil {
		err = n.vtep.SetPortMTU(p.spec.Name, mtu)
	}
	if err != nil {
		e.Message = "the device's MTU could not follow the underlay's"
		a.report(zap.WarnLevel, e, err, fields...)
		return false
	}
	p.mtu.Store(int64(mtu))
	e.Kind, e.Message = api.EventNetworkChanged, "the device has another MTU, as the underlay has"
	a.report(zap.InfoLevel, e, nil, fields...)
	return true
}

// room is what an underlay's MTU leaves for the packets of a network. That of a loopback is
// more than an IP packet has.
func room(local netip.Addr, underlay int, sealed bool) int {
	const maxPacket = 65535
	return min(encap.OverlayMTU(min(underlay, maxPacket), local.Is6(), sealed, 0), encap.MaxMTU)
}

func (a *Agent) warnTooLong(vni encap.VNI, port string, mtu, fits int) {
	a.report(zap.WarnLevel, api.Event{
		Kind: api.EventUnderlay, VNI: vni, Port: port, MTU: fits,
		Message: "the underlay cannot carry frames as long as the MTU allows; they are dropped, and their senders told",
	}, nil, zap.Stringer("vni", vni), zap.String("port", port), zap.Int("mtu", mtu), zap.Int("fits", fits))
}
