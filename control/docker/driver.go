package docker

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"

	"go.uber.org/zap"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/control/store"
	"github.com/vxtap/vxtap/encap"
)

// Agent is what the driver needs of one.
type Agent interface {
	Node() api.Node
	Hold(words api.Words) (api.Held, error)
	Network(vni encap.VNI) (api.Network, error)
	AddPort(vni encap.VNI, spec api.PortSpec) (api.Port, error)
	RemovePort(vni encap.VNI, name string) error
	FDB(vni encap.VNI) ([]api.FDBEntry, error)
	ChangeFDB(vni encap.VNI, c api.FDBChange) error
	DeleteFDB(vni encap.VNI, mac encap.MAC, dst netip.AddrPort) error
	Events() (events <-chan api.Event, stop func())
}

// Config says what a driver is made from.
type Config struct {
	Agent   Agent
	Cluster control.Cluster
	// Dir is where the state is kept.
	Dir string
	// Swarm: networks are of a whole swarm, and not of one engine. Only managed plugins can
	// be that.
	Swarm  bool
	Logger *zap.Logger // nil means silence
	// Routes returns the destinations of the host's routes; nil if they do not matter.
	Routes func() ([]netip.Prefix, error)
}

// Driver is what engines ask. Its methods may be called from any goroutine.
type Driver struct {
	agent   Agent
	cluster control.Cluster
	locals  []netip.Addr // one of each family at most
	swarm   bool
	log     *zap.Logger
	routes  func() ([]netip.Prefix, error)
	file    store.File[state]
	unlock  func() // lets others use the file

	mu        sync.Mutex
	state     *state                  // replaced whole
	held      map[string]api.Held     // the networks that were made, by the engine's ID
	elsewhere map[netip.Addr]struct{} // addresses that others were found to have

	ctx      context.Context // ends with Close
	stop     context.CancelFunc
	watching sync.WaitGroup
}

// Open makes a driver, and has what it made before the agent was restarted made again: its
// networks, and the ports of containers that still run. What cannot be is told in the log,
// and the rest goes on.
func Open(cfg Config) (*Driver, error) {
	d := &Driver{
		agent: cfg.Agent, cluster: cfg.Cluster, swarm: cfg.Swarm, log: cfg.Logger, routes: cfg.Routes,
		file:      store.NewFile[state](filepath.Join(cfg.Dir, "docker.json")),
		held:      make(map[string]api.Held),
		elsewhere: make(map[netip.Addr]struct{}),
	}
	if d.log == nil {
		d.log = zap.NewNop()
	}
	node := cfg.Agent.Node()
	d.locals = []netip.Addr{node.Local}
	if node.Second != nil {
		d.locals = append(d.locals, node.Second.Local)
	}
	if err := d.load(); err != nil {
		return nil, fmt.Errorf("docker networks: %w", err)
	}
	d.ctx, d.stop = context.WithCancel(context.Background())
	d.watch()
	d.restore()
	return d, nil
}

// load reads the state, which no other agent may use until Close.
func (d *Driver) load() (err error) {
	d.unlock, err = d.file.Lock()
	if errors.Is(err, store.ErrInUse) {
		return fmt.Errorf("%w: stop that first, or give this one a --state directory of its own", err)
	}
	if err != nil {
		return err
	}
	kept, err := d.file.Load()
	if err == nil {
		d.state = &kept
		d.state.init()
		err = d.state.check()
	}
	if err == nil {
		err = d.update(func(*state) error { return nil }) // now, and not when a container starts
	}
	if err != nil {
		d.unlock()
	}
	return err
}

// Close ends what the driver does by itself. Networks and ports stay the agent's.
func (d *Driver) Close() {
	d.stop()
	d.watching.Wait()
	d.unlock()
}

// watch takes note of what becomes of ports: where they went, and when they are gone.
func (d *Driver) watch() {
	events, stop := d.agent.Events()
	d.watching.Go(func() {
		defer stop()
		for {
			select {
			case <-d.ctx.Done():
				return
			case e, open := <-events:
				if !open {
					return
				}
				d.note(e)
			}
		}
	})
}

func (d *Driver) note(e api.Event) {
	if e.Kind != api.EventPortMoved && e.Kind != api.EventPortGone {
		return
	}
	if e.Kind == api.EventPortGone && d.hasPort(e.VNI, e.Port) {
		return // it has come back meanwhile
	}
	q, n, ep := d.behind(e.VNI, e.Port)
	if ep.Network == "" || ep.Sandbox == "" {
		return // somebody else's, or it has left
	}
	var err error
	if e.Kind == api.EventPortGone {
		err = d.gone(q, n, ep)
	} else {
		err = d.update(func(s *state) error {
			if ep := s.Endpoints[q.EndpointID]; ep != nil {
				ep.Device = e.Device
			}
			return nil
		})
	}
	if err != nil {
		d.log.Warn("what became of a container's port is not kept", zap.String("port", e.Port), zap.Error(err))
	}
}

// behind returns copies of the endpoint whose port that is, and of its network; zero if it is
// none of ours.
func (d *Driver) behind(vni encap.VNI, port string) (q endpointID, n network, e endpoint) {
	d.view(func(s *state) {
		for id, ep := range s.Endpoints {
			if on := s.Networks[ep.Network]; short(id) == port && on != nil && on.VNI == vni {
				q, n, e = endpointID{ep.Network, id}, *on, *ep
			}
		}
	})
	return q, n, e
}

func (d *Driver) hasPort(vni encap.VNI, name string) bool {
	n, err := d.agent.Network(vni)
	return err == nil && slices.ContainsFunc(n.Ports, func(p api.Port) bool { return p.Name == name })
}

func (d *Driver) capabilities(nothing) (capabilities, error) {
	scope := "local"
	if d.swarm {
		scope = "global"
	}
	return capabilities{Scope: scope, ConnectivityScope: "global"}, nil
}
