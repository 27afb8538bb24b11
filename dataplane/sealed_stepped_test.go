package dataplane

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/encap"
)

// sealedStepped is a stepped VTEP with a sealed network, and a session with each of its
// remotes, which are nodes without a VTEP.
type sealedStepped struct {
	*stepped
	far []farEnd
}

// farEnd is a remote: its node, and the VTEP as that knows it.
type farEnd struct {
	node *crypto.Node
	vtep *crypto.Peer
	addr netip.AddrPort
}

// steppedKey is the private key of the node at an address.
func steppedKey(addr netip.Addr) crypto.PrivateKey { return crypto.PSK{4, 5, 6}.Identity(addr) }

func addPeer(tb testing.TB, n *crypto.Node, addr netip.Addr) *crypto.Peer {
	tb.Helper()
	p, err := n.AddPeer(crypto.PeerConfig{Public: steppedKey(addr).Public(), VTEP: netip.AddrPortFrom(addr, DefaultPort)})
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func newSealedStepped(tb testing.TB, ipv6 bool, remotes int) *sealedStepped {
	tb.Helper()
	local := netip.MustParseAddr("10.9.0.1")
	if ipv6 {
		local = netip.MustParseAddr("fd09::1")
	}
	list := following(local, remotes)
	s := &sealedStepped{stepped: openStepped(tb, local, list, &crypto.Config{Identity: steppedKey(local)})}
	for _, addr := range list {
		node, err := crypto.NewNode(crypto.Config{Identity: steppedKey(addr), Queues: 1})
		if err != nil {
			tb.Fatal(err)
		}
		f := farEnd{node: node, vtep: addPeer(tb, node, local), addr: netip.AddrPortFrom(addr, DefaultPort)}
		f.meet(tb, s.v)
		s.far = append(s.far, f)
	}
	return s
}

// meet has the handshake, which the remote begins.
func (f *farEnd) meet(tb testing.TB, v *VTEP) {
	tb.Helper()
	messages, _ := f.node.Poll(nil)
	for len(messages) > 0 {
		var answers []crypto.Message
		for _, m := range messages {
			answers = v.Node().Receive(m.Data, f.addr, answers)
		}
		messages = nil
		for _, m := range answers {
			messages = f.node.Receive(m.Data, f.vtep.VTEP(), messages)
		}
	}
	if f.vtep.Sending() == nil {
		tb.Fatalf("no session with %v", f.addr)
	}
}

// seal seals a frame of VNI 42.
func (f *farEnd) seal(tb testing.TB, frame []byte, flags uint16) []byte {
	tb.Helper()
	sealed, ok := f.vtep.Sending().Seal(0, nil, vxlanOf(frame), flags)
	if !ok {
		tb.Fatal("not sealed")
	}
	return sealed
}

// train seals frames of equal length (the last may be shorter) into one train.
func (f *farEnd) train(tb testing.TB, flags uint16, frames ...[]byte) encap.Datagram {
	tb.Helper()
	var data []byte
	for _, frame := range frames {
		data = append(data, f.seal(tb, frame, flags)...)
	}
	return encap.Datagram{Data: data, SegmentSize: uint16(len(frames[0]) + encap.VXLANSize + crypto.Overhead), Remote: f.addr}
}

// opened is what a remote finds in a packet.
type opened struct {
	frame []byte
	flags uint16
}

// open opens everything that went to the remote.
func (f *farEnd) open(tb testing.TB, u *script) (all []opened) {
	tb.Helper()
	for _, d := range u.took {
		if d.Remote != f.addr {
			continue
		}
		packet := slices.Clone(d.Data)
		key := f.node.Receiving(crypto.Header(packet).Index())
		if key == nil {
			tb.Fatalf("a packet of nobody's session: %x", packet)
		}
		plain, flags, verdict := key.Open(packet)
		if verdict != crypto.Opened {
			tb.Fatalf("a packet that is %v", verdict)
		}
		if vni, fault := encap.CheckVXLAN(plain, 0); vni != 42 || fault != encap.VXLANOK {
			tb.Fatalf("VNI %d, fault %v", vni, fault)
		}
		all = append(all, opened{plain[encap.VXLANSize:], flags})
	}
	return all
}
