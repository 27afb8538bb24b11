package docker

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"go.uber.org/zap"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/encap"
)

// clusterTimeout bounds the wait for others, whom an engine waits for.
const clusterTimeout = 10 * time.Second

func (d *Driver) patience() (context.Context, context.CancelFunc) {
	return context.WithTimeout(d.ctx, clusterTimeout)
}

// createEndpoint notes a container's place on a network. Its device is made when it joins.
func (d *Driver) createEndpoint(q createEndpoint) (createdEndpoint, error) {
	e := &endpoint{Network: q.NetworkID}
	if q.Interface == nil {
		q.Interface = &endpointInterface{}
	}
	for _, text := range []string{q.Interface.Address, q.Interface.AddressIPv6} {
		if text == "" {
			continue
		}
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return createdEndpoint{}, fmt.Errorf("bad address %q: want one with its prefix length", text)
		}
		e.Addresses = append(e.Addresses, p)
	}
	reply := createdEndpoint{&endpointInterface{}}
	switch {
	case q.Interface.MacAddress != "":
		var err error
		if e.MAC, err = encap.ParseMAC(q.Interface.MacAddress); err != nil {
			return createdEndpoint{}, err
		}
	case len(e.Addresses) > 0:
		e.MAC = encap.MACFromAddr(e.Addresses[0].Addr())
		reply.Interface.MacAddress = e.MAC.String()
	default:
		e.MAC = encap.MACFromName(q.EndpointID)
		reply.Interface.MacAddress = e.MAC.String()
	}
	if err := d.claim(q.NetworkID, e.Addresses); err != nil {
		return createdEndpoint{}, err
	}
	return reply, d.update(func(s *state) error {
		if s.Networks[q.NetworkID] == nil {
			return fmt.Errorf("network %s is none of vxtap's: remove it with docker network rm, and create it again", short(q.NetworkID))
		}
		s.Endpoints[q.EndpointID] = e
		return nil
	})
}

// claim makes addresses this host's that another address manager has given out. Ours claimed
// them when it did, and a swarm's managers give out each once.
func (d *Driver) claim(id string, addresses []netip.Prefix) error {
	if d.swarm {
		return nil
	}
	var vni encap.VNI
	var foreign []netip.Addr
	d.view(func(s *state) {
		if n := s.Networks[id]; n != nil {
			vni = n.VNI
		}
		for _, a := range addresses {
			if s.Book.Pools[a.Masked().String()] == nil {
				foreign = append(foreign, a.Addr())
			}
		}
	})
	ctx, cancel := d.patience()
	defer cancel()
	for _, a := range foreign {
		if vni == 0 {
			return nil // which its caller says
		}
		if err := d.cluster.ClaimAddress(ctx, vni, a); err != nil {
			return fmt.Errorf("%w; give each host an --ip-range of its own, or use --ipam-driver vxtap, which looks for another", err)
		}
	}
	return nil
}

// deleteEndpoint forgets a container's place, and takes it off the network if it is there.
func (d *Driver) deleteEndpoint(q endpointID) (reply nothing, err error) {
	n, e, err := d.find(q)
	if err != nil {
		return reply, nil // so is it
	}
	if err := d.takeOff(q, n, e); err != nil {
		return reply, err
	}
	ctx, cancel := d.patience()
	defer cancel()
	for _, a := range e.Addresses {
		var own bool
		d.view(func(s *state) { own = s.Book.Pools[a.Masked().String()] != nil })
		if own {
			continue // until it is given back
		}
		if err := d.cluster.ReleaseAddress(ctx, n.VNI, a.Addr()); err != nil {
			return reply, err
		}
	}
	return reply, d.update(func(s *state) error {
		delete(s.Endpoints, q.EndpointID)
		return nil
	})
}

func (d *Driver) operInfo(q endpointID) (operInfo, error) {
	n, _, err := d.find(q)
	if err != nil {
		return operInfo{}, err
	}
	return operInfo{map[string]string{"vxtap.vni": n.VNI.String(), "vxtap.port": short(q.EndpointID)}}, nil
}

// join makes the device of a container, which the engine takes into its namespace. That may
// not be there yet.
func (d *Driver) join(q joinRequest) (joined, error) {
	n, e, err := d.find(q.endpointID)
	if err != nil {
		return joined{}, err
	}
	if e.Sandbox != "" { // it left without a word
		if err := d.takeOff(q.endpointID, n, e); err != nil {
			return joined{}, err
		}
	}
	d.mu.Lock()
	err = d.ensure(q.NetworkID)
	d.mu.Unlock()
	if err != nil {
		return joined{}, err
	}
	device := "vx" + short(q.EndpointID) // until it has its name in the container
	port, err := d.agent.AddPort(n.VNI, api.PortSpec{Name: short(q.EndpointID), Device: device, MAC: e.MAC, Handover: true})
	if err != nil {
		return joined{}, err
	}
	err = d.update(func(s *state) error {
		if s.Endpoints[q.EndpointID] == nil {
			return fmt.Errorf("endpoint %s was removed meanwhile", short(q.EndpointID))
		}
		s.Endpoints[q.EndpointID].Sandbox = q.SandboxKey
		return nil
	})
	if err == nil {
		err = d.tell(q.EndpointID, n, e)
	}
	if err != nil {
		return joined{}, errors.Join(err, d.takeOff(q.endpointID, n, e))
	}
	d.log.Info("container joined", zap.Stringer("vni", n.VNI), zap.String("port", port.Name), zap.Stringer("mac", port.MAC))
	return joined{InterfaceName: interfaceName{SrcName: port.Device, DstPrefix: "eth"}, DisableGatewayService: n.Internal}, nil
}

// tell has others know of a container.
func (d *Driver) tell(id string, n network, e endpoint) error {
	ctx, cancel := d.patience()
	defer cancel()
	return d.cluster.EndpointUp(ctx, control.Endpoint{VNI: n.VNI, ID: id, MAC: e.MAC, Addresses: e.Addresses})
}

func (d *Driver) leave(q endpointID) (reply nothing, err error) {
	n, e, err := d.find(q)
	if err != nil {
		return reply, nil
	}
	return reply, d.takeOff(q, n, e)
}

// takeOff removes the port of a container, which may be gone with its namespace.
func (d *Driver) takeOff(q endpointID, n network, e endpoint) error {
	if err := d.agent.RemovePort(n.VNI, short(q.EndpointID)); err != nil && !errors.Is(err, api.ErrNotFound) {
		return err
	}
	if e.Sandbox == "" {
		return nil
	}
	return d.gone(q, n, e)
}

// gone notes that a container is on its network no more, and has others know.
func (d *Driver) gone(q endpointID, n network, e endpoint) error {
	ctx, cancel := d.patience()
	defer cancel()
	if err := d.cluster.EndpointDown(ctx, control.Endpoint{VNI: n.VNI, ID: q.EndpointID, MAC: e.MAC, Addresses: e.Addresses}); err != nil {
		return err
	}
	return d.update(func(s *state) error {
		if e := s.Endpoints[q.EndpointID]; e != nil {
			e.Sandbox, e.Device = "", ""
		}
		return nil
	})
}
