package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/dataplane/station"
	"github.com/vxtap/vxtap/dataplane/tap"
	"github.com/vxtap/vxtap/dataplane/underlay"
)

// busyPoll is about what it costs to wake a thread on a halted virtual CPU at each end,
// so that a vigil in vain costs no more than the sleep that it would have saved. A
// driver that cannot look without waiting has goroutines of the Go scheduler's wait, and a
// vigil would only keep them from the CPU.
const busyPoll = 60 * time.Microsecond

// drivers wires the agent to this system's devices and sockets.
func drivers() control.Drivers {
	workers := 0 // of all VTEPs
	return control.Drivers{
		OpenUnderlay: func(node control.NodeSpec) (*control.Underlay, error) {
			u, err := openUnderlay(node)
			if err == nil {
				workers += 2 * len(u.Queues)
				giveProcessors(workers)
				collectEarly()
			}
			return u, err
		},
		OpenDevice:  openDevice,
		CheckName:   checkTAPName,
		NewPoller:   newPoller,
		UnderlayMTU: underlay.MTU,
	}
}

// newPoller makes what a worker waits for its ports with. The portable drivers have goroutines
// wait for frames.
func newPoller(node control.NodeSpec) (dataplane.Poller, error) {
	if node.Offload.Portable() {
		return tap.NewParkingPoller()
	}
	return tap.NewPoller()
}

// maxDefaultQueues is the most queues that are opened unasked. Each costs memory, and the
// CPUs of a machine are there for others too.
const maxDefaultQueues = 8

// queuesOf is how many queues a node gets. Only the Linux drivers have more than one, and
// unasked they do only if flows stay in order.
func queuesOf(node control.NodeSpec) int {
	switch {
	case node.Queues > 0:
		return node.Queues
	case node.Offload.Portable() || tap.CanSteer() != nil:
		return 1
	}
	// The CPUs that this process may use, of a cgroup and an affinity mask too.
	return min(runtime.GOMAXPROCS(0), maxDefaultQueues)
}

// giveProcessors gives the Go scheduler one processor for each worker and some for the
// rest. A worker that comes out of a system call needs one to go on; with fewer, it waits
// until the scheduler's monitor takes another's away, and that is longer than a round
// trip. The kernel decides what really runs.
func giveProcessors(workers int) {
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), workers+2))
}

// garbagePercent is how much garbage may pile up, in percent of what is in use. That is
// mostly the workers' buffers, some 20 MB that hold no pointers and cost a collection
// nothing; Go's 100 would let a client that asks for counters double it.
const garbagePercent = 15

// collectEarly keeps the process small, unless the user knows better.
func collectEarly() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
}

// checkTAPName says why this system has no TAP of that name.
func checkTAPName(name string) error { return tap.CheckName(name) }

func openUnderlay(node control.NodeSpec) (*control.Underlay, error) {
	queues, err := underlay.OpenQueues(underlay.Config{
		Local:     netip.AddrPortFrom(node.Local, node.Port),
		Portable:  node.Offload.Portable(),
		NoOffload: !node.Offload.Underlay(),
	}, queuesOf(node))
	if err != nil {
		return nil, err
	}
	first := queues[0] // all are alike
	u := &control.Underlay{Driver: first.Driver()}
	if first.CanPoll() {
		u.BusyPoll = busyPoll
	}
	u.ReceiveBuffer, u.ReceiveBufferWanted = first.ReceiveBuffer()
	for _, f := range first.Features() {
		u.Features = append(u.Features, feature(f.Name, f.Err))
	}
	for _, q := range queues {
		u.Queues = append(u.Queues, q)
		u.SourcePorts = append(u.SourcePorts, q.SourcePorts())
	}
	paths, err := underlay.OpenPaths(queues)
	if err != nil {
		for _, q := range queues {
			q.Close()
		}
		return nil, err
	}
	u.Paths = paths
	f := paths.Feature()
	u.Features = append(u.Features, feature(f.Name, f.Err))
	watch, err := underlay.OpenWatch(queues, paths)
	if err == nil {
		u.Watch = underlayWatch{watch}
	}
	u.Features = append(u.Features, feature(underlay.FeatureNetlink, err))
	u.Join = func(group netip.Addr, device string) (uint32, func() error, error) {
		m, err := first.Join(group, device)
		if err != nil {
			return 0, nil, err
		}
		return m.Interface, m.Leave, nil
	}
	u.AllowNoChecksum = func() (err error) {
		for _, q := range queues {
			err = errors.Join(err, q.AllowNoChecksum())
		}
		return err
	}
	return u, nil
}

// openDevice makes a device of the kind that is asked for.
func openDevice(spec control.DeviceSpec) (*control.Device, error) {
	switch spec.Kind {
	case control.KindTAP:
		_, device, err := openTAP(spec)
		return device, err
	case control.KindTUN:
		return openIP(spec)
	case control.KindInterface:
		return openInterface(spec)
	}
	return nil, fmt.Errorf("port %s: no driver for devices of kind %q", spec.Name, spec.Kind)
}

// openTAP makes a TAP, or a TUN, which is read and written as Ethernet frames without
// addresses.
func openTAP(spec control.DeviceSpec) (*tap.Device, *control.Device, error) {
	d, err := tap.Open(tap.Config{
		Name:      spec.Device,
		TUN:       spec.Kind == control.KindTUN,
		MTU:       spec.MTU,
		MAC:       spec.MAC,
		Addresses: spec.Addresses,
		Routes:    tapRoutes(spec.Routes),
		NetNS:     spec.NetNS,
		Down:      spec.Handover,
		Queues:    spec.Queues,
		Portable:  spec.Offload.Portable(),
		NoOffload: !spec.Offload.TAP(),
	})
	if err != nil {
		return nil, nil, deviceError(err)
	}
	device := &control.Device{
		Name: d.Name(), MAC: d.MAC(), MTU: d.MTU(), Driver: d.Driver(), Drops: d.Drops, SetMTU: d.SetMTU, Now: d.Now, Close: d.Close, Follow: d.Follow,
		Offloads: func() (list []control.Feature) {
			for _, f := range d.Features() {
				list = append(list, feature(f.Name, f.Err))
			}
			return list
		},
	}
	for _, f := range d.Features() {
		if f.Name == tap.FeatureSteering {
			device.Unordered = f.Err
		}
	}
	for _, q := range d.Queues() {
		device.Queues = append(device.Queues, q)
	}
	return d, device, nil
}

// openIP makes a TUN, and a station of it.
func openIP(spec control.DeviceSpec) (*control.Device, error) {
	d, device, err := openTAP(spec)
	if err != nil {
		return nil, err
	}
	cfg := station.Config{MAC: spec.MAC, Addressing: func() (station.Addressing, error) { return addressing(d) }}
	for _, q := range d.Queues() {
		cfg.Queues = append(cfg.Queues, q)
	}
	s, err := station.New(cfg)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("port %s: %w", spec.Name, err), d.Close())
	}
	device.Queues = nil
	for _, q := range s.Queues() {
		device.Queues = append(device.Queues, q)
	}
	device.Close = func() error { return errors.Join(s.Close(), d.Close()) }
	return device, nil
}

// addressing is what a station wants to know of its interface.
func addressing(d *tap.Device) (station.Addressing, error) {
	have, err := d.Addressing()
	a := station.Addressing{Addresses: have.Addresses, Router6: have.Router6}
	for _, r := range have.Routes {
		a.Routes = append(a.Routes, station.Route(r))
	}
	return a, err
}

func tapRoutes(list []api.Route) []tap.Route {
	routes := make([]tap.Route, len(list))
	for i, r := range list {
		routes[i] = tap.Route(r)
	}
	return routes
}

// deviceError gives an error of a driver, where a user can do something about it, the status
// that the API has for it.
func deviceError(err error) error {
	status := 0
	switch {
	case errors.Is(err, tap.ErrExists):
		status = http.StatusConflict
	case errors.Is(err, tap.ErrName):
		status = http.StatusBadRequest
	case errors.Is(err, tap.ErrNoNamespace):
		status = http.StatusNotFound
	default:
		return err
	}
	return &api.Error{Status: status, Message: err.Error(), Cause: err}
}

func feature(name string, err error) control.Feature {
	f := control.Feature{Name: name, InForce: err == nil}
	if err != nil {
		f.Why = err.Error()
	}
	return f
}
