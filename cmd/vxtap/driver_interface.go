package main

import (
	"errors"
	"net/http"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/dataplane/packet"
)

// openInterface makes a port of an interface that the host has.
func openInterface(spec control.DeviceSpec) (*control.Device, error) {
	d, err := packet.Open(packet.Config{
		Interface: spec.Device,
		Locals:    spec.Locals,
		Queues:    spec.Queues,
		NoOffload: !spec.Offload.TAP(),
	})
	if err != nil {
		return nil, interfaceError(err)
	}
	device := &control.Device{
		Name: d.Name(), MAC: d.MAC(), MTU: d.MTU(), Driver: d.Driver(), Notes: d.Notes(), Drops: d.Drops, Close: d.Close,
		Index: uint32(d.Index()), MTUChanged: d.MTUChanged,
		Offloads: func() (list []control.Feature) {
			for _, f := range d.Features() {
				list = append(list, feature(f.Name, f.Err))
			}
			return list
		},
	}
	for _, q := range d.Queues() {
		device.Queues = append(device.Queues, q)
	}
	return device, nil
}

// interfaceError gives an error of the driver, where a user can do something about it, the
// status that the API has for it.
func interfaceError(err error) error {
	status := 0
	switch {
	case errors.Is(err, packet.ErrUnfit):
		status = http.StatusBadRequest
	case errors.Is(err, packet.ErrNotFound):
		status = http.StatusNotFound
	default:
		return err
	}
	return &api.Error{Status: status, Message: err.Error(), Cause: err}
}
