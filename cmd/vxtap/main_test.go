package main

import (
	"bytes"
	"context"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/encap"
)

var update = flag.Bool("update", false, "write the golden files anew")

// agent is a backend with a fixed face that remembers what it was asked.
type agent struct {
	node  api.Node
	stats []api.Stats // one for each question, the last for all that follow
	fdb   map[encap.VNI][]api.FDBEntry

	capture []byte // what a capture brings
	keys    api.Keys
	err     error

	reloaded api.Reloaded
	events   []api.Event

	asked []any
}

func (a *agent) Node() api.Node { return a.node }

func (a *agent) Stats() api.Stats {
	s := a.stats[0]
	if len(a.stats) > 1 {
		a.stats = a.stats[1:]
	}
	return s
}

func (a *agent) FDB(vni encap.VNI) ([]api.FDBEntry, error) { return a.fdb[vni], a.err }

func (a *agent) ChangeFDB(vni encap.VNI, c api.FDBChange) error {
	a.asked = append(a.asked, vni, c)
	return a.err
}

func (a *agent) DeleteFDB(vni encap.VNI, mac encap.MAC, dst netip.AddrPort) error {
	a.asked = append(a.asked, vni, mac, dst)
	return a.err
}

func (a *agent) FlushFDB(vni encap.VNI, f api.FDBFlush) (int, error) {
	a.asked = append(a.asked, vni, f)
	return 3, a.err
}

func (a *agent) Keys() api.Keys { return a.keys }

func (a *agent) RotateKeys(which api.KeysRotate) (int, error) {
	a.asked = append(a.asked, which)
	return len(a.keys.Peers), a.err
}

func (a *agent) Network(vni encap.VNI) (api.Network, error) { return api.Network{VNI: vni}, a.err }

func (a *agent) Up(words api.Words) (api.Held, error) {
	a.asked = append(a.asked, words)
	return api.Held{}, a.err
}

func (a *agent) RemoveNetwork(vni encap.VNI) error {
	a.asked = append(a.asked, vni)
	return a.err
}

func (a *agent) AddPort(vni encap.VNI, spec api.PortSpec) (api.Port, error) {
	a.asked = append(a.asked, vni, spec)
	return api.Port{Name: spec.Name}, a.err
}

func (a *agent) RemovePort(vni encap.VNI, name string) error {
	a.asked = append(a.asked, vni, name)
	return a.err
}

func (a *agent) Reload() (api.Reloaded, error) { return a.reloaded, a.err }

func (a *agent) Events() (<-chan api.Event, func()) {
	events := make(chan api.Event, len(a.events))
	for _, e := range a.events {
		events <- e
	}
	close(events)
	return events, func() {}
}

// serve lets the agent answer on a socket until the test ends.
func (a *agent) serve(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "vxtap.sock")
	ln, err := api.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- api.Serve(ctx, ln, a) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return path
}

var (
	keyA    = crypto.PrivateKey{0, 1}.Public()
	keyB    = crypto.PrivateKey{0, 2}.Public()
	keyC    = crypto.PrivateKey{0, 3}.Public()
	started = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	macA    = encap.MAC{0x02, 0x42, 0x0a, 0x09, 0x00, 0x0a}
	macB    = encap.MAC{0x02, 0x42, 0x0a, 0x09, 0x00, 0x0b}
	peer2   = netip.MustParseAddr("10.9.0.2")
	peer3   = netip.MustParseAddr("10.9.0.3")
)

// oneNetwork is an agent with a network, a port and two remotes.
func oneNetwork() *agent {
	return &agent{
		node: api.Node{
			Version: "v1.2.3", Local: netip.MustParseAddr("10.9.0.1"), Port: 4789, Started: started,
			Underlay: api.UnderlayInfo{Driver: "linux", Queues: 2, Interface: "eth0", MTU: 1500, TrainsRefused: 3,
				Paths:         []api.Path{{Remote: netip.MustParseAddr("10.9.0.3"), MTU: 1400, HoldsSeconds: 540}},
				ReceiveBuffer: 425984, ReceiveBufferWanted: 8388608, Offloads: []api.Offload{
					{Name: "udp-gso", InForce: true}, {Name: "udp-gro", Why: "not in this kernel: protocol not available"},
				}},
			Networks: []api.Network{{
				VNI: 42, MTU: 1450, Learning: true, AgeingSeconds: 300, MaxMACs: 65536, TTL: 64,
				Remotes: []netip.AddrPort{netip.AddrPortFrom(peer2, 4789), netip.AddrPortFrom(peer3, 4790)},
				Ports: []api.Port{{Name: "vx42", Kind: api.KindTAP, Device: "vx42", MAC: macA, MTU: 1450, Driver: "linux",
					Addresses: []netip.Prefix{netip.MustParsePrefix("192.168.77.1/24")},
					Offloads:  []api.Offload{{Name: "csum", InForce: true}, {Name: "tso", InForce: true}, {Name: "uso", Why: "kernel before 6.2"}}}},
				Learned: 1, Static: 1,
			}},
		},
		fdb: map[encap.VNI][]api.FDBEntry{42: {
			{Class: api.ClassFlood, Dst: peer2, DstPort: 4789},
			{Class: api.ClassFlood, Dst: peer3, DstPort: 4790},
			{MAC: macA, Class: api.ClassLocal, Port: "vx42"},
			{MAC: macB, Class: api.ClassLearned, Dst: peer2, DstPort: 4789, AgeSeconds: 125},
			{MAC: encap.Broadcast, Class: api.ClassStatic, Dst: peer3, DstPort: 4790},
		}},
		stats: []api.Stats{counted(1000), counted(3500)},
	}
}

// twoNetworks adds a network of two ports, closed, without remotes.
func twoNetworks() *agent {
	a := oneNetwork()
	a.node.Networks = append(a.node.Networks, api.Network{
		VNI: 43, MTU: 1430, Closed: true, MaxMACs: 10, TTL: 9, TOS: api.TOS{Fixed: true, Value: 0x28}, ReservedBits: 1 << 59,
		Ports: []api.Port{
			{Name: "c1", Kind: api.KindTAP, Device: "c1", MTU: 1430, NetNS: "blue", Driver: "portable"},
			{Name: "c2", Kind: api.KindTAP, Device: "eth0", MAC: macB, MTU: 1430, Driver: "linux", Added: true},
		},
	})
	a.fdb[43] = []api.FDBEntry{{MAC: macB, Class: api.ClassLocal, Port: "c2"}, {MAC: macA, Class: api.ClassStatic, Dst: peer2, DstPort: 4789}}
	return a
}

// sealedNetwork is an agent with a sealed network of three nodes, one of which is not
// there yet.
func sealedNetwork() *agent {
	a := oneNetwork()
	n := &a.node.Networks[0]
	n.Sealed, n.Cipher, n.MTU, n.Ports[0].MTU = true, "aes-128-gcm", 1418, 1418
	a.keys = api.Keys{
		PublicKey: keyA, Cipher: "aes-128-gcm", NAT: true, Rejected: map[string]uint64{"stranger": 5, "bad_mac": 7, "load": 0},
		Peers: []api.PeerKeys{
			{
				PublicKey: keyB, VTEP: netip.AddrPortFrom(peer2, 4789), Endpoint: netip.MustParseAddrPort("192.0.2.1:40000"), NAT: true,
				State: "secure", Epoch: 3, AgeSeconds: 60, NextRotationSeconds: 43000, Sent: 1000, Received: 999,
				Rejected: map[string]uint64{"replayed": 2, "forged": 1, "stale": 0},
			},
			{PublicKey: keyC, VTEP: netip.AddrPortFrom(peer3, 4790), State: "no-session"},
		},
	}
	return a
}

// counted is counters in the proportion of n.
func counted(n uint64) api.Stats {
	drops := func(reason string, n uint64) map[string]uint64 {
		m := map[string]uint64{"runt": 0, "hairpin": 0, "unknown_vni": 0, "no_destination": 0}
		m[reason] = n
		return m
	}
	return api.Stats{
		Networks: []api.NetworkStats{{
			VNI: 42,
			Out: api.Direction{Frames: n, Bytes: 1500 * n, Forwarded: n - 10, ForwardedBytes: 1500 * (n - 10), Copies: 5, Dropped: 10, Drops: drops("no_destination", 10)},
			In:  api.Direction{Frames: 2 * n, Bytes: 200 * n, Forwarded: 2 * n, ForwardedBytes: 200 * n, Drops: drops("runt", 0)},

			PortDrops: map[string]uint64{"vx42": 7},
		}},
		Stray:         api.Direction{Frames: 4, Bytes: 400, Dropped: 4, Drops: drops("unknown_vni", 4)},
		UnderlayDrops: 2,
	}
}

// result is what a run of the program left.
type result struct {
	code           int
	stdout, stderr string
}

// vxtap runs the program with a clock that starts when the agents above are an hour
// old and gains a second whenever it is read.
func vxtap(ctx context.Context, socket string, args ...string) result {
	return vxtapReading(ctx, "", socket, args...)
}

// vxtapReading runs it with something on standard input.
func vxtapReading(ctx context.Context, stdin, socket string, args ...string) result {
	var stdout, stderr bytes.Buffer
	now := started.Add(time.Hour)
	code := run(ctx, &env{
		stdin:  strings.NewReader(stdin),
		stdout: &stdout,
		stderr: &stderr,
		getenv: func(key string) string {
			if key == "VXTAP_SOCKET" {
				return socket
			}
			return ""
		},
		now: func() time.Time { now = now.Add(time.Second); return now },
	}, args)
	return result{code, stdout.String(), stderr.String()}
}

// golden compares output with testdata/name.txt.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}
