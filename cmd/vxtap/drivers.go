package main

import (
	"errors"
	"net/netip"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/dataplane/tap"
	"github.com/vxtap/vxtap/dataplane/underlay"
	"github.com/vxtap/vxtap/encap"
)

// drivers wires the agent to this system's devices and sockets.
func drivers() control.Drivers {
	return control.Drivers{
		OpenUnderlay: openUnderlay,
		OpenDevice:   openDevice,
		NewPoller:    func() (dataplane.Poller, error) { return tap.NewPoller() },
		UnderlayMTU:  underlay.MTU,
	}
}

func openUnderlay(node control.NodeSpec) (*control.Underlay, error) {
	s, err := underlay.Open(underlay.Config{
		Local:    netip.AddrPortFrom(node.Local, node.Port),
		Portable: node.Portable,
	})
	if err != nil {
		return nil, err
	}
	u := &control.Underlay{Queues: []dataplane.Underlay{s}, Driver: s.Driver()}
	u.ReceiveBuffer, u.ReceiveBufferWanted = s.ReceiveBuffer()
	for _, f := range s.Features() {
		u.Features = append(u.Features, feature(f.Name, f.Err))
	}
	return u, nil
}

func openDevice(spec control.DeviceSpec) (*control.Device, error) {
	d, err := tap.Open(tap.Config{
		Name:      spec.Name,
		MTU:       spec.MTU,
		MAC:       spec.MAC,
		Addresses: spec.Addresses,
		NetNS:     spec.NetNS,
		Queues:    spec.Queues,
		Portable:  spec.Portable,
	})
	if err != nil {
		return nil, err
	}
	device := &control.Device{
		Name: d.Name(), MAC: d.MAC(), MTU: d.MTU(), Driver: d.Driver(), Drops: d.Drops, Close: d.Close,
		Offloads: func() []control.Feature { return portOffloads(d) },
	}
	for _, q := range d.Queues() {
		device.Queues = append(device.Queues, q)
	}
	return device, nil
}

// portOffloads says what a device takes on the frames written to it, now.
func portOffloads(d *tap.Device) []control.Feature {
	set := d.Queues()[0].Offloads()
	why := errors.New("the driver " + d.Driver() + " or the kernel does not take it")
	var list []control.Feature
	for _, o := range []struct {
		name string
		bit  encap.OffloadSet
	}{{"checksum", encap.OffloadCSUM}, {"tso", encap.OffloadTSO}, {"uso", encap.OffloadUSO}} {
		if set&o.bit != 0 {
			list = append(list, feature(o.name, nil))
		} else {
			list = append(list, feature(o.name, why))
		}
	}
	return list
}

func feature(name string, err error) control.Feature {
	f := control.Feature{Name: name, InForce: err == nil}
	if err != nil {
		f.Why = err.Error()
	}
	return f
}
