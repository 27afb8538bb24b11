package dataplane_test

import (
	"encoding/binary"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/dataplane/fdb"
	"github.com/vxtap/vxtap/encap"
)

// A stranger who makes up a million MACs takes nobody's place, and no memory beyond what
// the limit allows. What is configured stays, and so do the hosts that were known.
func TestMillionMACs(t *testing.T) {
	const batch, total = 64, 1_000_000
	synctest.Test(t, func(t *testing.T) {
		wire := newWire()
		a := newNode(t, wire, "10.9.0.1", setup{network: flooding("10.9.0.2", "10.9.0.3")})
		honest, liar := newStranger(t, wire, "10.9.0.2"), newStranger(t, wire, "10.9.0.3")
		must(t, a.network.AddEntry(station(1), netAddr("10.9.0.2")))
		hello := etherFrame(a.mac, station(2), "from an honest host")
		honest.say(t, a, encap.Datagram{Data: vxlan(hello)})

		made := func(from, n int) (list []encap.Datagram) {
			for i := range n {
				src := encap.MAC{0x06}
				binary.BigEndian.PutUint32(src[2:], uint32(from+i))
				list = append(list, encap.Datagram{
					Data: vxlan(etherFrame(a.mac, src, "made up")), Remote: a.addr, Source: encap.SourceListen,
				})
			}
			return list
		}
		send := func(from, to int) {
			for ; from < to; from += batch {
				if _, err := liar.Send(made(from, batch)); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				a.port.received()
			}
		}
		send(0, 2*dataplane.DefaultMaxMACs)
		full := heap()
		send(2*dataplane.DefaultMaxMACs, total)
		if grown := heap() - full; grown > 4<<20 {
			t.Errorf("%d bytes more for the MACs beyond the limit", grown)
		}

		honest.say(t, a, encap.Datagram{Data: vxlan(hello)})
		a.port.expect(t, hello)
		s := a.network.Stats()
		if s.Learned != dataplane.DefaultMaxMACs || s.Static != 1 || s.Refused < total-2*dataplane.DefaultMaxMACs || s.In.Dropped() != 0 {
			t.Errorf("%d learned, %d static, %d refused, dropped %s", s.Learned, s.Static, s.Refused, drops(s.In))
		}
		for mac, class := range map[encap.MAC]fdb.Class{station(1): fdb.Static, station(2): fdb.Learned} {
			found := false
			for _, e := range a.network.Entries() {
				found = found || e.MAC == mac && e.Class == class && e.Remote.Addr() == honest.Addr().Addr()
			}
			if !found {
				t.Errorf("%v is not %v behind the honest VTEP any more", mac, class)
			}
		}
		// What goes to hosts that were known before still goes to them alone.
		for _, known := range []encap.MAC{station(1), station(2)} {
			answer := etherFrame(known, a.mac, "to an honest host")
			a.port.send(t, answer)
			honest.hears(t, vxlan(answer))
		}
		liar.hears(t)
		a.conserved(t)
	})
}

// hears fails the test unless exactly these datagrams have come to the stranger.
func (s stranger) hears(t *testing.T, want ...[]byte) {
	t.Helper()
	dgrams := make([]encap.Datagram, len(want)+1)
	for i := range dgrams {
		dgrams[i].Data = make([]byte, encap.MaxFrame)
	}
	n, err := s.Poll(dgrams)
	if err != nil || n != len(want) {
		t.Fatalf("%v: %d datagrams came, want %d: %v", s.Addr(), n, len(want), err)
	}
	for i, w := range want {
		if string(dgrams[i].Data) != string(w) {
			t.Errorf("%v: % x came, want % x", s.Addr(), dgrams[i].Data, w)
		}
	}
}

// heap is how many bytes are in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
