package dataplane_test

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

// Tests run whole VTEPs over dataplane/mem inside a synctest bubble: time is virtual,
// and once synctest.Wait returns every worker is idle, so that what has not arrived by
// then never will.

const (
	testVNI      = 42
	allOffloads  = encap.OffloadCSUM | encap.OffloadTSO | encap.OffloadUSO
	testMTU      = 1450
	testFlowSeed = 1
)

// Short names for what most tests mention.
type (
	networkConfig = dataplane.NetworkConfig
	addrPort      = netip.AddrPort
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// setup says what a node is like. The zero setup is one worker, one port with all
// offloads, and a learning network without remotes.
type setup struct {
	network  networkConfig
	underlay mem.UnderlayConfig
	port     mem.PortConfig
	workers  int
	listen   uint16 // the VTEP's UDP port, if not the usual one
	wrap     func(dataplane.Underlay) dataplane.Underlay
	events   func(dataplane.Event)
	busyPoll time.Duration
	paths    *mem.Paths
	peers    []string      // of a sealed network
	guests   []string      // peers of the VTEP, and of no network
	sealing  crypto.Config // if there are any; the identity is filled in
}

// node is a VTEP in memory with one network and one port.
type node struct {
	addr      netip.AddrPort
	vtep      *dataplane.VTEP
	network   *dataplane.Network
	underlays []*mem.Underlay
	wrapped   []dataplane.Underlay // the same, as the VTEP sees them
	port      *device
	mac       encap.MAC
	peers     []*crypto.Peer // those of a sealed network
}

// device is a port of a node: a queue for each worker.
type device struct {
	name   string
	mac    encap.MAC
	queues []*mem.Port
}

func newWire() *mem.Network { return mem.NewNetwork(mem.Impairments{}, 1) }

// flooding is a network whose flood list is addrs.
func flooding(addrs ...string) networkConfig {
	var n networkConfig
	for _, a := range addrs {
		n.Remotes = append(n.Remotes, netip.AddrPortFrom(netip.MustParseAddr(a), 0))
	}
	return n
}

// newNode opens a VTEP at addr, which is closed when the test ends.
func newNode(t testing.TB, wire *mem.Network, addr string, s setup) *node {
	t.Helper()
	x := &node{addr: netip.AddrPortFrom(netip.MustParseAddr(addr), cmp.Or(s.listen, dataplane.DefaultPort))}
	cfg := dataplane.Config{
		Local:     x.addr.Addr(),
		Port:      s.listen,
		NewPoller: func() (dataplane.Poller, error) { return mem.NewPoller(), nil },
		FlowSeed:  testFlowSeed,
		Events:    s.events,
		BusyPoll:  s.busyPoll,
	}
	if s.paths != nil {
		cfg.Paths = s.paths
	}
	if s.network.Sealed || len(s.guests) > 0 {
		s.sealing.Identity = testKey(addr)
		cfg.Sealing = &s.sealing
	}
	s.underlay.Shared = s.workers > 1
	for range max(s.workers, 1) {
		u, err := wire.Underlay(x.addr, s.underlay)
		if err != nil {
			t.Fatal(err)
		}
		x.underlays = append(x.underlays, u)
		cfg.Underlays = append(cfg.Underlays, u)
		if s.wrap != nil {
			cfg.Underlays[len(cfg.Underlays)-1] = s.wrap(u)
		}
	}
	x.wrapped = cfg.Underlays
	var err error
	if x.vtep, err = dataplane.Open(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := x.vtep.Close(); err != nil && !errors.Is(err, dataplane.ErrClosed) {
			t.Error(err)
		}
	})
	s.network.VNI = testVNI
	addPeers(t, x.vtep, s.guests)
	if s.network.Sealed {
		x.peers = addPeers(t, x.vtep, s.peers)
		s.network.Peers = x.peers
		s.network.Remotes = append(s.network.Remotes, flooding(s.peers...).Remotes...)
	}
	if x.network, err = x.vtep.AddNetwork(s.network); err != nil {
		t.Fatal(err)
	}
	x.mac = macOf(x.addr.Addr())
	if s.port.FailWrite == nil && s.port.Offloads == 0 {
		s.port.Offloads = allOffloads
	}
	x.port = x.addPort(t, "port0", x.mac, s.port)
	return x
}

// macOf makes a MAC of the last four bytes of an address.
func macOf(a netip.Addr) encap.MAC {
	b := a.As16()
	return encap.MAC{0x02, 0x42, b[12], b[13], b[14], b[15]}
}

// newDevice makes a port of n queues.
func newDevice(name string, mac encap.MAC, n int, cfg mem.PortConfig) *device {
	d := &device{name: name, mac: mac}
	for range n {
		d.queues = append(d.queues, mem.NewPort(cfg))
	}
	return d
}

// config is what a network needs to know of the device.
func (d *device) config() dataplane.PortConfig {
	cfg := dataplane.PortConfig{Name: d.name, MAC: d.mac, MTU: testMTU, Close: d.close}
	for _, q := range d.queues {
		cfg.Queues = append(cfg.Queues, q)
	}
	return cfg
}

func (d *device) close() (err error) {
	for _, q := range d.queues {
		err = errors.Join(err, q.Close())
	}
	return err
}

func (x *node) addPort(t testing.TB, name string, mac encap.MAC, cfg mem.PortConfig) *device {
	t.Helper()
	d := newDevice(name, mac, x.vtep.Workers(), cfg)
	if err := x.network.AddPort(d.config()); err != nil {
		t.Fatal(err)
	}
	return d
}

// send has the host behind a port send frames, and waits until nothing moves any more.
func (d *device) send(t testing.TB, frames ...[]byte) {
	t.Helper()
	for _, f := range frames {
		d.inject(t, f, encap.Offload{})
	}
	synctest.Wait()
}

// inject puts one frame into the first queue and does not wait.
func (d *device) inject(t testing.TB, frame []byte, o encap.Offload) {
	t.Helper()
	if !d.queues[0].Inject(frame, o) {
		t.Fatalf("port %s did not take a frame of %d bytes", d.name, len(frame))
	}
}

// received takes everything that was written to the port since the last call, in order
// for each queue.
func (d *device) received() (frames []encap.Frame) {
	for _, q := range d.queues {
		for f, ok := q.TryReceive(); ok; f, ok = q.TryReceive() {
			frames = append(frames, f)
		}
	}
	return frames
}

// expect fails the test unless exactly these frames were written to the port since the
// last call.
func (d *device) expect(t testing.TB, want ...[]byte) {
	t.Helper()
	got := d.received()
	if len(got) != len(want) {
		t.Fatalf("port %s got %d frames, want %d", d.name, len(got), len(want))
	}
	for i := range got {
		if string(got[i].Data) != string(want[i]) {
			t.Fatalf("port %s, frame %d:\n got %x\nwant %x", d.name, i, got[i].Data, want[i])
		}
	}
}

// pass lets virtual time go by.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// conserved fails the test unless every frame that a VTEP received on a network has one
// fate. Workers are idle.
func (x *node) conserved(t testing.TB) {
	t.Helper()
	s := x.network.Stats()
	for name, c := range map[string]dataplane.Counts{"out": s.Out, "in": s.In, "stray": x.vtep.Stats().Stray} {
		if c.Frames != c.Forwarded+c.Waiting+c.Dropped() {
			t.Errorf("%v %s: %d frames, but %d forwarded, %d waiting and %d dropped: %s",
				x.addr, name, c.Frames, c.Forwarded, c.Waiting, c.Dropped(), drops(c))
		}
	}
}

// drops lists the reasons that counted anything.
func drops(c dataplane.Counts) (list string) {
	for _, d := range dataplane.Drops() {
		if n := c.Drops[d]; n > 0 {
			list += fmt.Sprintf("%v=%d ", d, n)
		}
	}
	return list
}

// stranger is a socket on the wire that sends what it likes, as a foreign VTEP would.
type stranger struct{ *mem.Underlay }

func newStranger(t testing.TB, wire *mem.Network, addr string) stranger {
	t.Helper()
	u, err := wire.Underlay(netip.AddrPortFrom(netip.MustParseAddr(addr), dataplane.DefaultPort), mem.UnderlayConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = u.Close() })
	return stranger{u}
}

// say sends one datagram to a node and waits until nothing moves any more.
func (s stranger) say(t testing.TB, to *node, d encap.Datagram) {
	t.Helper()
	d.Remote, d.Source = to.addr, encap.SourceListen
	if _, err := s.Send([]encap.Datagram{d}); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

// vxlan is a VXLAN packet of the test's VNI.
func vxlan(frame []byte) []byte {
	b := make([]byte, encap.VXLANSize, encap.VXLANSize+len(frame))
	encap.PutVXLAN(b, testVNI)
	return append(b, frame...)
}

// netAddr is a VTEP's address with the port left open.
func netAddr(s string) addrPort { return netip.AddrPortFrom(netip.MustParseAddr(s), 0) }

func mustAddrPort(s string) addrPort { return netip.MustParseAddrPort(s) }
