package dataplane_test

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

// newTrainWire hands trains over in one piece.
func newTrainWire() *mem.Network { return mem.NewNetwork(mem.Impairments{KeepTrains: true}, 1) }

// asLong makes a packet in clear text as long as a sealed one, for trains of both.
const asLong = "and 32 bytes for header and tag."

// dropped fails the test unless exactly so many frames of a network, or strays, were
// dropped for a reason, and none for another.
func (x *node) dropped(t *testing.T, n uint64, why dataplane.Drop) {
	t.Helper()
	in, stray := x.network.Stats().In, x.vtep.Stats().Stray
	if got := in.Drops[why] + stray.Drops[why]; got != n || in.Dropped()+stray.Dropped() != n {
		t.Errorf("dropped %s and stray %s, want %d for %v", drops(in), drops(stray), n, why)
	}
	x.conserved(t)
}

// behind returns the VTEP that the table has a MAC behind, if any.
func (x *node) behind(mac encap.MAC) netip.Addr {
	for _, e := range x.network.Entries() {
		if e.MAC == mac {
			return e.Remote.Addr()
		}
	}
	return netip.Addr{}
}

// TestClearTextIsRefused: from anybody, alone or between sealed packets of one train,
// before anything is learned from it.
func TestClearTextIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := newTrainWire()
		a := newSealedNode(t, wire, "10.9.0.1", setup{}, "10.9.0.2")
		in := newInsider(t, wire, "10.9.0.2", a)
		clear := vxlan(etherFrame(a.mac, station(1), "clear"+asLong))
		newStranger(t, wire, "10.9.0.9").say(t, a, encap.Datagram{Data: clear})
		in.say(t, a, encap.Datagram{Data: clear})
		a.port.expect(t)
		a.dropped(t, 2, dataplane.DropClear)

		frame := etherFrame(a.mac, station(2), "seal.")
		sealed := func() []byte { return in.seal(t, vxlan(frame), 0) }
		for _, train := range [][][]byte{{clear, sealed(), clear}, {sealed(), clear, sealed()}} {
			in.say(t, a, encap.Datagram{Data: slices.Concat(train...), SegmentSize: uint16(len(clear))})
		}
		a.port.expect(t, frame, frame, frame)
		a.dropped(t, 5, dataplane.DropClear)
		if who := a.behind(station(1)); who.IsValid() {
			t.Errorf("a MAC was learned from clear text, behind %v", who)
		}
	})
}

// TestClearTextSwallowsNothing: a packet in clear text whose inner length is that of the
// whole train that it got into.
func TestClearTextSwallowsNothing(t *testing.T) {
	for _, vni := range []byte{testVNI, testVNI + 1} { // a sealed network and a plain one
		synctest.Test(t, func(t *testing.T) {
			wire := newTrainWire()
			a := newSealedNode(t, wire, "10.9.0.1", setup{}, "10.9.0.2")
			if _, err := a.vtep.AddNetwork(networkConfig{VNI: testVNI + 1}); err != nil {
				t.Fatal(err)
			}
			in := newInsider(t, wire, "10.9.0.2", a)
			const packets = 8
			frame := etherFrame(a.mac, station(2), string(pattern(1000)))
			size := len(frame) + encap.VXLANSize + crypto.Overhead
			liar := vxlan(flowOf(foreignMAC, a.mac, false).frame(t, pattern(1100)))[:size]
			liar[6] = vni
			encap.IPv4(liar[encap.VXLANSize+encap.EthernetSize:]).SetTotalLength((packets+1)*size - encap.VXLANSize - encap.EthernetSize)
			train := liar
			for range packets {
				train = append(train, in.seal(t, vxlan(frame), 0)...)
			}
			in.say(t, a, encap.Datagram{Data: train, SegmentSize: uint16(size)})
			if got := len(a.port.received()); got != packets {
				t.Errorf("%d frames came, want %d", got, packets)
			}
			a.conserved(t)
		})
	}
}

// TestSealedForAPlainNetworkIsRefused: alone, or in a train with clear text.
func TestSealedForAPlainNetworkIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := newTrainWire()
		a := newNode(t, wire, "10.9.0.1", setup{guests: []string{"10.9.0.2"}})
		in := newInsider(t, wire, "10.9.0.2", a)
		frame := etherFrame(a.mac, station(2), "clear"+asLong)
		clear := vxlan(frame)
		sealed := func() []byte { return in.seal(t, vxlan(etherFrame(a.mac, station(1), "seal.")), 0) }
		in.say(t, a, encap.Datagram{Data: sealed()})
		for _, train := range [][][]byte{{clear, sealed()}, {sealed(), clear, sealed()}} {
			in.say(t, a, encap.Datagram{Data: slices.Concat(train...), SegmentSize: uint16(len(clear))})
		}
		a.port.expect(t, frame, frame)
		a.dropped(t, 4, dataplane.DropSealed)
		if who := a.behind(station(1)); who.IsValid() {
			t.Errorf("a MAC was learned, behind %v", who)
		}
	})
}

// TestOnlyMembersAreHeard: another peer of the VTEP is authentic, and no less refused; in
// a train with a member's packets, too, as whoever sends for both may make one.
func TestOnlyMembersAreHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := newTrainWire()
		a := newSealedNode(t, wire, "10.9.0.1", setup{guests: []string{"10.9.0.3"}}, "10.9.0.2")
		member, guest := newInsider(t, wire, "10.9.0.2", a), newInsider(t, wire, "10.9.0.3", a)
		good, bad := etherFrame(a.mac, station(1), "from b"), etherFrame(a.mac, station(2), "from c")
		guest.say(t, a, encap.Datagram{Data: guest.seal(t, vxlan(bad), 0)})
		train := append(member.seal(t, vxlan(good), 0), guest.seal(t, vxlan(bad), 0)...)
		size := len(train) / 2
		train = append(train, member.seal(t, vxlan(good), 0)...)
		guest.say(t, a, encap.Datagram{Data: train, SegmentSize: uint16(size)})
		a.port.expect(t, good, good)
		a.dropped(t, 2, dataplane.DropNotMember)
		if who := a.behind(station(2)); who.IsValid() {
			t.Errorf("a MAC was learned from the other, behind %v", who)
		}
	})
}

// TestFramesAreAttributedToWhoSealedThem: and not to the address that they come from.
func TestFramesAreAttributedToWhoSealedThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := newWire()
		a := newSealedNode(t, wire, "10.9.0.1", setup{}, "10.9.0.2", "10.9.0.3")
		b, c := newInsider(t, wire, "10.9.0.2", a), newInsider(t, wire, "10.9.0.3", a)
		frame := etherFrame(a.mac, station(1), "from b, by way of c")
		c.say(t, a, encap.Datagram{Data: b.seal(t, vxlan(frame), 0)})
		a.port.expect(t, frame)
		if who := a.behind(station(1)); who != b.Addr().Addr() {
			t.Errorf("learned behind %v, want %v", who, b.Addr())
		}
		if to := a.peers[0].Endpoint(); to != b.Addr() {
			t.Errorf("b is now sent to at %v", to)
		}
	})
}

// TestAPeerDoesNotTakeOthersMACs: that have an entry, wherever its packets come from.
func TestAPeerDoesNotTakeOthersMACs(t *testing.T) {
	for _, noLearning := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			wire := newWire()
			a := newSealedNode(t, wire, "10.9.0.1", setup{network: networkConfig{NoLearning: noLearning}}, "10.9.0.2", "10.9.0.3")
			b, c := newInsider(t, wire, "10.9.0.2", a), newInsider(t, wire, "10.9.0.3", a)
			must(t, a.network.Control(station(1), c.Addr()))
			taking := vxlan(etherFrame(a.mac, station(1), "mine"))
			b.say(t, a, encap.Datagram{Data: b.seal(t, taking, 0)})
			c.say(t, a, encap.Datagram{Data: b.seal(t, taking, 0)})
			a.port.expect(t)
			a.dropped(t, 2, dataplane.DropElsewhere)
			if who := a.behind(station(1)); who != c.Addr().Addr() {
				t.Errorf("it is now behind %v", who)
			}
			b.say(t, a, encap.Datagram{Data: c.seal(t, taking, 0)}) // whose it is, by way of b
			a.port.expect(t, taking[encap.VXLANSize:])
		})
	}
}

// TestAVTEPWithoutKeysRefusesWhatIsSealed: as one that has never heard of it would.
func TestAVTEPWithoutKeysRefusesWhatIsSealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := newTrainWire()
		a := newNode(t, wire, "10.9.0.1", setup{})
		s := newStranger(t, wire, "10.9.0.9")
		for kind := range byte(8) {
			packet := vxlan(toAll(foreignMAC))
			packet[0] = crypto.TypeData + kind
			s.say(t, a, encap.Datagram{Data: packet})
			s.say(t, a, encap.Datagram{Data: append(packet, packet...), SegmentSize: uint16(len(packet))})
		}
		a.port.expect(t)
		a.dropped(t, 3*8, dataplane.DropNoVNIFlag)
	})
}

// TestReflectionsAreRefused: what a VTEP has sealed, sent back to it by whom it was for or
// by others.
func TestReflectionsAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := newWire()
		var seen recorder
		a := newSealedNode(t, wire, "10.9.0.1", setup{wrap: seen.wrap}, "10.9.0.2")
		in := newInsider(t, wire, "10.9.0.2", a)
		s := newStranger(t, wire, "10.9.0.9")
		before := a.vtep.Node().Status()[0]
		for range 10 {
			a.port.send(t, frameOf(100))
		}
		data := uint64(0)
		for _, d := range seen.datagrams { // handshake and all
			if d[0] == crypto.TypeData {
				data++
			}
			in.say(t, a, encap.Datagram{Data: d})
			s.say(t, a, encap.Datagram{Data: d})
		}
		a.port.expect(t)
		stray := a.vtep.Stats().Stray
		if data != 10 || stray.Drops[dataplane.DropUnknownSession] != 2*data || stray.Dropped() != 2*data {
			t.Errorf("of %d sealed packets sent back twice: %s", data, drops(stray))
		}
		after := a.vtep.Node().Status()[0]
		if after.Epoch != before.Epoch || after.Endpoint != before.Endpoint || after.Received != before.Received {
			t.Errorf("state changed from %+v to %+v", before, after)
		}
	})
}

// TestRemotesOfASealedNetworkAreItsPeers: there is no key for others, so that there is
// nothing to send them.
func TestRemotesOfASealedNetworkAreItsPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newSealedNode(t, newWire(), "10.9.0.1", setup{guests: []string{"10.9.0.3"}}, "10.9.0.2")
		n := a.network
		group := encap.MAC{0x01, 0, 0x5e, 0, 0, 1}
		for _, bad := range []addrPort{netAddr("10.9.0.77"), netAddr("10.9.0.3"), mustAddrPort("10.9.0.2:4790")} {
			for name, err := range map[string]error{
				"remote":  n.AddRemote(bad),
				"only":    n.SetRemote(bad),
				"entry":   n.AddEntry(station(1), bad),
				"replace": n.ReplaceEntry(station(1), bad),
				"append":  n.AppendEntry(group, bad),
				"control": n.Control(station(1), bad),
				"network": addSealedNetwork(a, 7, bad),
			} {
				if !errors.Is(err, dataplane.ErrNotMember) {
					t.Errorf("%s %v: %v", name, bad, err)
				}
			}
		}
		if r, e := n.Remotes(), n.Entries(); len(r) != 1 || len(e) != 1 {
			t.Errorf("remotes %v, entries %v", r, e)
		}
		must(t, n.AddEntry(station(1), netAddr("10.9.0.2")))
		must(t, n.AppendEntry(group, netAddr("::ffff:10.9.0.2")))
	})
}

// addSealedNetwork adds one to a node, with its peers and a remote.
func addSealedNetwork(x *node, vni encap.VNI, remote addrPort) error {
	_, err := x.vtep.AddNetwork(networkConfig{VNI: vni, Sealed: true, Peers: x.peers, Remotes: []addrPort{remote}})
	return err
}

// TestSealedNetworksNeedKeys: and only they have peers.
func TestSealedNetworksNeedKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := newWire()
		plain := newNode(t, wire, "10.9.0.1", setup{})
		a := newSealedNode(t, wire, "10.9.0.2", setup{}, "10.9.0.1")
		if _, err := plain.vtep.AddNetwork(networkConfig{VNI: 7, Sealed: true}); err == nil {
			t.Error("a vtep without a key has a sealed network")
		}
		if _, err := a.vtep.AddNetwork(networkConfig{VNI: 7, Peers: a.peers}); err == nil {
			t.Error("a plain network has peers")
		}
		if plain.vtep.Node() != nil {
			t.Error("a vtep without a key has a node")
		}
	})
}

// TestWhatIsInsideIsCheckedToo: a peer's packets are no more right than a stranger's.
func TestWhatIsInsideIsCheckedToo(t *testing.T) {
	frame := toAll(station(1))
	whole := vxlan(frame)
	noFlag, reserved, unknown, nested := vxlan(frame), vxlan(frame), vxlan(frame), vxlan(frame)
	noFlag[0], reserved[7], unknown[6], nested[0] = 0, 1, testVNI+1, crypto.TypeData
	cases := []struct {
		name  string
		plain []byte
		flags uint16
		why   dataplane.Drop
	}{
		{"nothing", nil, 0, dataplane.DropNoHeader},
		{"half a header", whole[:encap.VXLANSize-1], 0, dataplane.DropNoHeader},
		{"a header", whole[:encap.VXLANSize], 0, dataplane.DropRunt},
		{"a runt", whole[:encap.VXLANSize+encap.EthernetSize-1], 0, dataplane.DropRunt},
		{"no I flag", noFlag, 0, dataplane.DropNoVNIFlag},
		{"sealed twice", nested, 0, dataplane.DropNoVNIFlag},
		{"a reserved bit", reserved, 0, dataplane.DropReserved},
		{"another VNI", unknown, 0, dataplane.DropUnknownVNI},
		{"from nobody", vxlan(toAll(encap.MAC{})), 0, dataplane.DropInvalidSource},
		{"a loop", vxlan(toAll(ownMAC)), 0, dataplane.DropLoop},
		{"an unknown flag", whole, 2, dataplane.DropSealedHeader},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				wire := newTrainWire()
				a := newSealedNode(t, wire, "10.9.0.1", setup{}, "10.9.0.2")
				in := newInsider(t, wire, "10.9.0.2", a)
				in.say(t, a, encap.Datagram{Data: in.seal(t, c.plain, c.flags)})
				a.port.expect(t)
				a.dropped(t, 1, c.why)
				if len(c.plain) != len(whole) {
					return
				}
				// In the middle of a train it does not spoil the others.
				train := [][]byte{in.seal(t, whole, 0), in.seal(t, c.plain, c.flags), in.seal(t, whole, 0)}
				in.say(t, a, encap.Datagram{Data: slices.Concat(train...), SegmentSize: uint16(len(train[0]))})
				a.port.expect(t, frame, frame)
				a.dropped(t, 2, c.why)
			})
		})
	}
}
