package dataplane_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/vxtap/vxtap/encap"
)

// Round trips of VTEPs that look before they sleep, and their end while they look. In
// real time, since a worker that looks does not let virtual time go on.
func TestBusyWorkers(t *testing.T) {
	const rounds = 200
	wire := newWire()
	a := newNode(t, wire, "10.9.0.1", setup{network: flooding("10.9.0.2"), busyPoll: 20 * time.Millisecond})
	b := newNode(t, wire, "10.9.0.2", setup{network: flooding("10.9.0.1"), busyPoll: 20 * time.Millisecond})
	ping, pong := etherFrame(b.mac, a.mac, "ping"), etherFrame(a.mac, b.mac, "pong")
	cross := func(from, to *node, frame []byte) {
		from.port.inject(t, frame, encap.Offload{})
		if got, err := to.port.queues[0].Receive(t.Context()); err != nil || !bytes.Equal(got.Data, frame) {
			t.Fatalf("got %x, %v", got.Data, err)
		}
	}
	for range rounds {
		cross(a, b, ping)
		cross(b, a, pong)
	}
	if out := a.network.Stats().Out; out.Frames > rounds || out.Dropped() > 0 {
		t.Errorf("counted %+v", out)
	}
	must(t, a.vtep.Close())
	must(t, b.vtep.Close())
}
