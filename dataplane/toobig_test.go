package dataplane_test

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

// Two nodes with a link in the middle that is narrower than what they are connected to.
const (
	localVTEP, remoteVTEP = "10.9.0.1", "10.9.0.2"
	narrowMTU             = 1400
)

// lowered returns a node that knows of the narrow link to another, and its port's host
// has something to say to the other's. It returns the other, too.
func lowered(t *testing.T, s setup) (a, b *node, paths *mem.Paths) {
	t.Helper()
	wire, paths := newWire(), mem.NewPaths()
	s.paths = paths
	if s.network.Sealed {
		s.peers = []string{remoteVTEP}
	} else {
		s.network.Remotes = flooding(remoteVTEP).Remotes
	}
	a = newNode(t, wire, localVTEP, s)
	b = newNode(t, wire, remoteVTEP, setup{network: networkConfig{Sealed: s.network.Sealed}, peers: back(s), workers: s.workers})
	must(t, a.network.AddEntry(b.mac, b.addr))
	if s.network.Sealed {
		a.peers[0].Want()
		synctest.Wait()
	}
	paths.Report(refused(a, b, narrowMTU))
	synctest.Wait()
	return a, b, paths
}

func back(s setup) []string {
	if s.network.Sealed {
		return []string{localVTEP}
	}
	return nil
}

// refused is what a router says that does not pass a datagram from a to b; if they have a
// session, a sealed one.
func refused(a, b *node, mtu int) encap.PathReport {
	r := encap.PathReport{Local: a.addr, Remote: b.addr, Size: 1500, MTU: mtu}
	for _, p := range a.peers {
		if key := p.Sending(); key != nil && p.VTEP() == b.addr {
			r.Head = sealedHead(crypto.TypeData, crypto.Version, key.Receiver())
		}
	}
	return r
}

// sealedHead is how a sealed packet begins.
func sealedHead(kind, version byte, index uint32) [encap.PathReportHead]byte {
	head := [encap.PathReportHead]byte{kind, version}
	binary.BigEndian.PutUint32(head[4:], index)
	return head
}

// ofSize is a frame from a's host to b's whose IP packet has so many bytes, DF set if it is
// IPv4.
func ofSize(t testing.TB, a, b *node, ipv6 bool, bytes int) []byte {
	t.Helper()
	f := flowOf(a.mac, b.mac, ipv6)
	empty := f.frame(t, nil)
	var l encap.Layers
	l.Parse(empty)
	frame := f.frame(t, pattern(bytes-(l.Payload-l.L3)))
	if !ipv6 {
		dontFragment(frame)
	}
	return frame
}

func dontFragment(frame []byte) {
	ip := encap.IPv4(frame[encap.EthernetSize:])
	ip.SetDontFragment()
	ip.SetChecksum(0)
	ip.SetChecksum(^encap.Sum(ip[:encap.IPv4MinSize], 0))
}

// answerMTU returns the MTU that an ICMP error to a port's host tells of; 0 if the frames
// are none.
func answerMTU(t testing.TB, frames []encap.Frame) int {
	t.Helper()
	if len(frames) != 1 {
		t.Errorf("%d frames for the sender", len(frames))
		return 0
	}
	var l encap.Layers
	l.Parse(frames[0].Data)
	if l.L4 == 0 {
		return 0
	}
	m := encap.ICMP(frames[0].Data[l.L4:])
	switch {
	case l.Proto == encap.ProtoICMP && m.Type() == 3 && m.Code() == 4:
		return m.MTU4()
	case l.Proto == encap.ProtoICMPv6 && m.Type() == 2:
		return int(m.MTU6())
	}
	return 0
}

// What fits passes, what does not is answered with what would have fitted.
func TestTooBigIsAnswered(t *testing.T) {
	for _, ipv6 := range []bool{false, true} {
		for _, sealed := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				a, b, _ := lowered(t, setup{network: networkConfig{Sealed: sealed}})
				fits := encap.OverlayMTU(narrowMTU, false, sealed, 0)
				good, big := ofSize(t, a, b, ipv6, fits), ofSize(t, a, b, ipv6, fits+1)
				a.port.send(t, good)
				pass(time.Second) // for the session
				b.port.expect(t, good)
				a.port.received()

				a.port.send(t, big)
				b.port.expect(t)
				if mtu := answerMTU(t, a.port.received()); mtu != fits {
					t.Errorf("ipv6 %v, sealed %v: told of an MTU of %d, want %d", ipv6, sealed, mtu, fits)
				}
				out := a.network.Stats().Out
				if out.Drops[dataplane.DropTooBig] != 1 || out.Dropped() != 1 || out.Answers != 1 {
					t.Errorf("%s, %d answers", drops(out), out.Answers)
				}
				a.conserved(t)
			})
		}
	}
}

// A tag leaves less to the packet behind it.
func TestTooBigWithTags(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := lowered(t, setup{})
		fits := encap.OverlayMTU(narrowMTU, false, false, 1)
		for _, size := range []int{fits, fits + 1} {
			frame := ofSize(t, a, b, false, size)
			tagged := append(append(append([]byte{}, frame[:12]...), 0x81, 0, 0, 5), frame[12:]...)
			a.port.send(t, tagged)
		}
		if n := len(b.port.received()); n != 1 {
			t.Errorf("%d frames passed", n)
		}
		got := a.port.received()
		if mtu := answerMTU(t, got); mtu != fits || string(got[0].Data[12:16]) != "\x81\x00\x00\x05" {
			t.Errorf("told of an MTU of %d, want %d: %x", mtu, fits, got[0].Data)
		}
	})
}

// A superframe fits if its segments do, and is answered once if not.
func TestTooBigSuperframes(t *testing.T) {
	for _, sealed := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			a, b, _ := lowered(t, setup{network: networkConfig{Sealed: sealed}})
			fits := encap.OverlayMTU(narrowMTU, false, sealed, 0)
			a.port.send(t, ofSize(t, a, b, false, 100))
			pass(time.Second)
			a.port.received()
			b.port.received()
			f := flowOf(a.mac, b.mac, false)
			f.tcp = true
			for i, size := range []int{fits - 40, fits - 39} {
				super := f.frame(t, pattern(5*size))
				dontFragment(super)
				a.port.inject(t, super, partial(super, size))
				synctest.Wait()
				if n := len(b.port.received()); (n > 0) != (i == 0) {
					t.Errorf("sealed %v: segments of %d bytes arrived in %d frames", sealed, size, n)
				}
			}
			if mtu := answerMTU(t, a.port.received()); mtu != fits {
				t.Errorf("told of an MTU of %d, want %d", mtu, fits)
			}
			out := a.network.Stats().Out
			if out.Drops[dataplane.DropTooBig] != 5 || out.Dropped() != 5 || out.Answers != 1 {
				t.Errorf("%s, %d answers", drops(out), out.Answers)
			}
			a.conserved(t)
		})
	}
}

// Those that nothing may be said about go in fragments, if the interface takes them. If not
// they are dropped and counted.
func TestTooBigIsNotAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent fragmented
		a, b, _ := lowered(t, setup{wrap: sent.wrap})
		unanswerable := func(bytes int) [][]byte {
			may := ofSize(t, a, b, false, bytes)
			may[encap.EthernetSize+6] = 0 // be fragmented
			group := ofSize(t, a, b, false, bytes)
			copy(group, encap.Broadcast[:])
			return [][]byte{may, group, etherFrame(b.mac, a.mac, string(pattern(bytes)))}
		}
		for _, frame := range unanswerable(1450) {
			a.port.send(t, frame)
			b.port.expect(t, frame)
			sent.expect(t, true)
		}
		a.port.send(t, unanswerable(1451)...)
		a.port.expect(t)
		b.port.expect(t)
		if out := a.network.Stats().Out; out.Drops[dataplane.DropTooBig] != 3 || out.Answers != 0 {
			t.Errorf("%s, %d answers", drops(out), out.Answers)
		}
		a.conserved(t)
	})
}

// Nobody is kept busy by frames that are too big.
func TestAnswersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := lowered(t, setup{port: mem.PortConfig{Offloads: allOffloads}})
		big := ofSize(t, a, b, false, 1450)
		for range 2 {
			for range 1500 {
				a.port.inject(t, big, encap.Offload{})
				synctest.Wait()
				a.port.received()
			}
			pass(time.Second)
		}
		if out := a.network.Stats().Out; out.Drops[dataplane.DropTooBig] != 3000 || out.Answers != 2000 {
			t.Errorf("%s, %d answers, want 1000 a second", drops(out), out.Answers)
		}
	})
}

// A flooded frame goes to those who can have it, and its sender is told of the others.
func TestTooBigForSome(t *testing.T) {
	for _, sealed := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			wire, paths := newWire(), mem.NewPaths()
			s := setup{network: networkConfig{Sealed: sealed}, paths: paths}
			all := []string{remoteVTEP, "10.9.0.3"}
			if s.peers = all; !sealed {
				s.peers, s.network.Remotes = nil, flooding(all...).Remotes
			}
			a := newNode(t, wire, localVTEP, s)
			far := setup{network: networkConfig{Sealed: sealed}, peers: back(s)}
			b, c := newNode(t, wire, remoteVTEP, far), newNode(t, wire, "10.9.0.3", far)
			a.port.send(t, toAll(a.mac))
			pass(time.Second)
			b.port.received()
			c.port.received()
			paths.Report(refused(a, b, narrowMTU))
			synctest.Wait()
			frame := ofSize(t, a, &node{mac: station(9)}, true, 1390)
			a.port.send(t, frame)
			b.port.expect(t)
			c.port.expect(t, frame)
			if mtu, want := answerMTU(t, a.port.received()), encap.OverlayMTU(narrowMTU, false, sealed, 0); mtu != want {
				t.Errorf("told of an MTU of %d, want %d", mtu, want)
			}
			a.conserved(t)
		})
	}
}

// The system's word counts as a router's.
func TestTheSystemRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := func(u dataplane.Underlay) dataplane.Underlay {
			return &scripted{Underlay: u.(*mem.Underlay), fail: func(d *encap.Datagram) error {
				if d.Len() > narrowMTU-28 {
					return syscall.EMSGSIZE
				}
				return nil
			}}
		}
		wire, paths := newWire(), mem.NewPaths()
		paths.SetMTU(netip.MustParseAddr(remoteVTEP), narrowMTU)
		a := newNode(t, wire, localVTEP, setup{network: flooding(remoteVTEP), paths: paths, wrap: limit})
		b := newNode(t, wire, remoteVTEP, setup{})
		must(t, a.network.AddEntry(b.mac, b.addr))
		big := ofSize(t, a, b, false, 1450)
		a.port.send(t, big)
		a.port.expect(t)
		a.port.send(t, big)
		if mtu := answerMTU(t, a.port.received()); mtu != narrowMTU-50 {
			t.Errorf("told of an MTU of %d", mtu)
		}
		if got := a.vtep.Paths(); len(got) != 1 || got[0].MTU != narrowMTU || got[0].Remote != b.addr.Addr() {
			t.Errorf("paths %+v", got)
		}
		a.conserved(t)
	})
}

// Whoever sends more than the interface takes is told at once, and not only of what follows.
func TestTooBigForTheInterfaceIsAnswered(t *testing.T) {
	const mtu = 1500
	for _, ipv6 := range []bool{false, true} {
		for _, sealed := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				limit := func(u dataplane.Underlay) dataplane.Underlay {
					return &scripted{Underlay: u.(*mem.Underlay), fail: func(d *encap.Datagram) error {
						if d.Len() > mtu-28 {
							return syscall.EMSGSIZE
						}
						return nil
					}}
				}
				wire, paths := newWire(), mem.NewPaths()
				paths.SetMTU(netip.MustParseAddr(remoteVTEP), mtu)
				s := setup{network: networkConfig{Sealed: sealed}, paths: paths, wrap: limit}
				if s.peers = []string{remoteVTEP}; !sealed {
					s.peers, s.network.Remotes = nil, flooding(remoteVTEP).Remotes
				}
				a := newNode(t, wire, localVTEP, s)
				b := newNode(t, wire, remoteVTEP, setup{network: networkConfig{Sealed: sealed}, peers: back(s)})
				must(t, a.network.AddEntry(b.mac, b.addr))
				if sealed {
					a.peers[0].Want()
					synctest.Wait()
				}
				fits := encap.OverlayMTU(mtu, false, sealed, 0)
				big := ofSize(t, a, b, ipv6, fits+1)
				a.port.send(t, big)
				b.port.expect(t)
				if told := answerMTU(t, a.port.received()); told != fits {
					t.Errorf("ipv6 %v, sealed %v: told of an MTU of %d, want %d", ipv6, sealed, told, fits)
				}
				out := a.network.Stats().Out
				if out.Drops[dataplane.DropTooBig] != 1 || out.Dropped() != 1 || out.Answers != 1 {
					t.Errorf("%s, %d answers", drops(out), out.Answers)
				}
				a.conserved(t)
			})
		}
	}
}
