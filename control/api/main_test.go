package api_test

import (
	"context"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/encap"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// backend answers with what it was given, and remembers what it was asked.
type backend struct {
	node    api.Node
	stats   api.Stats
	fdb     []api.FDBEntry
	flushed int
	err     error

	vni     encap.VNI
	change  api.FDBChange
	deleted encap.MAC
	dst     netip.AddrPort
	filter  api.FDBFlush

	keys    api.Keys
	rotate  api.KeysRotate
	rotated int

	words    api.Words
	port     api.PortSpec // to be added
	adding   func()       // called meanwhile, unless nil
	unported string       // the name of a port to be removed
	network  api.Network
	gone     chan struct{} // of the network that Up makes
	removed  chan encap.VNI
	reloaded api.Reloaded
	events   chan api.Event
	stopped  chan struct{} // closed when nobody listens any more
	capture  api.Capture
}

func (b *backend) Node() api.Node   { return b.node }
func (b *backend) Stats() api.Stats { return b.stats }

func (b *backend) FDB(vni encap.VNI) ([]api.FDBEntry, error) {
	b.vni = vni
	return b.fdb, b.err
}

func (b *backend) ChangeFDB(vni encap.VNI, c api.FDBChange) error {
	b.vni, b.change = vni, c
	return b.err
}

func (b *backend) DeleteFDB(vni encap.VNI, mac encap.MAC, dst netip.AddrPort) error {
	b.vni, b.deleted, b.dst = vni, mac, dst
	return b.err
}

func (b *backend) FlushFDB(vni encap.VNI, f api.FDBFlush) (int, error) {
	b.vni, b.filter = vni, f
	return b.flushed, b.err
}

func (b *backend) Keys() api.Keys { return b.keys }

func (b *backend) RotateKeys(which api.KeysRotate) (int, error) {
	b.rotate = which
	return b.rotated, b.err
}

func (b *backend) Network(vni encap.VNI) (api.Network, error) {
	b.vni = vni
	return b.network, b.err
}

func (b *backend) Up(words api.Words) (api.Held, error) {
	b.words = words
	return api.Held{Network: b.network, Gone: b.gone, Remove: func() error { return b.RemoveNetwork(b.network.VNI) }}, b.err
}

func (b *backend) RemoveNetwork(vni encap.VNI) error {
	if b.removed != nil {
		b.removed <- vni
	}
	return b.err
}

func (b *backend) AddPort(vni encap.VNI, spec api.PortSpec) (api.Port, error) {
	b.vni, b.port = vni, spec
	if b.adding != nil {
		b.adding()
	}
	return api.Port{Name: spec.Name, Added: true}, b.err
}

func (b *backend) RemovePort(vni encap.VNI, name string) error {
	b.vni, b.unported = vni, name
	return b.err
}

func (b *backend) Reload() (api.Reloaded, error) { return b.reloaded, b.err }

func (b *backend) Events() (<-chan api.Event, func()) {
	return b.events, func() { close(b.stopped) }
}

// serve runs an agent's API until the test ends, and returns its socket.
func serve(t *testing.T, b api.Backend) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "vxtap.sock")
	ln, err := api.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- api.Serve(ctx, ln, b) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Serve: %v", err)
			}
		case <-time.After(time.Minute):
			t.Error("Serve does not end")
		}
	})
	return path
}
