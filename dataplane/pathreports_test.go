package dataplane_test

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

// sealedTo opens a node with sealed peers, and has sessions begin. What its host is told of
// the path to the first is returned by a function.
func sealedTo(t *testing.T, wire *mem.Network, s setup, peers ...string) (a *node, paths *mem.Paths, told func() int) {
	t.Helper()
	s.paths = mem.NewPaths()
	a = newSealedNode(t, wire, localVTEP, s, peers...)
	var first *node
	for i, addr := range peers {
		b := newSealedNode(t, wire, addr, setup{}, localVTEP)
		if i == 0 {
			first = b
		}
		a.peers[i].Want()
	}
	must(t, a.network.AddEntry(first.mac, first.addr))
	pass(time.Second)
	return a, s.paths, func() int {
		t.Helper()
		a.port.send(t, ofSize(t, a, first, true, 1418))
		if answers := a.port.received(); len(answers) > 0 {
			return answerMTU(t, answers)
		}
		return 0
	}
}

// Who has not seen a sealed packet changes nothing for sealed networks, also where a plain
// one to the same remote believes him.
func TestForgedReports(t *testing.T) {
	for _, plain := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			a, paths, told := sealedTo(t, newWire(), setup{}, remoteVTEP, "10.9.0.3")
			want := ""
			if plain {
				_, err := a.vtep.AddNetwork(networkConfig{VNI: testVNI + 1, Remotes: flooding(remoteVTEP).Remotes})
				must(t, err)
				want = "10.9.0.2:1400 "
			}
			index := a.peers[0].Sending().Receiver()
			r := encap.PathReport{Local: a.addr, Remote: a.peers[0].VTEP(), Size: 1500, MTU: narrowMTU}
			for name, head := range map[string][encap.PathReportHead]byte{
				"nothing quoted":       {},
				"a guessed index":      sealedHead(crypto.TypeData, crypto.Version, index+1),
				"another peer's index": sealedHead(crypto.TypeData, crypto.Version, a.peers[1].Sending().Receiver()),
				"an initiation":        sealedHead(crypto.TypeInitiation, crypto.Version, index),
				"another version":      sealedHead(crypto.TypeData, crypto.Version+1, index),
				"plain VXLAN":          {0x08, 4: byte(index >> 24), byte(index >> 16), byte(index >> 8), byte(index)},
			} {
				r.Head = head
				paths.Report(r)
				synctest.Wait()
				if got := mtus(a); got != want {
					t.Errorf("%s: %s", name, got)
				}
				if mtu := told(); mtu != 0 {
					t.Errorf("%s: told of an MTU of %d", name, mtu)
				}
			}
			r.Head = sealedHead(crypto.TypeKeepalive, crypto.Version, index)
			paths.Report(r)
			synctest.Wait()
			if mtu := told(); mtu != encap.OverlayMTU(narrowMTU, false, true, 0) {
				t.Errorf("a true report: told of an MTU of %d, %s", mtu, mtus(a))
			}
		})
	}
}

// While a path is probed, who says something new of it has to have seen a probe.
func TestForgedAnswersToProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen recorder
		a, paths, _ := sealedTo(t, newWire(), setup{wrap: seen.wrap}, remoteVTEP)
		r := encap.PathReport{Local: a.addr, Remote: a.peers[0].VTEP(), Size: 1500, MTU: narrowMTU}
		r.Head = sealedHead(crypto.TypeData, crypto.Version, a.peers[0].Sending().Receiver())
		paths.Report(r)
		r.MTU, r.Head = 1300, [encap.PathReportHead]byte{} // as is what was not probed yet
		paths.Report(r)
		synctest.Wait()
		before := len(seen.all())
		pass(10*time.Minute + time.Second)
		var probe []byte
		for _, d := range seen.all()[before:] {
			if d[0] == 0 {
				probe = d
			}
		}
		if len(probe) != 1500-28 || binary.BigEndian.Uint32(probe[4:]) == 0 {
			t.Fatalf("a probe of %d bytes", len(probe))
		}
		for _, head := range [][encap.PathReportHead]byte{{}, {7: 1}, [encap.PathReportHead]byte(probe)} {
			if mtus(a) != "10.9.0.2:1400 " {
				t.Errorf("before %x: %s", head, mtus(a))
			}
			r.MTU, r.Head = 1420, head
			paths.Report(r)
			synctest.Wait()
		}
		if mtus(a) != "10.9.0.2:1420 " {
			t.Errorf("the answer to the probe was not taken: %s", mtus(a))
		}
		r.MTU = 1300 // the probe is over
		paths.Report(r)
		synctest.Wait()
		if mtus(a) != "10.9.0.2:1420 " {
			t.Errorf("an old probe lowers: %s", mtus(a))
		}
	})
}

// A peer that moves takes the path to where it is, and leaves the one to where it was.
func TestPathsOfPeersThatMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := newWire()
		a, paths, told := sealedTo(t, wire, setup{}, remoteVTEP)
		wire.SetImpairments(mem.Impairments{Loss: 1}) // or it says from where it really is
		p := a.peers[0]
		elsewhere := netip.MustParseAddrPort("10.9.0.9:1024")
		for _, step := range []struct {
			to     netip.AddrPort
			report int
			want   int
		}{
			{p.VTEP(), narrowMTU, narrowMTU},
			{elsewhere, 0, 0},
			{elsewhere, 1380, 1380},
			{p.VTEP(), 0, narrowMTU},
			{elsewhere, 0, 1380},
		} {
			p.Heard(step.to)
			pass(time.Second)
			if step.report != 0 {
				paths.Report(encap.PathReport{
					Local: a.addr, Remote: step.to, Size: 1500, MTU: step.report,
					Head: sealedHead(crypto.TypeData, crypto.Version, p.Sending().Receiver()),
				})
			}
			synctest.Wait()
			want := 0
			if step.want != 0 {
				want = encap.OverlayMTU(step.want, false, true, 0)
			}
			if mtu := told(); mtu != want || p.Endpoint() != step.to {
				t.Errorf("at %v, really %v, told of an MTU of %d, want %d", step.to, p.Endpoint(), mtu, want)
			}
		}
	})
}
