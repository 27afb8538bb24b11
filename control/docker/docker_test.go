package docker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
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

func (a *agent) Node() api.Node { return api.Node{Local: netip.MustParseAddr("10.9.0.1")} }

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
			return a.remove(vni)
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

func (a *agent) remove(vni encap.VNI) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.words[vni] == nil {
		return api.ErrNotFound
	}
	delete(a.words, vni)
	if a.gone[vni] != nil {
		close(a.gone[vni])
		delete(a.gone, vni)
	}
	return nil
}

// takeDown is remove by somebody else, with the ports that are left.
func (a *agent) takeDown(t *testing.T, vni encap.VNI) {
	if err := a.remove(vni); err != nil {
		t.Fatal(err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.ports, func(key string, _ api.PortSpec) bool { return strings.HasPrefix(key, fmt.Sprintf("%d/", vni)) })
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

func TestProtocol(t *testing.T) {
	p := newPlugin(t, nil)
	p.asks("Plugin.Activate", "", `{"Implements":["NetworkDriver","IpamDriver"]}`)
	p.asks("NetworkDriver.GetCapabilities", "", `{"Scope":"local","ConnectivityScope":"global"}`)
	p.asks("IpamDriver.GetCapabilities", "", `{"RequiresMACAddress":false,"RequiresRequestReplay":false}`)
	p.asks("IpamDriver.GetDefaultAddressSpaces", "", `{"LocalDefaultAddressSpace":"vxtap-local","GlobalDefaultAddressSpace":"vxtap-global"}`)
	p.refuses("NetworkDriver.Frobnicate", "{}", `no such method "NetworkDriver.Frobnicate"`)
	if code, _ := p.post("NetworkDriver.Frobnicate", "{}"); code != 404 {
		t.Errorf("status %d of an unknown method", code)
	}
	for _, body := range []string{"{", "[]", `{"NetworkID": 7}`, `{"NetworkID": "` + strings.Repeat("x", 1<<20) + `"}`} {
		p.refuses("NetworkDriver.CreateNetwork", body, "")
	}
	p.refuses("NetworkDriver.CreateNetwork", "{}", "without an ID")
	for _, m := range []string{"DiscoverNew", "DiscoverDelete", "ProgramExternalConnectivity", "RevokeExternalConnectivity", "FreeNetwork"} {
		p.asks("NetworkDriver."+m, "{}", "{}")
	}
}

// Options become words, as the same user would say them.
func TestOptions(t *testing.T) {
	for options, want := range map[string]string{
		`"vni": "42"`: "map[tap:[none] vni:[42]]",
		`"vni": "42", "remote": "10.9.0.2,10.9.0.1,10.9.0.3:8472", "sealed": ""`:                                          "map[remote:[10.9.0.2 10.9.0.3:8472] sealed:[true] tap:[none] vni:[42]]",
		`"vni": "42", "mtu": "1300", "encrypted": "", "sealed": "true"`:                                                   "map[mtu:[1300] sealed:[true] tap:[none] vni:[42]]",
		`"vni": 42, "com.docker.network.driver.mtu": "1500", "sealed": "false"`:                                           "map[mtu:[1450] tap:[none] vni:[42]]",
		`"com.docker.network.driver.overlay.vxlanid_list": "42,43", "com.docker.network.driver.mtu":1500, "encrypted":""`: "map[mtu:[1418] sealed:[true] tap:[none] vni:[42]]",
	} {
		p := newPlugin(t, nil)
		p.create(options)
		if got := fmt.Sprint(p.agent.words[42]); got != want {
			t.Errorf("%s: %s, want %s", options, got, want)
		}
	}
	p := newPlugin(t, nil)
	for options, says := range map[string]string{
		`"x": "1"`:   `unknown option "x"`,
		`"vni": "0"`: "option vni",
		`"vni": "1", "com.docker.network.driver.overlay.vxlanid_list": "2"`: "name one",
		`"sealed": "maybe"`:                                      "option sealed",
		`"com.docker.network.driver.mtu": "x"`:                   "bad MTU",
		`"com.docker.network.driver.mtu": "100"`:                 "bad MTU",
		`"com.docker.network.driver.mtu": "1500", "mtu": "1400"`: "give one",
	} {
		p.refuses("NetworkDriver.CreateNetwork", networkBody("n1", options), says)
	}
	p.refuses("NetworkDriver.CreateNetwork", `{"NetworkID": "x", "Options": {"com.docker.network.generic": 7}}`, "generic")
	p.refuses("NetworkDriver.CreateNetwork", `{"NetworkID": "x", "IPv4Data": [{"Pool": "10.1"}]}`, "bad subnet")
	// Of networks that chose none, each has a VNI of its own, the same one wherever it is.
	p.asks("NetworkDriver.CreateNetwork", networkBody("n1", ""), "{}")
	p.asks("NetworkDriver.CreateNetwork", networkBody("n2", ""), "{}")
	other := newPlugin(t, nil)
	other.asks("NetworkDriver.CreateNetwork", networkBody("n2", ""), "{}")
	if len(p.agent.words) != 2 {
		t.Errorf("networks %v", p.agent.words)
	}
	for vni := range other.agent.words {
		if p.agent.words[vni] == nil || vni < 4096 {
			t.Errorf("the VNI is %d on one host only", vni)
		}
	}
}

const (
	endpointBody = `{"NetworkID": "n1", "EndpointID": "0123456789abcdef", "Interface": {"Address": "10.1.0.5/24"}}`
	joinBody     = `{"NetworkID": "n1", "EndpointID": "0123456789abcdef", "SandboxKey": "/run/docker/netns/1"}`
)

// The life of a container on a network, each step asked for twice.
func TestEndpoint(t *testing.T) {
	p := newPlugin(t, nil)
	for range 2 {
		p.create(`"vni": "42"`)
		p.asks("NetworkDriver.CreateEndpoint", endpointBody, `{"Interface":{"MacAddress":"02:42:0a:01:00:05"}}`)
	}
	for range 2 {
		p.asks("NetworkDriver.Join", joinBody, `{"InterfaceName":{"SrcName":"vx0123456789ab","DstPrefix":"eth"},"DisableGatewayService":false}`)
	}
	spec := p.agent.ports["42/0123456789ab"]
	if !spec.Handover || spec.MAC.String() != "02:42:0a:01:00:05" || !p.agent.up["0123456789abcdef"] {
		t.Errorf("the port is %+v, others know of %v", spec, p.agent.up)
	}
	p.asks("NetworkDriver.EndpointOperInfo", joinBody, `{"Value":{"vxtap.port":"0123456789ab","vxtap.vni":"42"}}`)
	for range 2 {
		p.asks("NetworkDriver.Leave", joinBody, "{}")
		if len(p.agent.ports) != 0 || len(p.agent.up) != 0 {
			t.Errorf("ports %v and endpoints %v stay", p.agent.ports, p.agent.up)
		}
	}
	p.refuses("NetworkDriver.Join", strings.Replace(joinBody, "0123", "4567", 1), "is not known")
	p.refuses("NetworkDriver.Join", strings.Replace(joinBody, "n1", "n2", 1), "none of vxtap's")
	p.refuses("NetworkDriver.CreateEndpoint", strings.Replace(endpointBody, "n1", "n2", 1), "none of vxtap's")
	p.refuses("NetworkDriver.CreateEndpoint", strings.Replace(endpointBody, "/24", "", 1), "bad address")
	p.agent.err = errors.New("no more devices")
	p.refuses("NetworkDriver.Join", joinBody, "no more devices")
	p.agent.err = nil
	p.asks("NetworkDriver.Join", joinBody, `{"InterfaceName":{"SrcName":"vx0123456789ab","DstPrefix":"eth"},"DisableGatewayService":false}`)
	for range 2 { // with a container on it, and then without a network
		p.asks("NetworkDriver.DeleteEndpoint", joinBody, "{}")
		p.asks("NetworkDriver.DeleteNetwork", joinBody, "{}")
	}
	if len(p.agent.ports)+len(p.agent.words)+len(p.agent.up) != 0 {
		t.Errorf("%v, %v and %v stay", p.agent.ports, p.agent.words, p.agent.up)
	}
}

// What an engine forgot to take off a network does not keep it, as others' ports do.
func TestNetworkWithStaleEndpoint(t *testing.T) {
	p := newPlugin(t, nil)
	p.create(`"vni": "42"`)
	p.asks("NetworkDriver.CreateEndpoint", endpointBody, `{"Interface":{"MacAddress":"02:42:0a:01:00:05"}}`)
	p.asks("NetworkDriver.Join", joinBody, `{"InterfaceName":{"SrcName":"vx0123456789ab","DstPrefix":"eth"},"DisableGatewayService":false}`)
	p.agent.ports["42/eth0@guest"] = api.PortSpec{Name: "eth0@guest"}
	p.asks("NetworkDriver.DeleteNetwork", joinBody, "{}")
	if len(p.agent.ports) != 1 || len(p.agent.words) != 0 {
		t.Errorf("ports %v and networks %v stay", p.agent.ports, p.agent.words)
	}
}

// An address that another host has is not given out here, and which are given out is known
// after a restart.
func TestAddresses(t *testing.T) {
	p := newPlugin(t, nil)
	pool := `{"PoolID": "10.1.0.0/24"`
	p.asks("IpamDriver.RequestPool", `{"AddressSpace": "vxtap-local", "Pool": "10.1.0.0/24", "SubPool": "10.1.0.8/29", "Options": null, "V6": false}`,
		`{"PoolID":"10.1.0.0/24","Pool":"10.1.0.0/24","Data":{}}`)
	p.asks("IpamDriver.RequestAddress", pool+`, "Address": "10.1.0.1", "Options": {"RequestAddressType": "com.docker.network.gateway"}}`, `{"Address":"10.1.0.1/24","Data":{}}`)
	p.agent.taken = []string{"10.1.0.8", "10.1.0.9", "10.1.0.77"}
	p.agent.seen = []string{"10.1.0.10", "10.1.0.88"}
	p.create(`"vni": "42"`)
	if len(p.agent.claims) != 0 {
		t.Errorf("claimed %v before there was a network", p.agent.claims)
	}
	p.asks("IpamDriver.RequestAddress", pool+"}", `{"Address":"10.1.0.11/24","Data":{}}`)
	p.asks("IpamDriver.RequestAddress", pool+`, "Address": "10.1.0.88"}`, `{"Address":"10.1.0.88/24","Data":{}}`) // it has moved here
	if got := fmt.Sprint(p.agent.claims); got != "[42 10.1.0.8 42 10.1.0.9 42 10.1.0.11 42 10.1.0.88]" {
		t.Errorf("claimed %v", got)
	}
	p.refuses("IpamDriver.RequestAddress", pool+`, "Address": "10.1.0.77"}`, "in use on another host")
	p.agent.taken = nil
	p.asks("IpamDriver.RequestAddress", pool+`, "Address": "10.1.0.77"}`, `{"Address":"10.1.0.77/24","Data":{}}`)
	p.restart()
	p.refuses("IpamDriver.RequestAddress", pool+`, "Address": "10.1.0.11"}`, "taken")
	p.asks("IpamDriver.RequestAddress", pool+"}", `{"Address":"10.1.0.12/24","Data":{}}`)
	for range 2 {
		p.asks("IpamDriver.ReleaseAddress", pool+`, "Address": "10.1.0.11"}`, "{}")
	}
	p.asks("IpamDriver.RequestAddress", pool+`, "Address": "10.1.0.11"}`, `{"Address":"10.1.0.11/24","Data":{}}`)
	for i := 13; i < 16+3; i++ { // 13 to 15, 8 and 9, which are not known any more, and for want of others 10
		if code, got := p.post("IpamDriver.RequestAddress", pool+"}"); code != 200 {
			t.Error(got)
		}
	}
	p.refuses("IpamDriver.RequestAddress", pool+"}", "no address is left")
	p.refuses("IpamDriver.RequestPool", `{"Pool": "10.1.0.128/25"}`, "in use for another network")
	p.refuses("IpamDriver.RequestPool", `{"Pool": "10.1"}`, "bad subnet")
	p.refuses("IpamDriver.RequestAddress", `{"PoolID": "x"}`, "no such pool")
	p.refuses("IpamDriver.RequestAddress", pool+`, "Address": "x"}`, "bad address")
	for range 2 {
		p.asks("IpamDriver.ReleasePool", pool+"}", "{}")
	}
	// With another's address manager, one that is taken can only be refused.
	p.agent.taken = []string{"10.1.0.5"}
	p.refuses("NetworkDriver.CreateEndpoint", endpointBody, "--ip-range")
}

// After a restart containers are on their networks again: under the name that their
// interface had, or the first that is free; those that ended meanwhile are forgotten.
func TestRestart(t *testing.T) {
	p := newPlugin(t, nil)
	p.create(`"vni": "42", "remote": "10.9.0.2"`)
	p.asks("NetworkDriver.CreateEndpoint", endpointBody, `{"Interface":{"MacAddress":"02:42:0a:01:00:05"}}`)
	p.post("NetworkDriver.Join", joinBody)
	p.agent.events <- api.Event{Kind: api.EventPortMoved, VNI: 42, Port: "0123456789ab", Device: "eth7"}
	p.agent.events <- api.Event{Kind: api.EventReloaded} // once it is taken, the one before is kept
	p.restart()
	got := p.agent.ports["42/0123456789ab"]
	if got.Device != "eth7" || got.NetNS != "/run/docker/netns/1" || got.Handover || fmt.Sprint(got.Addresses) != "[10.1.0.5/24]" || got.MAC.String() != "02:42:0a:01:00:05" {
		t.Errorf("made again as %+v", got)
	}
	if words := fmt.Sprint(p.agent.words[42]); words != "map[remote:[10.9.0.2] tap:[none] vni:[42]]" {
		t.Errorf("made again with %s", words)
	}
	p.agent.err = errors.New("too many open files")
	p.restart()
	if len(p.agent.ports) != 0 {
		t.Errorf("ports %v", p.agent.ports)
	}
	p.agent.err = nil
	p.restart() // what failed then need not now
	if len(p.agent.ports) != 1 {
		t.Errorf("ports %v", p.agent.ports)
	}
	p.agent.err = fmt.Errorf("no network namespace: %w", api.ErrNotFound)
	p.restart()
	p.agent.err = nil
	p.restart() // and by now it is not tried any more
	if len(p.agent.ports) != 0 {
		t.Errorf("ports %v", p.agent.ports)
	}
	p.asks("NetworkDriver.Leave", joinBody, "{}")
	p.refuses("NetworkDriver.Join", joinBody, "is not known")
	p.asks("NetworkDriver.CreateEndpoint", endpointBody, `{"Interface":{"MacAddress":"02:42:0a:01:00:05"}}`)
	p.post("NetworkDriver.Join", joinBody)
	delete(p.agent.ports, "42/0123456789ab")
	p.agent.events <- api.Event{Kind: api.EventPortGone, VNI: 42, Port: "0123456789ab"}
	p.agent.events <- api.Event{Kind: api.EventReloaded}
	if len(p.agent.up) != 0 {
		t.Errorf("others still know of %v", p.agent.up)
	}
	p.restart()
	if len(p.agent.ports) != 0 {
		t.Errorf("ports %v of a namespace that is gone", p.agent.ports)
	}
}

// What cannot be written down is not done.
func TestDiskFull(t *testing.T) {
	p := newPlugin(t, nil)
	p.create(`"vni": "42"`)
	full := filepath.Join(p.dir, "docker.json.new") // is in the way, as a full disk would be
	if err := os.Mkdir(full, 0o700); err != nil {
		t.Fatal(err)
	}
	p.refuses("NetworkDriver.CreateNetwork", networkBody("n2", `"vni": "43"`), "docker.json")
	p.refuses("NetworkDriver.CreateEndpoint", endpointBody, "docker.json")
	p.refuses("IpamDriver.RequestPool", `{"Pool": "10.2.0.0/24"}`, "docker.json")
	if len(p.agent.words) != 1 {
		t.Errorf("networks %v", p.agent.words)
	}
	if err := os.Remove(full); err != nil {
		t.Fatal(err)
	}
	p.asks("NetworkDriver.CreateNetwork", networkBody("n2", `"vni": "43"`), "{}")
	p.asks("IpamDriver.RequestPool", `{"Pool": "10.2.0.0/24"}`, `{"PoolID":"10.2.0.0/24","Pool":"10.2.0.0/24","Data":{}}`)
	p.driver.Close()
	for text, says := range map[string]string{
		"":                                  "docker.json is damaged",
		"{":                                 "docker.json is damaged",
		`{"Networks": {"n1": null}}`:        "network n1 is damaged",
		`{"Networks": {"n1": {}}}`:          "network n1 is damaged",
		`{"Endpoints": {"e1": null}}`:       "endpoint e1 is damaged",
		`{"Book": {"Pools": {"p1": null}}}`: "pool p1 is damaged",
	} {
		if err := os.WriteFile(filepath.Join(p.dir, "docker.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := docker.Open(p.cfg); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s is opened: %v, want %q", text, err, says)
		}
	}
}

// Two agents with one directory would each write over what the other knows, and the second
// take the first one's containers for its own.
func TestDirectoryInUse(t *testing.T) {
	p := newPlugin(t, nil)
	p.create(`"vni": "42"`)
	p.asks("NetworkDriver.CreateEndpoint", endpointBody, `{"Interface":{"MacAddress":"02:42:0a:01:00:05"}}`)
	p.post("NetworkDriver.Join", joinBody)
	other := p.cfg
	other.Agent = newAgent()
	if _, err := docker.Open(other); err == nil || !strings.Contains(err.Error(), "--state") {
		t.Errorf("opened by two: %v", err)
	}
	p.restart()
	if len(p.agent.ports) != 1 {
		t.Errorf("ports %v", p.agent.ports)
	}
}

func TestRoutes(t *testing.T) {
	p := newPlugin(t, func(c *docker.Config) {
		c.Routes = func() ([]netip.Prefix, error) {
			return []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("10.128.0.0/24")}, nil
		}
	})
	p.refuses("NetworkDriver.CreateNetwork", networkBody("n1", ""), "this host has a route to 10.1.0.0/16")
	p.refuses("IpamDriver.RequestPool", `{"Pool": "10.0.0.0/8"}`, "this host has a route to 10.1.0.0/16")
	p.asks("IpamDriver.RequestPool", `{}`, `{"PoolID":"10.128.1.0/24","Pool":"10.128.1.0/24","Data":{}}`)
}

// In a swarm, its nodes are the remotes of networks that name none, before and after, and
// managers choose VNIs for all.
func TestSwarm(t *testing.T) {
	p := newPlugin(t, func(c *docker.Config) { c.Swarm = true })
	p.asks("NetworkDriver.GetCapabilities", "", `{"Scope":"global","ConnectivityScope":"global"}`)
	node := func(addr string, self bool) string {
		return fmt.Sprintf(`{"DiscoveryType": 1, "DiscoveryData": {"Address": %q, "BindAddress": "x", "Self": %t}}`, addr, self)
	}
	p.asks("NetworkDriver.DiscoverNew", node("10.9.0.1", true), "{}")
	p.asks("NetworkDriver.DiscoverNew", node("10.9.0.2", false), "{}")
	p.create(`"vni": "42"`)
	p.asks("NetworkDriver.CreateNetwork", networkBody("n2", `"vni": "43", "remote": "10.9.0.7"`), "{}")
	p.asks("NetworkDriver.DiscoverNew", node("10.9.0.3", false), "{}")
	p.asks("NetworkDriver.DiscoverDelete", node("10.9.0.2", false), "{}")
	if got := fmt.Sprint(p.agent.words[42]["remote"], p.agent.fdb); got != "[10.9.0.2] [42+10.9.0.3 42-10.9.0.2]" {
		t.Errorf("remotes %s", got)
	}
	p.restart()
	if got := fmt.Sprint(p.agent.words[42]["remote"], p.agent.words[43]["remote"]); got != "[10.9.0.3] [10.9.0.7]" {
		t.Errorf("remotes %s after a restart", got)
	}
	p.asks("NetworkDriver.AllocateNetwork", `{"NetworkID": "n9", "Options": {"vni": "9"}}`, `{"Options":null}`)
	_, one := p.post("NetworkDriver.AllocateNetwork", `{"NetworkID": "n9", "Options": {}}`)
	_, two := newPlugin(t, nil).post("NetworkDriver.AllocateNetwork", `{"NetworkID": "n9"}`)
	if one != two || !strings.Contains(one, `"vni":"`) {
		t.Errorf("two managers chose %s and %s", one, two)
	}
}

// While the agent is down, engines cannot tell it of containers that end. Their places and
// their addresses are free again when it is back.
func TestCollected(t *testing.T) {
	p := newPlugin(t, nil)
	pool := `{"PoolID": "10.1.0.0/24"`
	p.asks("IpamDriver.RequestPool", `{"Pool": "10.1.0.0/24"}`, `{"PoolID":"10.1.0.0/24","Pool":"10.1.0.0/24","Data":{}}`)
	p.create(`"vni": "42"`)
	p.asks("IpamDriver.RequestAddress", pool+`, "Address": "10.1.0.5"}`, `{"Address":"10.1.0.5/24","Data":{}}`)
	p.asks("NetworkDriver.CreateEndpoint", endpointBody, `{"Interface":{"MacAddress":"02:42:0a:01:00:05"}}`)
	p.post("NetworkDriver.Join", joinBody)
	p.restart()
	p.refuses("IpamDriver.RequestAddress", pool+`, "Address": "10.1.0.5"}`, "taken")
	p.agent.err = fmt.Errorf("no network namespace: %w", api.ErrNotFound)
	p.restart()
	p.agent.err = nil
	if len(p.agent.up) != 0 {
		t.Errorf("others know of %v", p.agent.up)
	}
	p.asks("IpamDriver.RequestAddress", pool+`, "Address": "10.1.0.5"}`, `{"Address":"10.1.0.5/24","Data":{}}`)
}

// Of a VNI that is somebody else's by now, a network's containers are kept off, whoever they
// are and however it is sealed; and who removes the one does not take the other down.
func TestNotOurs(t *testing.T) {
	p := newPlugin(t, nil)
	p.create(`"vni": "42", "sealed": ""`)
	p.asks("NetworkDriver.CreateEndpoint", endpointBody, `{"Interface":{"MacAddress":"02:42:0a:01:00:05"}}`)
	p.post("NetworkDriver.Join", joinBody)
	other := api.Words{"vni": {"42"}}
	p.driver.Close()
	p.agent.words, p.agent.ports = map[encap.VNI]api.Words{42: other}, map[string]api.PortSpec{}
	p.open() // after a restart, with a file that has one of that VNI
	p.refuses("NetworkDriver.Join", joinBody, "exists, and is no engine's")
	if len(p.agent.ports) != 0 {
		t.Errorf("ports %v on another's network", p.agent.ports)
	}
	p.asks("NetworkDriver.DeleteNetwork", joinBody, "{}")
	if len(p.agent.words) != 1 {
		t.Error("another's network was taken down")
	}
}

// A network that is not there is made when a container joins: it may have been impossible at
// the start, or others took it down.
func TestMadeWhenNeeded(t *testing.T) {
	p := newPlugin(t, nil)
	p.create(`"vni": "42", "sealed": ""`)
	p.asks("NetworkDriver.CreateEndpoint", endpointBody, `{"Interface":{"MacAddress":"02:42:0a:01:00:05"}}`)
	joined := `{"InterfaceName":{"SrcName":"vx0123456789ab","DstPrefix":"eth"},"DisableGatewayService":false}`
	p.asks("NetworkDriver.Join", joinBody, joined)
	p.agent.upErr = errors.New("no such device")
	p.restart()
	p.refuses("NetworkDriver.Join", joinBody, "no such device")
	p.agent.upErr = nil
	p.asks("NetworkDriver.Join", joinBody, joined)
	p.agent.takeDown(t, 42)
	p.asks("NetworkDriver.Join", joinBody, joined)
	if got := fmt.Sprint(p.agent.words[42]); got != "map[sealed:[true] tap:[none] vni:[42]]" {
		t.Errorf("made again with %s", got)
	}
}

// An engine that was killed while it made a network does not know it. Once somebody has taken
// that down, its VNI is free.
func TestEngineForgot(t *testing.T) {
	p := newPlugin(t, nil)
	p.create(`"vni": "42"`)
	p.refuses("NetworkDriver.CreateNetwork", networkBody("n2", `"vni": "42"`), "n1")
	p.agent.takeDown(t, 42)
	p.asks("NetworkDriver.CreateNetwork", networkBody("n2", `"vni": "42"`), "{}")
	p.restart()
	if len(p.agent.words) != 1 {
		t.Errorf("networks %v", p.agent.words)
	}
	p.asks("NetworkDriver.DeleteNetwork", `{"NetworkID": "n1"}`, "{}")
	if len(p.agent.words) != 1 {
		t.Error("the network that took its place was taken down")
	}
}

// Docker's address manager does not know what ours gave out, nor ours what that did.
func TestTwoManagers(t *testing.T) {
	for _, oursFirst := range []bool{true, false} {
		p := newPlugin(t, nil)
		first := strings.ReplaceAll(networkBody("n1", `"vni": "42"`), "10.1.0.", "10.1.1.")
		pool := func() {
			p.asks("IpamDriver.RequestPool", `{"Pool": "10.1.0.0/16"}`, `{"PoolID":"10.1.0.0/16","Pool":"10.1.0.0/16","Data":{}}`)
		}
		second := strings.ReplaceAll(networkBody("n2", `"vni": "43"`), "10.1.0.0/24", "10.1.0.0/16")
		if oursFirst {
			pool()
			first, second = second, first
		}
		p.asks("NetworkDriver.CreateNetwork", first, "{}")
		if !oursFirst {
			pool()
		}
		p.refuses("NetworkDriver.CreateNetwork", second, "subnets overlap: the engine's network n")
	}
}

// Engines of later versions say more than this one knows, and may leave IPv4 out.
func TestNewerEngine(t *testing.T) {
	p := newPlugin(t, nil)
	p.asks("NetworkDriver.CreateNetwork", `{"NetworkID": "n1", "Frobnicate": [1], "Options": {"com.docker.network.enable_ipv4": false,
		"com.docker.network.enable_ipv6": true, "com.docker.network.later": {"x": 1}, "com.docker.network.generic": {"vni": "42"}},
		"IPv4Data": null, "IPv6Data": [{"AddressSpace": "x", "Pool": "fd42::/64", "Gateway": "fd42::1/64", "AuxAddresses": {"a": "fd42::9/64"}, "Later": 1}]}`, "{}")
	p.asks("NetworkDriver.CreateEndpoint", `{"NetworkID": "n1", "EndpointID": "0123456789abcdef", "Options": {"com.docker.network.portmap": []},
		"Interface": {"Address": "", "AddressIPv6": "fd42::5/64", "MacAddress": "", "Later": true}}`, `{"Interface":{"MacAddress":"`+encap.MACFromAddr(netip.MustParseAddr("fd42::5")).String()+`"}}`)
	p.asks("NetworkDriver.Join", strings.Replace(joinBody, "{", `{"Options": {"com.docker.network.endpoint.ifname": "x"}, "Later": {},`, 1),
		`{"InterfaceName":{"SrcName":"vx0123456789ab","DstPrefix":"eth"},"DisableGatewayService":false}`)
	p.asks("IpamDriver.RequestPool", `{"AddressSpace": "vxtap-local", "Pool": "10.7.0.0/24", "Options": {"a": "b"}, "Exclude": ["10.8.0.0/16"]}`,
		`{"PoolID":"10.7.0.0/24","Pool":"10.7.0.0/24","Data":{}}`)
	p.restart()
	if spec := p.agent.ports["42/0123456789ab"]; fmt.Sprint(spec.Addresses) != "[fd42::5/64]" {
		t.Errorf("made again as %+v", spec)
	}
	if code, _ := p.post("NetworkDriver.GwAllocCheck", "{}"); code != 404 {
		t.Errorf("a method that is not announced: status %d", code)
	}
}
