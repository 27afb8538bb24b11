package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/control/keys"
	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/encap"
)

// The agent with a configuration that changes, over devices and a wire in memory.

func apply(t *testing.T, a *control.Agent, spec control.Spec, want string) {
	t.Helper()
	r, err := a.Apply(spec)
	got := fmt.Sprintf("+%v -%v ~%v !%v =%d kept %v failed %v", r.Added, r.Removed, r.Changed, r.Remade, r.Unchanged, r.Kept, r.Failed)
	if err != nil || got != want {
		t.Errorf("applied %s, %v; want %s", got, err, want)
	}
}

func static(mac string, to ...string) (list []control.StaticEntry) {
	for _, r := range to {
		e, err := control.ParseStaticEntry(mac + "=" + r)
		if err != nil {
			panic(err)
		}
		list = append(list, e)
	}
	return list
}

// entries lists the flood list and the static entries of a network in short.
func entries(t *testing.T, a *control.Agent, vni encap.VNI) string {
	t.Helper()
	list, err := a.FDB(vni)
	if err != nil {
		t.Fatal(err)
	}
	var s []string
	for _, e := range list {
		if e.Class == api.ClassFlood || e.Class == api.ClassStatic {
			s = append(s, fmt.Sprintf("%v>%v", e.MAC, e.Dst))
		}
	}
	return strings.ReplaceAll(strings.Join(s, " "), "00:00:00:00:00:00", "flood")
}

// Remotes and entries change in place, and what a user entered by hand stays.
func TestApplyInPlace(t *testing.T) {
	a := openSealed(t, newMemDrivers(), "10.9.0.1", control.SealSpec{})
	spec := func(n control.NetworkSpec) control.Spec {
		return control.Spec{Node: control.NodeSpec{Local: netip.MustParseAddr("10.9.0.1")}, Networks: []control.NetworkSpec{n}}
	}
	n := networkTo(42, false, "10.9.0.2", "10.9.0.3")
	one, group := macB.String(), "01:00:5e:00:00:01"
	n.Static = append(static(one, "10.9.0.2"), static(group, "10.9.0.2", "10.9.0.3")...)
	apply(t, a, spec(n), "+[42] -[] ~[] ![] =0 kept [] failed []")
	if err := a.ChangeFDB(42, api.FDBChange{Op: api.OpAppend, Dst: netip.MustParseAddr("10.9.0.9")}); err != nil {
		t.Fatal(err)
	}
	n = networkTo(42, false, "10.9.0.3", "10.9.0.4")
	n.Static = append(static(one, "10.9.0.4"), static(group, "10.9.0.3", "10.9.0.4")...)
	apply(t, a, spec(n), "+[] -[] ~[42] ![] =0 kept [] failed []")
	want := "flood>10.9.0.3 flood>10.9.0.9 flood>10.9.0.4 " + group + ">10.9.0.3 " + group + ">10.9.0.4 " + one + ">10.9.0.4"
	if got := entries(t, a, 42); !sameWords(got, want) {
		t.Errorf("the table is\n%s, want\n%s", got, want)
	}
	n = networkTo(42, false)
	apply(t, a, spec(n), "+[] -[] ~[42] ![] =0 kept [] failed []")
	if got := entries(t, a, 42); got != "flood>10.9.0.9" {
		t.Errorf("the table is %s", got)
	}
	apply(t, a, spec(n), "+[] -[] ~[] ![] =1 kept [] failed []")
	n.Closed = true
	apply(t, a, spec(n), "+[] -[] ~[] ![42] =0 kept [] failed []")
}

func sameWords(a, b string) bool {
	count := map[string]int{}
	for _, w := range strings.Fields(a) {
		count[w]++
	}
	for _, w := range strings.Fields(b) {
		count[w]--
	}
	for _, n := range count {
		if n != 0 {
			return false
		}
	}
	return true
}

// What cannot be made leaves what was there, and a mistake leaves everything.
func TestApplyFails(t *testing.T) {
	d := newMemDrivers()
	a := openSealed(t, d, "10.9.0.1", control.SealSpec{})
	events, stop := a.Events()
	defer stop()
	node := control.NodeSpec{Local: netip.MustParseAddr("10.9.0.1"), Port: 4789}
	spec := control.Spec{Node: node, Networks: []control.NetworkSpec{networkTo(42, false, "10.9.0.2"), networkTo(43, false, "10.9.0.2")}}
	apply(t, a, spec, "+[42 43] -[] ~[] ![] =0 kept [] failed []")
	for _, want := range []encap.VNI{42, 43} {
		if e := <-events; e.Kind != api.EventNetworkUp || e.VNI != want {
			t.Errorf("told %+v", e)
		}
	}
	held, err := a.Up(api.Words{"vni": {"44"}, "remote": {"10.9.0.2"}, "local": {"10.9.0.1"}, "queues": {"1"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []control.NetworkSpec{
		networkTo(44, false, "10.9.0.2"), // who made it keeps it
		networkTo(43, false, "10.9.0.2"), // twice
		networkTo(45, false, "10.9.0.1"), // ourselves
		networkTo(45, true, "10.9.0.2"),  // without keys
		{NetworkConfig: networkTo(45, false).NetworkConfig, Port: control.PortSpec{Device: "vx44"}},
	} {
		if _, err := a.Apply(control.Spec{Node: node, Networks: append(spec.Networks, bad)}); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
	spec.Node.Port, spec.Node.Offload = 8472, control.OffloadNone
	apply(t, a, spec, "+[] -[] ~[] ![] =2 kept [port offload] failed []")
	spec.Node = node
	apply(t, a, control.Spec{Node: node}, "+[] -[42 43] ~[] ![] =0 kept [] failed []")
	if err := held.Remove(); err != nil {
		t.Error(err)
	}
	<-held.Gone
	if err := held.Remove(); err != nil {
		t.Errorf("removed twice: %v", err)
	}
	if err := a.RemoveNetwork(44); !errors.Is(err, api.ErrNotFound) {
		t.Errorf("removed thrice: %v", err)
	}
	if _, err := a.Reload(); err == nil || !strings.Contains(err.Error(), "no configuration file") {
		t.Errorf("reload without a file: %v", err)
	}
}

// A peer that comes, goes or gets another key remakes the sealed networks that it is in.
func TestApplyPeers(t *testing.T) {
	seal := oneKey(t)
	node := control.NodeSpec{Local: netip.MustParseAddr("10.9.0.1"), Seal: seal}
	a := openSealed(t, newMemDrivers(), "10.9.0.1", seal)
	plain, toB := networkTo(42, false, "10.9.0.2"), networkTo(43, true, "10.9.0.2")
	toC := networkTo(44, true, "10.9.0.3")
	apply(t, a, control.Spec{Node: node, Networks: []control.NetworkSpec{plain, toB}}, "+[42 43] -[] ~[] ![] =0 kept [] failed []")
	node.Seal.Peers = append([]control.PeerKey(nil), seal.Peers...)
	node.Seal.Peers = append(node.Seal.Peers, control.PeerKey{VTEP: netip.AddrPortFrom(peer3, 0), Public: keyC})
	apply(t, a, control.Spec{Node: node, Networks: []control.NetworkSpec{plain, toB, toC}}, "+[44] -[] ~[] ![] =2 kept [] failed []")
	node.Seal.Peers = append([]control.PeerKey(nil), node.Seal.Peers...)
	node.Seal.Peers[0].Public = crypto.PrivateKey{0, 4}.Public()
	apply(t, a, control.Spec{Node: node, Networks: []control.NetworkSpec{plain, toB, toC}}, "+[] -[] ~[] ![43] =2 kept [] failed []")
	for _, p := range a.Keys().Peers {
		if p.VTEP.Addr() == peer2 && p.PublicKey != node.Seal.Peers[0].Public {
			t.Error("the peer has its old key")
		}
	}
	own, err := keys.Load(control.NodeSpec{Local: node.Local, Seal: seal})
	if err != nil {
		t.Fatal(err)
	}
	node.Seal.Peers = []control.PeerKey{{VTEP: netip.AddrPortFrom(peer3, 0), Public: own.Identity().Public()}}
	if _, err := a.Apply(control.Spec{Node: node, Networks: []control.NetworkSpec{plain}}); err == nil || !strings.Contains(err.Error(), "this node's own") {
		t.Errorf("ourselves as a peer: %v", err)
	}
	if len(a.Keys().Peers) != 2 {
		t.Error("what was refused changed something")
	}
}

// Who does not read loses events, and is told how many; the agent does not wait.
func TestEventsOfSlowReader(t *testing.T) {
	a := openSealed(t, newMemDrivers(), "10.9.0.1", control.SealSpec{})
	events, stop := a.Events()
	defer stop()
	for range 200 {
		add(t, a, networkTo(42, false, "10.9.0.2"))
		if err := a.RemoveNetwork(42); err != nil {
			t.Fatal(err)
		}
	}
	told := 0
	for len(events) > 0 {
		<-events
		told++
	}
	add(t, a, networkTo(42, false, "10.9.0.2"))
	if e := <-events; told+int(e.Missed) != 400 || e.Missed == 0 {
		t.Errorf("%d told and %d missed of 400", told, e.Missed)
	}
}
