//go:build linux

package main

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/dataplane/netlab/traffic"
)

// Malformed datagrams come as fast as one thread sends them. Each is counted, by what is
// wrong with it or as one that the socket had no room for; they take no memory that grows,
// and honest frames get through beside them and afterwards.
func TestStormOfBadDatagrams(t *testing.T) {
	t.Parallel()
	a, b, v := startPair(t, families[0], netlab.LinkConfig{}, "--queues", "2")
	silence(t, a, b)
	ping(t, b, innerA)
	refused := func() (n uint64) {
		var s api.Stats
		v.ask(func(ctx context.Context) (err error) {
			s, err = v.api.Stats(ctx)
			return err
		})
		return s.Stray.Dropped + s.Networks[0].In.Dropped + s.UnderlayDrops
	}
	storm := func(d time.Duration) uint64 {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		r, err := traffic.Storm(ctx, b.Do, traffic.StormConfig{
			To: netip.MustParseAddrPort("10.9.0.1:4789"), Packets: malformed(42), Flows: 8,
		})
		check(t, err)
		return r.Sent
	}
	before, lost := refused(), lostOnCable(t, a, b)
	sent := storm(time.Second) // buffers are touched, and only then take memory
	memory := v.usage().anon

	load := pingOn(t, b, innerA)
	sent += storm(2 * time.Second)
	pings, answered := load()
	if answered == 0 {
		t.Errorf("none of %d echo requests was answered beside the storm", pings)
	}
	var counted uint64
	eventually(t, "each datagram is counted once", func() bool {
		counted = refused() - before + lostOnCable(t, a, b) - lost
		return counted >= sent
	})
	// Echoes that found no room are counted, too, and what else the hosts had to say.
	if honest := uint64(2*(pings-answered) + 100); counted > sent+honest {
		t.Errorf("%d datagrams were sent and %d counted", sent, counted)
	}
	if grown := v.usage().anon - memory; grown > 8<<20 {
		t.Errorf("%d KiB more after the storm", grown>>10)
	}
	ping(t, b, innerA)
	t.Logf("%d datagrams in 3 s", sent)
}

// lostOnCable is how many packets the kernel dropped at either end of the cable, as its
// backlog was full.
func lostOnCable(t *testing.T, hosts ...*netlab.Host) (n uint64) {
	t.Helper()
	for _, h := range hosts {
		link, err := h.Netlink().LinkByName("eth0")
		check(t, err)
		n += link.Attrs().Statistics.TxDropped + link.Attrs().Statistics.RxDropped
	}
	return n
}
