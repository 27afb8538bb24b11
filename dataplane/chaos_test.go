package dataplane_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

// chaos is three VTEPs of two workers on a wire that loses, doubles and reorders, with
// ports that come, go, die and refuse, and a stranger who sends nonsense. If it is sealed,
// keys are rotated all the time, and the last VTEP is restarted now and then.
type chaos struct {
	sealed  bool
	port    mem.PortConfig
	rng     *rand.Rand
	wire    *mem.Network
	nodes   []*node
	devices [][]*device // of each node, all that there ever were
	weights map[*mem.Port][]uint64
	said    stranger
	packets [][]byte   // sealed ones that were on the wire lately
	mu      sync.Mutex // guards packets and luck: workers ask at once
	luck    *rand.Rand
}

// fails draws an error of every kind that a system has, or none.
func (c *chaos) fails() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	kinds := []error{syscall.ENOBUFS, syscall.EMSGSIZE, syscall.ENETUNREACH, syscall.EINVAL, syscall.EIO, net.ErrClosed, errors.ErrUnsupported}
	if n := c.luck.IntN(10 * len(kinds)); n < len(kinds) {
		return kinds[n]
	}
	return nil
}

// chaosAddrs are the VTEPs', and one where nobody is.
var chaosAddrs = []string{"10.9.0.1", "10.9.0.2", "10.9.0.3", "10.9.0.77"}

func newChaos(t *testing.T, seed uint64, offloads encap.OffloadSet, sealed bool) *chaos {
	c := &chaos{
		sealed:  sealed,
		rng:     rand.New(rand.NewPCG(seed, 1)),
		luck:    rand.New(rand.NewPCG(seed, 2)),
		weights: make(map[*mem.Port][]uint64),
	}
	c.wire = mem.NewNetwork(mem.Impairments{
		Delay: time.Millisecond, Jitter: time.Millisecond, Loss: 0.05, Duplicate: 0.05, Reorder: 0.1,
	}, seed)
	c.port = mem.PortConfig{Offloads: offloads, Depth: 100, FailWrite: func(*encap.Frame) error { return c.fails() }}
	c.nodes, c.devices = make([]*node, 3), make([][]*device, 3)
	for i := range c.nodes {
		c.open(t, i)
	}
	c.said = newStranger(t, c.wire, "10.9.0.9")
	return c
}

// open starts a VTEP.
func (c *chaos) open(t *testing.T, n int) {
	others := slices.Delete(slices.Clone(chaosAddrs), n, n+1)
	s := setup{
		workers: 2, port: c.port, underlay: mem.UnderlayConfig{Sources: 4},
		wrap: func(u dataplane.Underlay) dataplane.Underlay {
			return &scripted{Underlay: u.(*mem.Underlay), fail: func(*encap.Datagram) error { return c.fails() }}
		},
	}
	if c.sealed {
		c.nodes[n] = newSealedNode(t, c.wire, chaosAddrs[n], s, others...)
	} else {
		s.network = flooding(others...)
		c.nodes[n] = newNode(t, c.wire, chaosAddrs[n], s)
	}
	c.devices[n] = []*device{c.nodes[n].port}
}

// step does one thing at random.
func (c *chaos) step(t *testing.T, i int) {
	n := c.rng.IntN(len(c.nodes))
	if c.sealed && c.rng.IntN(5) == 0 {
		c.stepSealed(t, n)
		return
	}
	x, all := c.nodes[n], c.devices[n]
	d := all[c.rng.IntN(len(all))]
	switch k := c.rng.IntN(100); {
	case k < 70:
		c.inject(t, d)
	case k < 80:
		c.nonsense(t, x)
	case k < 84 && len(all) < 20:
		fresh := newDevice(fmt.Sprint("port", i), station(byte(100+len(all))), 2, mem.PortConfig{Depth: 50, Overflow: mem.DropOldest})
		must(t, x.network.AddPort(fresh.config()))
		c.devices[n] = append(all, fresh)
	case k < 86:
		if err := x.network.RemovePort(d.name); err != nil && !errors.Is(err, dataplane.ErrNotFound) {
			t.Error(err)
		}
	case k < 87:
		must(t, d.close()) // the device dies
		// The keeper takes it out and sleeps on it with a mutex held; whoever waits for
		// that mutex in a bubble stops its clock.
		pass(time.Millisecond)
	case k < 89:
		d.queues[0].SetOffloads(0)
	case k < 94:
		d.received()
	default:
		<-time.After(time.Duration(c.rng.IntN(3000)) * time.Microsecond)
	}
}

// inject has a host send a frame of some kind, or a superframe, and notes how many
// frames it is on a wire.
func (c *chaos) inject(t *testing.T, d *device) {
	q := d.queues[c.rng.IntN(len(d.queues))]
	dsts := []encap.MAC{encap.Broadcast, station(byte(c.rng.IntN(10))), station(byte(100 + c.rng.IntN(5))), c.nodes[0].mac, c.nodes[1].mac, c.nodes[2].mac}
	f := flowOf(station(byte(c.rng.IntN(10))), dsts[c.rng.IntN(len(dsts))], c.rng.IntN(2) == 0)
	f.tcp, f.tos, f.sport = c.rng.IntN(2) == 0, uint8(c.rng.Uint32()), uint16(c.rng.IntN(5))
	weight := uint64(1)
	var frame []byte
	var o encap.Offload
	switch c.rng.IntN(5) {
	case 0:
		frame = pattern(c.rng.IntN(40)) // most are runts, or from nobody
	case 1:
		weight = uint64(1 + c.rng.IntN(5))
		frame = f.frame(t, pattern(int(weight)*mss))
		o = partial(frame, mss)
	case 2:
		frame = f.frame(t, pattern(50))
		o = partial(frame, 0)
		o.CSUMStart += uint16(c.rng.IntN(2) * 1000) // outside
	default:
		frame = f.frame(t, pattern(50))
	}
	if q.Inject(frame, o) {
		c.weights[q] = append(c.weights[q], weight)
	}
}

// nonsense has the stranger send a good packet with one byte spoilt, cut off.
func (c *chaos) nonsense(t *testing.T, to *node) {
	f := flowOf(station(byte(c.rng.IntN(10))), to.mac, false)
	packet := vxlan(f.frame(t, pattern(30)))
	packet[c.rng.IntN(40)] ^= uint8(1 << c.rng.IntN(8))
	packet = packet[:c.rng.IntN(len(packet)+1)]
	_, err := c.said.Send([]encap.Datagram{{Data: packet, Remote: to.addr, Source: encap.SourceListen, TOS: uint8(c.rng.IntN(4))}})
	must(t, err)
}

// balance compares what a VTEP says it received with what ports and sockets handed it,
// and, where no superframe was written whole, what it says it sent with what they got.
func (c *chaos) balance(t *testing.T, n int, wireSize bool) {
	x := c.nodes[n]
	x.conserved(t)
	var read, written, sent, arrived uint64
	for _, d := range c.devices[n] {
		for _, q := range d.queues {
			counts := q.Counts()
			written += counts.Written
			for _, w := range c.weights[q][:counts.Read] {
				read += w
			}
		}
	}
	for i, u := range x.underlays {
		letters := &x.wrapped[i].(*scripted).letters
		sent += u.Counts().Sent - letters.sent.Load()
		arrived += u.Counts().Arrived - letters.arrived.Load()
	}
	s, stray := x.network.Stats(), x.vtep.Stats().Stray
	if s.Out.Frames != read {
		t.Errorf("%v counted %d frames out, its ports brought %d", x.addr, s.Out.Frames, read)
	}
	if s.In.Frames+stray.Frames != arrived {
		t.Errorf("%v counted %d in and %d stray, %d arrived", x.addr, s.In.Frames, stray.Frames, arrived)
	}
	forwarded := s.Out.Forwarded + s.Out.Copies + s.In.Forwarded + s.In.Copies
	if wireSize && forwarded != written+sent {
		t.Errorf("%v counted %d deliveries, ports got %d and the wire %d", x.addr, forwarded, written, sent)
	}
	if c.sealed && n == len(c.nodes)-1 {
		return // who may have started a moment ago
	}
	if s.Out.Forwarded == 0 || s.In.Forwarded == 0 || stray.Frames == 0 {
		t.Errorf("%v: too quiet: %+v", x.addr, s)
	}
}

func TestNothingIsLostUncounted(t *testing.T) {
	for _, sealed := range []bool{false, true} {
		for _, offloads := range []encap.OffloadSet{0, allOffloads} {
			for seed := range uint64(5) {
				t.Run(fmt.Sprintf("sealed=%t,offloads=%d,seed=%d", sealed, offloads, seed), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						c := newChaos(t, seed, offloads, sealed)
						if sealed {
							c.watch(t)
						}
						for i := range 2000 {
							c.step(t, i)
						}
						pass(10 * time.Second)
						for n := range c.nodes {
							c.balance(t, n, offloads == 0)
						}
						if sealed {
							c.nothingForged(t)
						}
					})
				})
			}
		}
	}
}
