package dataplane_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

func TestCloseCarriesWhatIsWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := newWire()
		a := newNode(t, wire, "10.9.0.1", setup{network: flooding("10.9.0.2")})
		b := newNode(t, wire, "10.9.0.2", setup{})
		const frames = 1000
		for range frames {
			a.port.inject(t, toAll(a.mac), encap.Offload{})
		}
		must(t, a.vtep.Close())
		synctest.Wait()
		if got := len(b.port.received()); got != frames {
			t.Errorf("%d of %d frames came", got, frames)
		}
		a.conserved(t)
		if err := a.vtep.Close(); !errors.Is(err, dataplane.ErrClosed) {
			t.Errorf("closed twice: %v", err)
		}
		if _, err := a.vtep.AddNetwork(networkConfig{VNI: 1}); !errors.Is(err, dataplane.ErrClosed) {
			t.Errorf("network on a closed vtep: %v", err)
		}
		if a.port.queues[0].Inject(toAll(a.mac), encap.Offload{}) {
			t.Error("the device is open")
		}
	})
}

// Everything that can be called at once is called at once, in real time and with frames
// on their way; the race detector and the drain at the end are the judges.
func TestPortsAndNetworksChangeUnderTraffic(t *testing.T) {
	wire := newWire()
	a := newNode(t, wire, "10.9.0.1", setup{network: flooding("10.9.0.2"), workers: 2})
	newNode(t, wire, "10.9.0.2", setup{network: flooding("10.9.0.1"), workers: 2})
	for _, q := range a.port.queues {
		q.Repeat([]encap.Frame{{Data: toAll(a.mac)}, {Data: etherFrame(station(7), station(1), "x")}}, 1<<40)
	}
	var work sync.WaitGroup
	for i := range 4 {
		work.Go(func() {
			for n := range 10 {
				d := newDevice(fmt.Sprint("port", i, n), station(byte(100+i)), 2, mem.PortConfig{Overflow: mem.Discard, Depth: 4})
				if err := a.network.AddPort(d.config()); err != nil {
					t.Error(err)
				}
				if n%3 == 0 { // dies, while it is removed
					_ = d.close()
				}
				if err := a.network.RemovePort(d.name); err != nil && !errors.Is(err, dataplane.ErrNotFound) {
					t.Error(err)
				}
			}
		})
		work.Go(func() {
			vni := encap.VNI(1000 + i)
			for range 10 {
				n, err := a.vtep.AddNetwork(networkConfig{VNI: vni})
				if err != nil {
					t.Error(err)
					return
				}
				d := newDevice("port", station(1), 2, mem.PortConfig{Overflow: mem.Discard, Depth: 4})
				if err := n.AddPort(d.config()); err != nil {
					t.Error(err)
				}
				_, _ = n.Stats(), a.vtep.Stats()
				if err := a.vtep.RemoveNetwork(vni); err != nil {
					t.Error(err)
				}
			}
		})
	}
	work.Wait()
	work.Go(func() { _ = a.network.RemovePort("port0") })
	if err := a.vtep.Close(); err != nil {
		t.Error(err)
	}
	work.Wait()
	a.conserved(t)
}
