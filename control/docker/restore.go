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
// container keeps its address and its MAC, so that its connections go on. What cannot be made
// now is kept, and tried again at the next start; of a network, when a container joins.
func (d *Driver) restore() {
	var kept *state // which is not changed, but replaced
	d.view(func(s *state) { kept = s })
	for id, n := range kept.Networks {
		d.mu.Lock()
		err := d.ensure(id)
		d.mu.Unlock()
		if err != nil {
			d.log.Error("a docker network is not there again", zap.String("network", short(id)), zap.Stringer("vni", n.VNI), zap.Error(err))
		}
	}
	// In an order that is the same each time, for interfaces whose names are to be guessed.
	for _, id := range slices.Sorted(maps.Keys(kept.Endpoints)) {
		if kept.Endpoints[id].Sandbox == "" {
			continue
		}
		if err := d.rejoin(id); err != nil {
			d.log.Error("a container is not on its network again", zap.String("port", short(id)), zap.Error(err))
		}
	}
}

// rejoin puts a container on its network again, or forgets it if it ended meanwhile.
func (d *Driver) rejoin(id string) error {
	var e endpoint
	var there bool
	d.view(func(s *state) {
		e = *s.Endpoints[id]
		there = d.has(e.Network)
	})
	q := endpointID{e.Network, id}
	n, _, err := d.find(q)
	switch {
	case err != nil:
		return err
	case !there:
		return errors.New("the network is not there")
	}
	name, err := d.addAgain(id, n, e)
	switch {
	case errors.Is(err, api.ErrNotFound): // its namespace
		d.log.Info("a container has ended meanwhile", zap.String("port", short(id)), zap.Stringer("vni", n.VNI))
		return d.collect(q, e)
	case err != nil:
		return err
	}
	return d.update(func(s *state) error {
		if e := s.Endpoints[id]; e != nil {
			e.Device = name
		}
		return nil
	})
}

// collect forgets a container that ended while its engine could not tell, and gives its
// addresses back. An engine that tells it all the same, later, has nothing to do.
func (d *Driver) collect(q endpointID, e endpoint) error {
	_, err := d.deleteEndpoint(q)
	for _, a := range e.Addresses {
		_, failed := d.releaseAddress(releaseAddress{PoolID: a.Masked().String(), Address: a.Addr().String()})
		err = errors.Join(err, failed)
	}
	return err
}

// addAgain makes the port of a container that runs, and returns the name that its interface
// has.
func (d *Driver) addAgain(id string, n network, e endpoint) (name string, err error) {
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
