package docker_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/control/docker"
	"github.com/vxtap/vxtap/encap"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// agent is one whose networks and ports are names in a map. It is a cluster too, in which
// others have the addresses of taken.
type agent struct {
	second netip.Addr // of the node
	mu     sync.Mutex
	words  map[encap.VNI]api.Words
	ports  map[string]api.PortSpec // by VNI/name
	taken  []string
	seen   []string // addresses whose MACs are behind a remote
	claims []string
	up     map[string]bool // endpoints that others were told of
	events chan api.Event
	fdb    []string
	err    error // of AddPort
	upErr  error // of Up
	gone   map[encap.VNI]chan struct{}
}

func newAgent() *agent {
	return &agent{
		words: map[encap.VNI]api.Words{}, ports: map[string]api.PortSpec{}, up: map[string]bool{}, events: make(chan api.Event),
		gone: map[encap.VNI]chan struct{}{},
	}
}

func portKey(vni encap.VNI, name string) string { return fmt.Sprintf("%d/%s", vni, name) }

func (a *agent) Node() api.Node {
	n := api.Node{Local: netip.MustParseAddr("10.9.0.1")}
	if a.second.IsValid() {
		n.Second = &api.Endpoint{Local: a.second}
	}
	return n
}

func (a *agent) Hold(w api.Words) (api.Held, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	vni, err := encap.ParseVNI(w["vni"][0])
	if err == nil {
		err = a.upErr
	}
	if err == nil && a.words[vni] != nil {
		err = fmt.Errorf("network %d: %w", vni, api.ErrExists)
	}
	if err != nil {
		return api.Held{}, err
	}
	gone := make(chan struct{})
	a.words[vni], a.gone[vni] = w, gone
	return api.Held{Gone: gone, Remove: func() error {
		select {
		case <-gone:
			return nil
		default:
			if n, err := a.Network(vni); err == nil && len(n.Ports) > 0 {
				return nil // they keep it
			}
			return a.RemoveNetwork(vni)
		}
	}}, nil
}

func (a *agent) Network(vni encap.VNI) (n api.Network, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.words[vni] == nil {
		return n, api.ErrNotFound
	}
	for key, p := range a.ports {
		if strings.HasPrefix(key, fmt.Sprintf("%d/", vni)) {
			n.Ports = append(n.Ports, api.Port{Name: p.Name, Added: true})
		}
	}
	return n, nil
}

func (a *agent) RemoveNetwork(vni encap.VNI) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.words[vni] == nil {
		return api.ErrNotFound
	}
	delete(a.words, vni)
	maps.DeleteFunc(a.ports, func(key string, _ api.PortSpec) bool { return strings.HasPrefix(key, fmt.Sprintf("%d/", vni)) })
	if a.gone[vni] != nil {
		close(a.gone[vni])
		delete(a.gone, vni)
	}
	return nil
}

func (a *agent) AddPort(vni encap.VNI, spec api.PortSpec) (api.Port, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil {
		return api.Port{}, a.err
	}
	if _, found := a.ports[portKey(vni, spec.Name)]; found {
		return api.Port{}, api.ErrExists
	}
	a.ports[portKey(vni, spec.Name)] = spec
	return api.Port{Name: spec.Name, Device: spec.Device, MAC: spec.MAC}, nil
}

func (a *agent) RemovePort(vni encap.VNI, name string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, found := a.ports[portKey(vni, name)]; !found {
		return api.ErrNotFound
	}
	delete(a.ports, portKey(vni, name))
	return nil
}

func (a *agent) FDB(encap.VNI) (list []api.FDBEntry, err error) {
	for _, addr := range a.seen {
		list = append(list, api.FDBEntry{MAC: encap.MACFromAddr(netip.MustParseAddr(addr)), Dst: netip.MustParseAddr("10.9.0.2")})
	}
	return list, nil
}

func (a *agent) ChangeFDB(vni encap.VNI, c api.FDBChange) error {
	a.fdb = append(a.fdb, fmt.Sprintf("%d+%v", vni, c.Dst))
	return nil
}

func (a *agent) DeleteFDB(vni encap.VNI, _ encap.MAC, dst netip.AddrPort) error {
	a.fdb = append(a.fdb, fmt.Sprintf("%d-%v", vni, dst.Addr()))
	return nil
}

func (a *agent) Events() (<-chan api.Event, func()) { return a.events, func() {} }

func (a *agent) ClaimAddress(_ context.Context, vni encap.VNI, addr netip.Addr) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.claims = append(a.claims, fmt.Sprintf("%d %v", vni, addr))
	if slices.Contains(a.taken, addr.String()) {
		return fmt.Errorf("%v: %w", addr, control.ErrAddressTaken)
	}
	return nil
}

func (a *agent) ReleaseAddress(context.Context, encap.VNI, netip.Addr) error { return nil }

func (a *agent) EndpointUp(_ context.Context, e control.Endpoint) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.up[e.ID] = true
	return nil
}

func (a *agent) EndpointDown(_ context.Context, e control.Endpoint) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.up, e.ID)
	return nil
}

// plugin is a driver that is asked as an engine does.
type plugin struct {
	t      *testing.T
	agent  *agent
	driver *docker.Driver
	dir    string
	cfg    docker.Config
}

func newPlugin(t *testing.T, change func(*docker.Config)) *plugin {
	t.Helper()
	p := &plugin{t: t, agent: newAgent(), dir: t.TempDir()}
	p.cfg = docker.Config{Agent: p.agent, Cluster: p.agent, Dir: p.dir}
	if change != nil {
		change(&p.cfg)
	}
	p.open()
	return p
}

func (p *plugin) open() {
	p.t.Helper()
	var err error
	if p.driver, err = docker.Open(p.cfg); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(p.driver.Close)
}

// restart is an agent that was killed and started again: it knows no network and no port.
func (p *plugin) restart() {
	p.t.Helper()
	p.driver.Close()
	p.agent.words, p.agent.ports = map[encap.VNI]api.Words{}, map[string]api.PortSpec{}
	p.open()
}

// post asks the plugin, and returns the status and the answer.
func (p *plugin) post(method, body string) (int, string) {
	w := httptest.NewRecorder()
	p.driver.Handler().ServeHTTP(w, httptest.NewRequest("POST", "/"+method, strings.NewReader(body)))
	return w.Code, strings.TrimSpace(w.Body.String())
}

// asks holds what the plugin answers.
func (p *plugin) asks(method, body, want string) {
	p.t.Helper()
	if code, got := p.post(method, body); code != 200 || got != want {
		p.t.Errorf("%s %s: %d %s, want %s", method, body, code, got, want)
	}
}

// refuses holds that it answers with an error that says something.
func (p *plugin) refuses(method, body, says string) {
	p.t.Helper()
	code, got := p.post(method, body)
	var failure struct{ Err string }
	if err := json.Unmarshal([]byte(got), &failure); err != nil || code < 400 || !strings.Contains(failure.Err, says) {
		p.t.Errorf("%s %s: %d %s, want %q", method, body, code, got, says)
	}
}

// create makes the network n1 with some options of its user.
func (p *plugin) create(options string) {
	p.t.Helper()
	p.asks("NetworkDriver.CreateNetwork", networkBody("n1", options), "{}")
}

func networkBody(id, options string) string {
	return fmt.Sprintf(`{"NetworkID": %q, "Options": {"com.docker.network.enable_ipv6": false, "com.docker.network.generic": {%s}},
		"IPv4Data": [{"AddressSpace": "x", "Pool": "10.1.0.0/24", "Gateway": "10.1.0.1/24"}], "IPv6Data": []}`, id, options)
}
