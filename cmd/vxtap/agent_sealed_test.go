package main

import (
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/control/keys"
	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

// The agent with sealed networks, over devices and a wire in memory.

// memDrivers makes them, and tells the MTU that the last device was to have. Devices
// cannot be made while broken is set.
type memDrivers struct {
	wire   *mem.Network
	mtu    int
	broken error
	opened []*mem.Port // in order
}

func (d *memDrivers) drivers() control.Drivers {
	return control.Drivers{
		OpenUnderlay: func(node control.NodeSpec) (*control.Underlay, error) {
			u, err := d.wire.Underlay(netip.AddrPortFrom(node.Local, node.Port), mem.UnderlayConfig{})
			return &control.Underlay{Queues: []dataplane.Underlay{u}}, err
		},
		OpenDevice: func(spec control.DeviceSpec) (*control.Device, error) {
			p := mem.NewPort(mem.PortConfig{})
			d.mtu = spec.MTU
			d.opened = append(d.opened, p)
			return &control.Device{
				Name: spec.Device, MAC: spec.MAC, MTU: spec.MTU, Queues: []dataplane.Queue{p}, Close: p.Close,
				Drops: func() (uint64, error) { return 0, nil }, Offloads: func() []control.Feature { return nil },
			}, d.broken
		},
		NewPoller:   func(control.NodeSpec) (dataplane.Poller, error) { return mem.NewPoller(), nil },
		UnderlayMTU: func(netip.Addr) (int, error) { return 1500, nil },
	}
}

// openSealed starts an agent that may have sealed networks, if seal says with what.
func openSealed(t *testing.T, d *memDrivers, local string, seal control.SealSpec) *control.Agent {
	t.Helper()
	cfg := control.AgentConfig{Node: control.NodeSpec{Local: netip.MustParseAddr(local), Seal: seal}, Drivers: d.drivers()}
	if seal.KeyFile != "" || seal.PSKFile != "" {
		k, err := keys.Load(cfg.Node)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Keys = k
	}
	a, err := control.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

func newMemDrivers() *memDrivers { return &memDrivers{wire: mem.NewNetwork(mem.Impairments{}, 1)} }

// oneKey is a node whose only peer is at 10.9.0.2.
func oneKey(t *testing.T) control.SealSpec {
	return control.SealSpec{
		KeyFile: secretFile(t, crypto.PrivateKey{0, 1}.Base64()),
		Suite:   crypto.AES256GCM,
		Peers:   []control.PeerKey{{VTEP: netip.AddrPortFrom(peer2, 0), Public: keyB}},
	}
}

func networkTo(vni encap.VNI, sealed bool, remotes ...string) control.NetworkSpec {
	n := control.NetworkSpec{NetworkConfig: dataplane.NetworkConfig{VNI: vni, Sealed: sealed}}
	for _, r := range remotes {
		addr, err := control.ParseRemote(r)
		if err != nil {
			panic(err)
		}
		n.Remotes = append(n.Remotes, addr)
	}
	return n
}

func add(t *testing.T, a *control.Agent, n control.NetworkSpec) {
	t.Helper()
	if err := a.AddNetwork(n); err != nil {
		t.Fatal(err)
	}
}

// peersOf lists the peers that an agent has.
func peersOf(a *control.Agent) (list []netip.AddrPort) {
	for _, p := range a.Keys().Peers {
		list = append(list, p.VTEP)
	}
	return list
}

// What the underlay leaves of 1500 bytes is less by the sealed header and the tag.
func TestAgentSealedMTU(t *testing.T) {
	for _, tt := range []struct {
		local, remote string
		sealed        bool
		want          int
	}{
		{"10.9.0.1", "10.9.0.2", false, 1450},
		{"10.9.0.1", "10.9.0.2", true, 1418},
		{"fd09::1", "fd09::2", false, 1430},
		{"fd09::1", "fd09::2", true, 1398},
	} {
		d := newMemDrivers()
		a := openSealed(t, d, tt.local, control.SealSpec{PSKFile: secretFile(t, crypto.PrivateKey{1}.Base64())})
		add(t, a, networkTo(42, tt.sealed, tt.remote))
		if d.mtu != tt.want {
			t.Errorf("%v sealed %t: MTU %d, want %d", tt.local, tt.sealed, d.mtu, tt.want)
		}
	}
}

// Plain and sealed networks stand beside each other; the plain ones have no peers.
func TestAgentDescribesSealed(t *testing.T) {
	a := openSealed(t, newMemDrivers(), "10.9.0.1", oneKey(t))
	add(t, a, networkTo(42, true, "10.9.0.2"))
	add(t, a, networkTo(43, false, "10.9.0.3"))
	nets := a.Node().Networks
	if !nets[0].Sealed || nets[0].Cipher != "aes-256-gcm" || nets[1].Sealed || nets[1].Cipher != "" {
		t.Errorf("networks %+v", nets)
	}
	k := a.Keys()
	if k.PublicKey != keyA || k.Cipher != "aes-256-gcm" || k.NAT || len(k.Peers) != 1 {
		t.Fatalf("keys %+v", k)
	}
	if p := k.Peers[0]; p.PublicKey != keyB || p.VTEP != netip.AddrPortFrom(peer2, 4789) {
		t.Errorf("peer %+v", p)
	}
}

func TestAgentRotateKeys(t *testing.T) {
	seal := oneKey(t)
	seal.Peers = append(seal.Peers, control.PeerKey{VTEP: netip.AddrPortFrom(peer3, 4790), Public: keyC})
	a := openSealed(t, newMemDrivers(), "10.9.0.1", seal)
	add(t, a, networkTo(42, true, "10.9.0.2", "10.9.0.3:4790"))
	add(t, a, networkTo(43, true, "10.9.0.2"))
	for _, tt := range []struct {
		which api.KeysRotate
		want  int
	}{
		{api.KeysRotate{}, 2},
		{api.KeysRotate{VTEP: peer3}, 1},
		{api.KeysRotate{PublicKey: keyB}, 1},
		{api.KeysRotate{PublicKey: keyB, VTEP: peer2}, 1},
		{api.KeysRotate{PublicKey: keyB, VTEP: peer3}, 0},
		{api.KeysRotate{PublicKey: keyA}, 0},
	} {
		n, err := a.RotateKeys(tt.which)
		if n != tt.want || errors.Is(err, api.ErrNotFound) != (n == 0) || n > 0 && err != nil {
			t.Errorf("%+v: %d, %v; want %d", tt.which, n, err, tt.want)
		}
	}
	_, err := openSealed(t, newMemDrivers(), "10.9.0.1", control.SealSpec{}).RotateKeys(api.KeysRotate{})
	if !errors.Is(err, api.ErrNotFound) {
		t.Errorf("without sealed networks: %v", err)
	}
}

// A node without keys carries nothing that was to be sealed.
func TestAgentWithoutKeys(t *testing.T) {
	node := control.NodeSpec{Local: netip.MustParseAddr("10.9.0.1"), Seal: control.SealSpec{PSKFile: "unread"}}
	a, err := control.Open(control.AgentConfig{Node: node, Drivers: newMemDrivers().drivers()})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if err := a.AddNetwork(networkTo(42, true, "10.9.0.2")); err == nil || !strings.Contains(err.Error(), "without keys") {
		t.Errorf("got %v", err)
	}
	if n := len(a.Node().Networks); n != 0 || !reflect.DeepEqual(a.Keys(), api.Keys{}) {
		t.Errorf("%d networks, keys %+v", n, a.Keys())
	}
}

// A table sends no frame of a sealed network to anyone but its members, whatever the node
// has beside it.
func TestAgentSealedTable(t *testing.T) {
	seal := oneKey(t)
	seal.Peers = append(seal.Peers, control.PeerKey{VTEP: netip.AddrPortFrom(peer3, 0), Public: keyC})
	a := openSealed(t, newMemDrivers(), "10.9.0.1", seal)
	add(t, a, networkTo(42, true, "10.9.0.2"))
	add(t, a, networkTo(43, true, "10.9.0.3"))
	for _, tt := range []struct {
		change api.FDBChange
		refuse bool
	}{
		{api.FDBChange{Op: api.OpAdd, MAC: macB, Dst: peer2}, false},
		{api.FDBChange{Op: api.OpReplace, MAC: macB, Dst: netip.MustParseAddr("::ffff:10.9.0.2"), DstPort: 4789}, false},
		{api.FDBChange{Op: api.OpReplace, MAC: macB, Dst: peer2, DstPort: 4790}, true},
		{api.FDBChange{Op: api.OpReplace, MAC: macB, Dst: peer3}, true},
		{api.FDBChange{Op: api.OpAppend, Dst: peer3}, true},
		{api.FDBChange{Op: api.OpAppend, Dst: netip.MustParseAddr("10.9.0.4")}, true},
	} {
		err := a.ChangeFDB(42, tt.change)
		if errors.Is(err, api.ErrInvalid) != tt.refuse || !tt.refuse && err != nil {
			t.Errorf("%+v: %v, want a refusal: %t", tt.change, err, tt.refuse)
		}
	}
}

// changing is keys that somebody else hands out, and takes away.
type changing struct {
	identity crypto.PrivateKey

	mu      sync.Mutex
	peers   map[netip.Addr]crypto.PublicKey
	changed chan struct{}
}

func (c *changing) Identity() crypto.PrivateKey { return c.identity }

func (c *changing) Peer(vtep netip.Addr) (crypto.PeerConfig, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	public, ok := c.peers[vtep]
	return crypto.PeerConfig{Public: public}, ok
}

func (c *changing) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

func (c *changing) set(peers map[netip.Addr]crypto.PublicKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.changed)
	c.peers, c.changed = peers, make(chan struct{})
}

// cutOffs is a log that says which peers were cut off.
func cutOffs() (*zap.Logger, <-chan string) {
	told := make(chan string, 16)
	core, _ := observer.New(zap.WarnLevel)
	return zap.New(core, zap.Hooks(func(e zapcore.Entry) error {
		if strings.Contains(e.Message, "cut off") {
			told <- e.Message
		}
		return nil
	})), told
}

// Who loses its keys, or gets others, is cut off at once, and does not come in again by
// another network.
func TestAgentFollowsKeys(t *testing.T) {
	k := &changing{identity: crypto.PrivateKey{0, 1}, changed: make(chan struct{})}
	peer4 := netip.MustParseAddr("10.9.0.4")
	k.peers = map[netip.Addr]crypto.PublicKey{peer2: keyB, peer3: keyC, peer4: crypto.PrivateKey{0, 4}.Public()}
	log, told := cutOffs()
	node := control.NodeSpec{Local: netip.MustParseAddr("10.9.0.1"), Seal: control.SealSpec{PSKFile: "unread"}}
	a, err := control.Open(control.AgentConfig{Node: node, Keys: k, Drivers: newMemDrivers().drivers(), Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	add(t, a, networkTo(42, true, "10.9.0.2", "10.9.0.3", "10.9.0.4"))

	k.set(map[netip.Addr]crypto.PublicKey{peer2: keyB, peer3: crypto.PrivateKey{0, 5}.Public()})
	for range 2 {
		select {
		case <-told:
		case <-time.After(time.Minute):
			t.Fatal("nobody was cut off")
		}
	}
	if got := peersOf(a); !reflect.DeepEqual(got, []netip.AddrPort{netip.AddrPortFrom(peer2, 4789)}) {
		t.Errorf("peers %v", got)
	}
	if n, err := a.RotateKeys(api.KeysRotate{}); n != 1 || err != nil {
		t.Errorf("rotates %d, %v", n, err)
	}
	if err := a.AddNetwork(networkTo(43, true, "10.9.0.3")); err == nil || !strings.Contains(err.Error(), "remove those first") {
		t.Errorf("got %v", err)
	}
	if err := a.AddNetwork(networkTo(43, true, "10.9.0.5")); err == nil || !strings.Contains(err.Error(), "10.9.0.5:4789 is no peer") {
		t.Errorf("got %v", err)
	}
}

// A network that could not be made leaves no peers behind, and one that is shared stays.
func TestAgentForgetsPeers(t *testing.T) {
	seal := control.SealSpec{PSKFile: secretFile(t, crypto.PrivateKey{1}.Base64())}
	d := newMemDrivers()
	a := openSealed(t, d, "10.9.0.1", seal)
	add(t, a, networkTo(42, true, "10.9.0.2"))
	d.broken = errors.New("no such device")
	if err := a.AddNetwork(networkTo(43, true, "10.9.0.2", "10.9.0.3")); !errors.Is(err, d.broken) {
		t.Errorf("got %v", err)
	}
	d.broken = nil
	if err := a.AddNetwork(networkTo(42, true, "10.9.0.3")); !errors.Is(err, dataplane.ErrExists) {
		t.Errorf("got %v", err)
	}
	if err := a.AddNetwork(networkTo(44, true, "10.9.0.3", "10.9.0.2:9")); err == nil || !strings.Contains(err.Error(), "a node has one port") {
		t.Errorf("got %v", err)
	}
	if got := peersOf(a); !reflect.DeepEqual(got, []netip.AddrPort{netip.AddrPortFrom(peer2, 4789)}) {
		t.Errorf("peers %v", got)
	}
	add(t, a, networkTo(45, true, "10.9.0.3", "10.9.0.2"))
	if got := len(peersOf(a)); got != 2 {
		t.Errorf("%d peers", got)
	}
}
