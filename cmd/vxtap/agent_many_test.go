package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/control/metrics"
	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

// one is an agent in memory with network 42, whose device is at hand.
type one struct {
	agent  *control.Agent
	port   *mem.Port
	events <-chan api.Event
}

// openOne opens it at an address of a wire, to flood to another.
func openOne(t *testing.T, wire *mem.Network, local, remote string) *one {
	t.Helper()
	o := &one{}
	drivers := (&memDrivers{wire: wire}).drivers()
	openDevice := drivers.OpenDevice
	drivers.OpenDevice = func(spec control.DeviceSpec) (*control.Device, error) {
		d, err := openDevice(spec)
		o.port, _ = d.Queues[0].(*mem.Port)
		return d, err
	}
	var err error
	o.agent, err = control.Open(control.AgentConfig{Node: control.NodeSpec{Local: netip.MustParseAddr(local)}, Drivers: drivers})
	if err != nil {
		t.Fatal(err)
	}
	if err := o.agent.AddConfigured(networkTo(42, false, remote)); err != nil {
		t.Fatal(err)
	}
	events, stop := o.agent.Events()
	o.events = events
	t.Cleanup(func() {
		stop()
		if err := o.agent.Close(); err != nil && !o.closed() {
			t.Error(err)
		}
	})
	return o
}

// closed reports whether the agent was closed, with which its events end.
func (o *one) closed() bool {
	for {
		select {
		case _, open := <-o.events:
			if !open {
				return true
			}
		default:
			return false
		}
	}
}

// state is all that an agent knows and tells, as text.
func (o *one) state(t *testing.T) string {
	t.Helper()
	text := fmt.Sprintf("%+v %+v %+v", o.agent.Node().Networks, o.agent.Stats(), o.agent.Keys())
	table, err := o.agent.FDB(42)
	if err != nil {
		t.Fatal(err)
	}
	gathered, err := metrics.Registry(o.agent).Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range gathered {
		if strings.HasPrefix(family.GetName(), "vxtap_") {
			text += fmt.Sprint(family)
		}
	}
	return text + fmt.Sprintf("%+v %d events", table, len(o.events))
}

// Ten agents in one process, with the same addresses, networks and devices in pairs on wires
// of their own: whatever happens to one changes nothing that another knows or tells.
func TestTenAgentsInOneProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all []*one
		for range 5 {
			wire := mem.NewNetwork(mem.Impairments{}, 1)
			all = append(all, openOne(t, wire, "10.9.0.1", "10.9.0.2"), openOne(t, wire, "10.9.0.2", "10.9.0.1"))
		}
		spec := control.Spec{Node: control.NodeSpec{Local: netip.MustParseAddr("10.9.0.1")}, Networks: []control.NetworkSpec{networkTo(42, false, "10.9.0.3")}}
		frame := append(append(bytes.Repeat([]byte{0xff}, 6), 2, 0, 0, 0, 0, 9), make([]byte, 50)...)
		mine, others := all[0], all[2:] // all[1] is to hear it
		for _, step := range []struct {
			what   string
			happen func() error
		}{
			{"a frame", func() error {
				if !mine.port.Inject(frame, encap.Offload{}) {
					return errors.New("not taken")
				}
				return nil
			}},
			{"a network", func() error { return mine.agent.AddNetwork(networkTo(43, false, "10.9.0.2")) }},
			{"a port", func() error { _, err := mine.agent.AddPort(42, api.PortSpec{Device: "eth1"}); return err }},
			{"an entry", func() error {
				return mine.agent.ChangeFDB(42, api.FDBChange{Op: api.OpAdd, MAC: encap.MAC{2, 9}, Dst: peer3})
			}},
			{"a reload", func() error { _, err := mine.agent.Apply(spec); return err }},
			{"a flush", func() error { _, err := mine.agent.FlushFDB(42, api.FDBFlush{}); return err }},
		} {
			was := mine.state(t)
			var before []string
			for _, o := range others {
				before = append(before, o.state(t))
			}
			if err := step.happen(); err != nil {
				t.Fatalf("%s: %v", step.what, err)
			}
			synctest.Wait()
			if mine.state(t) == was {
				t.Errorf("%s changes nothing", step.what)
			}
			for i, o := range others {
				if now := o.state(t); now != before[i] {
					t.Errorf("%s at one agent: another was\n%s and is\n%s", step.what, before[i], now)
				}
			}
		}
		if err := mine.agent.Close(); err != nil {
			t.Error(err)
		}
		for i := 2; i < len(all); i += 2 {
			a, b := all[i], all[i+1]
			a.port.Inject(frame, encap.Offload{})
			synctest.Wait()
			if got, ok := b.port.TryReceive(); !ok || !bytes.Equal(got.Data, frame) {
				t.Errorf("agent %d: %x arrived, %v", i, got.Data, ok)
			}
		}
	})
}
