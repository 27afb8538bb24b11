package dataplane_test

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

// node is a VTEP in memory with one network and one port.
type node struct {
	vtep    *dataplane.VTEP
	network *dataplane.Network
	port    *mem.Port
	mac     encap.MAC
}

const testVNI = 42

func newNode(t testing.TB, wire *mem.Network, addr string, cfg dataplane.NetworkConfig) *node {
	t.Helper()
	local := netip.MustParseAddr(addr)
	u, err := wire.Underlay(netip.AddrPortFrom(local, dataplane.DefaultPort), mem.UnderlayConfig{})
	if err != nil {
		t.Fatal(err)
	}
	v, err := dataplane.Open(dataplane.Config{
		Local:     local,
		Underlays: []dataplane.Underlay{u},
		NewPoller: func() (dataplane.Poller, error) { return mem.NewPoller(), nil },
		FlowSeed:  1,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.Close(); err != nil && err != dataplane.ErrClosed {
			t.Error(err)
		}
	})
	cfg.VNI = testVNI
	n, err := v.AddNetwork(cfg)
	if err != nil {
		t.Fatal(err)
	}
	x := &node{vtep: v, network: n, mac: encap.MACFromAddr(local)}
	x.port = x.addPort(t, "port0", x.mac)
	return x
}

func (x *node) addPort(t testing.TB, name string, mac encap.MAC) *mem.Port {
	t.Helper()
	p := mem.NewPort(mem.PortConfig{Offloads: encap.OffloadCSUM | encap.OffloadTSO | encap.OffloadUSO})
	err := x.network.AddPort(dataplane.PortConfig{
		Name: name, MAC: mac, MTU: 1450, Queues: []dataplane.Queue{p}, Close: p.Close,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func etherFrame(dst, src encap.MAC, payload string) []byte {
	f := append(append(append([]byte{}, dst[:]...), src[:]...), 0x88, 0xb5)
	return append(f, payload...)
}

func TestFramesCross(t *testing.T) {
	wire := mem.NewNetwork(mem.Impairments{}, 1)
	a := newNode(t, wire, "10.9.0.1", dataplane.NetworkConfig{Remotes: []netip.AddrPort{netip.MustParseAddrPort("10.9.0.2:0")}})
	b := newNode(t, wire, "10.9.0.2", dataplane.NetworkConfig{Remotes: []netip.AddrPort{netip.MustParseAddrPort("10.9.0.1:0")}})
	hello := etherFrame(encap.Broadcast, a.mac, "hello")
	a.port.Inject(hello, encap.Offload{})
	if got, err := b.port.Receive(t.Context()); err != nil || !bytes.Equal(got.Data, hello) {
		t.Fatalf("got %x, %v", got.Data, err)
	}
	answer := etherFrame(a.mac, b.mac, "answer")
	b.port.Inject(answer, encap.Offload{})
	if got, err := a.port.Receive(t.Context()); err != nil || !bytes.Equal(got.Data, answer) {
		t.Fatalf("got %x, %v", got.Data, err)
	}
}
