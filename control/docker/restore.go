package docker

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"go.uber.org/zap"

	"github.com/vxtap/vxtap/control/api"
)

// maxInterfaces is how many names are tried for an interface whose name was not kept.
const maxInterfaces = 16

// restore makes networks and ports again that were there before the agent was restarted. A
// container keeps its address and its MAC, so that its connections go on.
func (d *Driver) restore() {
	var kept *state // which is not changed, but replaced
	d.view(func(s *state) { kept = s })
	for id, n := range kept.Networks {
		held, err := d.agent.Hold(kept.wordsOf(n))
		if err != nil {
			d.log.Error("a docker network is not there again", zap.String("network", short(id)), zap.Stringer("vni", n.VNI), zap.Error(err))
			continue
		}
		d.mu.Lock()
		d.held[id] = held
		d.mu.Unlock()
	}
	// In an order that is the same each time, for interfaces whose names are to be guessed.
	for _, id := range slices.Sorted(maps.Keys(kept.Endpoints)) {
		e := kept.Endpoints[id]
		if e.Sandbox == "" {
			continue
		}
		q := endpointID{e.Network, id}
		n, _, err := d.find(q)
		if err != nil {
			continue
		}
		name, err := d.rejoin(id, n, *e)
		if err != nil { // most likely the container ended meanwhile
			d.log.Warn("a container is not on its network again", zap.String("port", short(id)), zap.Error(err))
			err = d.takeOff(q, n, *e)
		} else {
			err = d.update(func(s *state) error {
				if e := s.Endpoints[id]; e != nil {
					e.Device = name
				}
				return nil
			})
		}
		if err != nil {
			d.log.Warn("what became of a container's port is not kept", zap.String("port", short(id)), zap.Error(err))
		}
	}
}

// rejoin makes the port of a container that runs, and returns the name that its interface
// has.
func (d *Driver) rejoin(id string, n network, e endpoint) (name string, err error) {
	names := []string{e.Device}
	if e.Device == "" {
		names = nil
		for i := range maxInterfaces {
			names = append(names, fmt.Sprintf("eth%d", i))
		}
	}
	for _, name := range names {
		_, err = d.agent.AddPort(n.VNI, api.PortSpec{
			Name: short(id), Device: name, NetNS: e.Sandbox, MAC: e.MAC, Addresses: e.Addresses,
		})
		if err == nil {
			return name, d.tell(id, n, e)
		}
		if !errors.Is(err, api.ErrExists) {
			break
		}
	}
	return "", err
}
