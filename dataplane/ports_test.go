package dataplane_test

import (
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

func TestAddPortRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newNode(t, newWire(), "10.9.0.1", setup{})
		for name, tt := range map[string]struct {
			device *device
			want   error
		}{
			"a name twice":       {newDevice("port0", station(1), 1, mem.PortConfig{}), dataplane.ErrExists},
			"a MAC twice":        {newDevice("port1", a.mac, 1, mem.PortConfig{}), dataplane.ErrExists},
			"a group MAC":        {newDevice("port1", encap.Broadcast, 1, mem.PortConfig{}), nil},
			"a queue too many":   {newDevice("port1", station(1), 2, mem.PortConfig{}), nil},
			"no queue":           {newDevice("port1", station(1), 0, mem.PortConfig{}), nil},
			"a queue not polled": {newDevice("port1", station(1), 1, mem.PortConfig{}), errors.ErrUnsupported},
		} {
			cfg := tt.device.config()
			if name == "a queue not polled" {
				cfg.Queues[0] = withDescriptor{tt.device.queues[0]}
			}
			err := a.network.AddPort(cfg)
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("%s: %v, want %v", name, err, tt.want)
			}
			for _, q := range tt.device.queues { // it is still the caller's
				if !q.Inject(etherFrame(encap.Broadcast, station(1), name), encap.Offload{}) {
					t.Errorf("%s: the device was closed", name)
				}
			}
			if ports := a.network.Entries(); len(ports) != 1 {
				t.Errorf("%s: entries %+v", name, ports)
			}
		}
	})
}

// withDescriptor is a queue that says it has a descriptor, which the poller of package
// mem cannot watch.
type withDescriptor struct{ *mem.Port }

func (withDescriptor) FD() int { return 1000 }

func TestAddPortOnANetworkThatIsGone(t *testing.T) {
	for name, remove := range map[string]func(*node) error{
		"removed": func(x *node) error { return x.vtep.RemoveNetwork(testVNI) },
		"closed":  func(x *node) error { return x.vtep.Close() },
	} {
		synctest.Test(t, func(t *testing.T) {
			a := newNode(t, newWire(), "10.9.0.1", setup{})
			must(t, remove(a))
			d := newDevice("late", station(1), 1, mem.PortConfig{})
			if err := a.network.AddPort(d.config()); !errors.Is(err, dataplane.ErrNotFound) {
				t.Errorf("%s: %v, want ErrNotFound", name, err)
			}
		})
	}
}

func TestRemovePort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a, b, _ := triangle(t, setup{})
		a.port.send(t, etherFrame(encap.Broadcast, station(1), "learned here"))
		must(t, a.network.RemovePort("port0"))
		if left := a.network.Entries(); len(left) != 0 {
			t.Errorf("entries of a removed port: %+v", left)
		}
		if _, err := a.port.queues[0].Write(nil); err != nil {
			t.Error(err)
		}
		if a.port.queues[0].Inject(etherFrame(encap.Broadcast, station(1), "late"), encap.Offload{}) {
			t.Error("the device is open")
		}
		if err := a.network.RemovePort("port0"); !errors.Is(err, dataplane.ErrNotFound) {
			t.Errorf("removed twice: %v", err)
		}
		// The name, the MAC and the place in the pollers can be had again.
		again := a.addPort(t, "port0", a.mac, mem.PortConfig{})
		b.port.received()
		f := etherFrame(encap.Broadcast, a.mac, "again")
		again.send(t, f)
		b.port.expect(t, f)
	})
}

func TestDeviceThatDiesIsTakenOutOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var events []dataplane.Event
		a := newNode(t, newWire(), "10.9.0.1", setup{workers: 2, events: func(e dataplane.Event) {
			mu.Lock()
			defer mu.Unlock()
			events = append(events, e)
		}})
		other := a.addPort(t, "port1", station(9), mem.PortConfig{})
		a.port.send(t, etherFrame(encap.Broadcast, station(1), "learned here"))
		must(t, a.port.close()) // both queues fail
		pass(time.Second)       // to wait for workers to let go takes some
		mu.Lock()
		defer mu.Unlock()
		if len(events) != 1 || events[0].VNI != testVNI || events[0].Port != "port0" || !errors.Is(events[0].Err, net.ErrClosed) {
			t.Fatalf("events %+v", events)
		}
		if left := a.network.Entries(); len(left) != 1 || left[0].Port != "port1" {
			t.Errorf("entries %+v", left)
		}
		other.received()
		other.send(t, etherFrame(encap.Broadcast, station(9), "alone"))
		a.conserved(t)
	})
}

func TestManyDevicesDieAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const ports = 200 // more than the keeper's queue holds
		events := make(chan dataplane.Event, 2*ports)
		a := newNode(t, newWire(), "10.9.0.1", setup{events: func(e dataplane.Event) { events <- e }})
		var devices []*device
		for i := range ports {
			devices = append(devices, a.addPort(t, string(rune('A'+i)), station(byte(i)), mem.PortConfig{Depth: 1}))
		}
		for _, d := range devices {
			must(t, d.close())
		}
		pass(time.Second)
		if len(events) != ports {
			t.Errorf("%d events, want %d", len(events), ports)
		}
	})
}
