//go:build linux

package cni

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/encap"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// backend is an agent with networks and ports, and nothing behind them.
type backend struct {
	api.Backend // what plugins do not ask

	networks []api.Network
	err      error  // of every removal
	fails    string // the port that cannot be removed
	removed  []string
	added    int
}

func (b *backend) Node() api.Node { return api.Node{Networks: b.networks} }

func (b *backend) Network(vni encap.VNI) (api.Network, error) {
	for _, n := range b.networks {
		if n.VNI == vni {
			return n, nil
		}
	}
	return api.Network{}, fmt.Errorf("network %d: %w", vni, api.ErrNotFound)
}

func (b *backend) AddPort(encap.VNI, api.PortSpec) (api.Port, error) {
	b.added++
	return api.Port{}, b.err
}

func (b *backend) RemovePort(vni encap.VNI, name string) error {
	switch {
	case b.err != nil:
		return b.err
	case name == b.fails:
		return errors.New("it is stuck")
	}
	gone := 0
	for i := range b.networks {
		n := &b.networks[i]
		if n.VNI != vni {
			continue
		}
		before := len(n.Ports)
		n.Ports = slices.DeleteFunc(n.Ports, func(p api.Port) bool { return p.Name == name })
		gone += before - len(n.Ports)
	}
	if gone == 0 {
		return fmt.Errorf("port %s: %w", name, api.ErrNotFound)
	}
	b.removed = append(b.removed, fmt.Sprintf("%d/%s", vni, name))
	return nil
}

// serve answers on a socket until the test ends.
func (b *backend) serve(t *testing.T) string {
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
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return path
}
