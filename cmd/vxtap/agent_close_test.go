package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/encap"
)

// An agent that is closed while networks and ports come leaves nothing of either, and nobody
// who waits for an interface to be taken.
func TestCloseWhilePortsCome(t *testing.T) {
	for range 20 {
		d := newMemDrivers()
		drivers := d.drivers()
		open := drivers.OpenDevice
		drivers.OpenDevice = func(s control.DeviceSpec) (*control.Device, error) {
			dev, err := open(s)
			if err != nil {
				return nil, err
			}
			dev.Follow = func(ctx context.Context) (string, error) {
				<-ctx.Done()
				return "", ctx.Err()
			}
			return dev, nil
		}
		a, err := control.Open(control.AgentConfig{Node: control.NodeSpec{Local: netip.MustParseAddr("10.9.0.1")}, Drivers: drivers})
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		begun := make(chan struct{}, 8)
		for i := range 4 {
			all.Go(func() {
				for k := range 50 {
					vni := encap.VNI(100*(i+1) + k)
					if err := a.AddNetwork(portless(vni)); err != nil {
						return
					}
					if k == 3 {
						begun <- struct{}{}
					}
					_, _ = a.AddPort(vni, control.PortSpec{Device: fmt.Sprint("x", vni), Handover: true})
				}
			})
		}
		<-begun
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		all.Wait()
		if err := a.AddNetwork(portless(1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a network on an agent that ended: %v", err)
		}
		for i, p := range d.opened {
			if p.Inject(broadcastFrom(macA), encap.Offload{}) {
				t.Errorf("device %d of %d stays open", i, len(d.opened))
			}
		}
	}
}
