package dataplane_test

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

// insider is a peer of a VTEP, authentic and with a session, that seals what it likes.
type insider struct {
	stranger
	node *crypto.Node
	peer *crypto.Peer // the VTEP
}

// newInsider has the session that the VTEP expects of a peer at addr.
func newInsider(t testing.TB, wire *mem.Network, addr string, to *node) *insider {
	t.Helper()
	in := &insider{stranger: newStranger(t, wire, addr)}
	own := netip.AddrPortFrom(netip.MustParseAddr(addr), dataplane.DefaultPort)
	var err error
	in.node, err = crypto.NewNode(crypto.Config{Identity: testKey(addr), Local: own, Queues: 1})
	must(t, err)
	in.peer, err = in.node.AddPeer(crypto.PeerConfig{Public: testKey(to.addr.Addr().String()).Public(), VTEP: to.addr})
	must(t, err)
	for range 100 {
		in.turn(t)
		if in.peer.Sending() != nil && to.secure(in.node.Public()) {
			return in
		}
		pass(50 * time.Millisecond)
	}
	t.Fatalf("no session of %v with %v", addr, to.addr)
	return nil
}

// secure reports whether the VTEP has a session with a peer.
func (x *node) secure(peer crypto.PublicKey) bool {
	for _, s := range x.vtep.Node().Status() {
		if s.Public == peer {
			return s.State == crypto.Secure
		}
	}
	return false
}

// turn has the insider's node do what is due, and answer what it was sent.
func (in *insider) turn(t testing.TB) {
	t.Helper()
	messages, _ := in.node.Poll(nil)
	for {
		for _, m := range messages {
			must(t, in.Post(&encap.Datagram{Data: m.Data, Remote: m.To}))
		}
		synctest.Wait()
		if messages = in.hear(t); len(messages) == 0 {
			return
		}
	}
}

// hear takes what has come, and returns what the node says to it.
func (in *insider) hear(t testing.TB) (answers []crypto.Message) {
	t.Helper()
	for {
		d := []encap.Datagram{{Data: make([]byte, 1<<16)}}
		n, err := in.Poll(d)
		must(t, err)
		if n == 0 {
			return answers
		}
		answers = in.node.Receive(d[0].Data, d[0].Remote, answers)
	}
}

// seal seals what it likes.
func (in *insider) seal(t testing.TB, plain []byte, flags uint16) []byte {
	t.Helper()
	sealed, ok := in.peer.Sending().Seal(0, nil, plain, flags)
	if !ok {
		t.Fatal("not sealed")
	}
	return sealed
}
