package main

import (
	"net/netip"
	"testing"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/control/keys"
	"github.com/vxtap/vxtap/crypto"
)

// Of an agent with an address of each family, a reload remakes what is of the VTEP whose peer
// has another key, or changes families, and nothing else.
func TestApplyFamilies(t *testing.T) {
	seal := oneKey(t)
	seal.Peers = append(seal.Peers, control.PeerKey{VTEP: netip.MustParseAddrPort("[fd09::2]:0"), Public: keyB})
	node := control.NodeSpec{Local: netip.MustParseAddr("10.9.0.1"), Other: netip.MustParseAddr("fd09::1"), Port: 4789, Seal: seal}
	k, err := keys.Load(node)
	if err != nil {
		t.Fatal(err)
	}
	a, err := control.Open(control.AgentConfig{Node: node, Keys: k, Drivers: newMemDrivers().drivers()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}()
	v4, v6 := networkTo(42, true, "10.9.0.2"), networkTo(43, true, "fd09::2")
	mover := networkTo(44, false, "10.9.0.2")
	all := func() control.Spec {
		return control.Spec{Node: node, Networks: []control.NetworkSpec{v4, v6, mover}}
	}
	apply(t, a, all(), "+[42 43 44] -[] ~[] ![] =0 kept [] failed []")
	if n := a.Node(); n.Second == nil || n.Second.Local != node.Other || len(a.Keys().Peers) != 2 {
		t.Errorf("node %+v, keys %+v", n, a.Keys())
	}
	node.Seal.Peers = append([]control.PeerKey(nil), seal.Peers...)
	node.Seal.Peers[1].Public = crypto.PrivateKey{0, 4}.Public()
	apply(t, a, all(), "+[] -[] ~[] ![43] =2 kept [] failed []")
	mover.Remotes = networkTo(44, false, "fd09::2").Remotes
	apply(t, a, all(), "+[] -[] ~[] ![44] =2 kept [] failed []")
	node.Other = netip.Addr{}
	apply(t, a, all(), "+[] -[] ~[] ![] =3 kept [local] failed []")
}
