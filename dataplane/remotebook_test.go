package dataplane_test

import (
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/encap"
)

func remoteCounts(x *node) map[netip.Addr]dataplane.RemoteCounts {
	counts := make(map[netip.Addr]dataplane.RemoteCounts)
	for _, c := range x.network.Stats().Remotes {
		counts[c.Addr] = c
	}
	return counts
}

func TestRemotesAreCounted(t *testing.T) {
	for _, sealed := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			wire := newWire()
			open := func(addr, other string) *node {
				if sealed {
					return newNode(t, wire, addr, setup{network: networkConfig{Sealed: true}, peers: []string{other}})
				}
				return newNode(t, wire, addr, setup{network: flooding(other)})
			}
			a, b := open("10.9.0.1", "10.9.0.2"), open("10.9.0.2", "10.9.0.1")
			frame := flowOf(a.mac, b.mac, false).frame(t, make([]byte, 5000))
			a.port.send(t, toAll(a.mac))
			a.port.inject(t, frame, cutBy(frame, 1000)) // five frames
			synctest.Wait()
			n := uint64(len(toAll(a.mac)) + 5*(len(frame)-4000))
			want := dataplane.RemoteCounts{Addr: b.addr.Addr(), OutFrames: 6, OutBytes: n}
			if got := remoteCounts(a)[b.addr.Addr()]; got != want {
				t.Errorf("sealed %t: at the sender %+v, want %+v", sealed, got, want)
			}
			want = dataplane.RemoteCounts{Addr: a.addr.Addr(), InFrames: 6, InBytes: n}
			if got := remoteCounts(b)[a.addr.Addr()]; got != want {
				t.Errorf("sealed %t: at the receiver %+v, want %+v", sealed, got, want)
			}
		})
	}
}

// However many VTEPs there seem to be, a bounded number of them are counted by themselves,
// and nothing is forgotten.
func TestCountedRemotesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const strangers = 300
		wire := newWire()
		a := newNode(t, wire, "10.9.0.1", setup{network: flooding("10.9.0.2")})
		addr := netip.MustParseAddr("10.9.1.0")
		for i := range strangers {
			addr = addr.Next()
			s := newStranger(t, wire, addr.String())
			s.say(t, a, encap.Datagram{Data: vxlan(toAll(encap.MACFromUint64(0x02_bb_00_00_00_00 + uint64(i))))})
			s.say(t, a, encap.Datagram{Data: vxlan(toAll(encap.MACFromUint64(0x02_bb_00_00_00_00 + uint64(i))))})
		}
		counts := remoteCounts(a)
		if len(counts) < 100 || len(counts) > 129 {
			t.Errorf("%d remotes are counted", len(counts))
		}
		var in uint64
		for _, c := range counts {
			in += c.InFrames
		}
		if in != 2*strangers {
			t.Errorf("%d frames are counted as from remotes, want %d", in, 2*strangers)
		}
		// Others who only seem to be there are not told apart even once the first have gone.
		a.network.Flush(dataplane.FlushFilter{})
		stranger := newStranger(t, wire, "10.9.9.1")
		for i := range 2 {
			stranger.say(t, a, encap.Datagram{Data: vxlan(toAll(encap.MACFromUint64(0x02_cc_00_00_00_00 + uint64(i))))})
		}
		if _, found := remoteCounts(a)[netip.MustParseAddr("10.9.9.1")]; found {
			t.Error("a remote that was learned is counted in the place of one that has gone")
		}
		// Room is made for those that are named after others have gone.
		a.network.Flush(dataplane.FlushFilter{})
		must(t, a.network.AddRemote(netAddr("10.9.0.3")))
		if _, found := remoteCounts(a)[netip.MustParseAddr("10.9.0.3")]; !found {
			t.Error("a remote that was added is not counted by itself")
		}
		in = 0
		for _, c := range remoteCounts(a) {
			in += c.InFrames
		}
		if in != 2*strangers+2 {
			t.Errorf("%d frames are counted once others have gone, want %d", in, 2*strangers+2)
		}
	})
}

// Frames of two remotes that come at once are not taken for one's.
func TestRemotesAreToldApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := newWire()
		a := newNode(t, wire, "10.9.0.1", setup{network: flooding("10.9.0.2", "10.9.0.3")})
		b, c := newStranger(t, wire, "10.9.0.2"), newStranger(t, wire, "10.9.0.3")
		for range 10 {
			for i, s := range []stranger{b, c, c} {
				d := encap.Datagram{Data: vxlan(toAll(station(byte(70 + i)))), Remote: a.addr, Source: encap.SourceListen}
				_, err := s.Send([]encap.Datagram{d})
				must(t, err)
			}
		}
		synctest.Wait()
		counts := remoteCounts(a)
		if fromB, fromC := counts[netip.MustParseAddr("10.9.0.2")].InFrames, counts[netip.MustParseAddr("10.9.0.3")].InFrames; fromB != 10 || fromC != 20 {
			t.Errorf("%d frames from the first and %d from the second, want 10 and 20", fromB, fromC)
		}
	})
}
