package api_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/encap"
)

var (
	mac  = encap.MAC{0x02, 0x42, 0x0a, 0x09, 0x00, 0x02}
	peer = netip.MustParseAddr("10.9.0.2")
)

// publicKey returns somebody's.
func publicKey(n byte) crypto.PublicKey { return crypto.PrivateKey{1: n}.Public() }

// everything is a backend whose every field has a value, so that one lost on the way
// shows.
func everything() *backend {
	offload := api.Offload{Name: "gro", Why: "kernel has none"}
	dir := api.Direction{Frames: 1, Bytes: 2, Forwarded: 3, ForwardedBytes: 4, Copies: 5, Dropped: 1 << 63,
		Drops: map[string]uint64{"runt": 1 << 63, "ecn": 0}}
	return &backend{
		node: api.Node{
			Version: "v1", Local: peer, Port: 4789, Started: time.Unix(1700000000, 5).UTC(),
			Underlay: api.UnderlayInfo{Driver: "linux", ReceiveBuffer: 1, ReceiveBufferWanted: 2, Offloads: []api.Offload{offload}, TrainsRefused: 3},
			Networks: []api.Network{{
				VNI: 42, MTU: 1450, Learning: true, Closed: true, AgeingSeconds: 300, MaxMACs: 7, TTL: 64,
				TOS: api.TOS{Fixed: true, Value: 0x28}, ReservedBits: 1<<63 | 1,
				Sealed: true, Cipher: "aes-128-gcm",
				Remotes: []netip.AddrPort{netip.AddrPortFrom(peer, 4789)},
				Ports: []api.Port{{Name: "vx42", MAC: mac, MTU: 1450, NetNS: "h1", Driver: "linux",
					Addresses: []netip.Prefix{netip.MustParsePrefix("fd00::1/64")}, Offloads: []api.Offload{offload}}},
				Learned: 3, Static: 4,
			}},
		},
		stats: api.Stats{
			Networks: []api.NetworkStats{{VNI: 42, Out: dir, In: dir, MACsRefused: 6, MovesHeld: 8, PortDrops: map[string]uint64{"vx42": 7}}},
			Stray:    dir, UnderlayDrops: 8, Unlearned: 9, ReceiveErrors: 10,
		},
		fdb: []api.FDBEntry{
			{MAC: encap.MAC{}, Class: api.ClassFlood, Dst: peer, DstPort: 4789},
			{MAC: mac, Class: api.ClassLearned, Dst: peer, DstPort: 4790, AgeSeconds: 12},
			{MAC: mac, Class: api.ClassLocal, Port: "vx42"},
		},
		flushed: 11,
		keys: api.Keys{
			PublicKey: publicKey(1), Cipher: "aes-256-gcm", NAT: true, Rejected: map[string]uint64{"stranger": 6},
			Peers: []api.PeerKeys{{
				PublicKey: publicKey(2), VTEP: netip.AddrPortFrom(peer, 4789), Endpoint: netip.MustParseAddrPort("[fd09::1]:9"), NAT: true,
				State: "secure", Epoch: 3, AgeSeconds: 4, NextRotationSeconds: 5, Sent: 1 << 63, Received: 7,
				Rejected: map[string]uint64{"forged": 1 << 63, "replayed": 0},
			}},
		},
		rotated: 12,
	}
}

func TestAnswersArriveWhole(t *testing.T) {
	b := everything()
	c, ctx := api.NewClient(serve(t, b)), t.Context()

	node, err := c.Node(ctx)
	same(t, "node", node, b.node, err)
	stats, err := c.Stats(ctx)
	same(t, "stats", stats, b.stats, err)
	fdb, err := c.FDB(ctx, 42)
	same(t, "fdb", fdb, b.fdb, err)
	same(t, "network", b.vni, encap.VNI(42), nil)
	keys, err := c.Keys(ctx)
	same(t, "keys", keys, b.keys, err)
}

func TestRequestsArriveWhole(t *testing.T) {
	b := everything()
	c, ctx := api.NewClient(serve(t, b)), t.Context()

	for _, change := range []api.FDBChange{
		{Op: api.OpReplace, MAC: mac, Dst: peer, DstPort: 4790},
		{Op: api.OpAppend, MAC: encap.MAC{}, Dst: netip.MustParseAddr("fe80::1%eth0")},
	} {
		err := c.ChangeFDB(ctx, encap.MaxVNI, change)
		same(t, "change", b.change, change, err)
		same(t, "network", b.vni, encap.MaxVNI, nil)
	}
	for _, dst := range []netip.AddrPort{{}, netip.AddrPortFrom(peer, 0), netip.MustParseAddrPort("[fe80::1%eth0]:4790")} {
		err := c.DeleteFDB(ctx, 1, mac, dst)
		same(t, "deleted", b.deleted, mac, err)
		same(t, "deleted at", b.dst, dst, nil)
	}
	for _, filter := range []api.FDBFlush{{}, {Class: api.ClassStatic, MAC: mac, Dst: peer, Port: "vx42"}} {
		n, err := c.FlushFDB(ctx, 1, filter)
		same(t, "filter", b.filter, filter, err)
		same(t, "flushed", n, b.flushed, nil)
	}
	for _, spec := range []api.PortSpec{{Device: "eth0"}, {
		Name: "a%2f b?", Kind: api.KindTAP, Device: "eth0", NetNS: "red", PID: 7, MAC: mac, MTU: 1400,
		Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.5/24")},
		Routes:    []api.Route{{To: netip.MustParsePrefix("0.0.0.0/0"), Via: peer}, {To: netip.MustParsePrefix("fd00::/8")}},
	}} {
		p, err := c.AddPort(ctx, 1, spec)
		same(t, "port", b.port, spec, err)
		same(t, "added", p, api.Port{Name: spec.Name, Added: true}, nil)
	}
	for _, name := range []string{"eth0@red", "a%2f b?c#d", "ü"} {
		err := c.RemovePort(ctx, 1, name)
		same(t, "removed port", b.unported, name, err)
	}
	b.network.Ports = []api.Port{{Name: "vx42", Added: true}}
	ports, err := c.Ports(ctx, 1)
	same(t, "ports", ports, b.network.Ports, err)
	for _, which := range []api.KeysRotate{{}, {PublicKey: publicKey(3), VTEP: peer}} {
		n, err := c.RotateKeys(ctx, which)
		same(t, "rotate", b.rotate, which, err)
		same(t, "rotated", n, b.rotated, nil)
	}
}

func same(t *testing.T, what string, got, want any, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s arrived as\n%+v, want\n%+v", what, got, want)
	}
}

func TestErrorsCrossTheSocket(t *testing.T) {
	kinds := []error{api.ErrInvalid, api.ErrNotFound, api.ErrExists}
	b := &backend{}
	c := api.NewClient(serve(t, b))
	tests := []struct {
		err    error
		status int
		is     error
	}{
		{fmt.Errorf("dst 1.2.3.4: %w", api.ErrInvalid), 400, api.ErrInvalid},
		{fmt.Errorf("network 42: %w", api.ErrNotFound), 404, api.ErrNotFound},
		{fmt.Errorf("mac: %w", api.ErrExists), 409, api.ErrExists},
		{fmt.Errorf("fdb: %w", &api.Error{Status: 404, Message: "gone"}), 404, api.ErrNotFound},
		{&api.Error{Status: 503, Message: "stopping"}, 503, nil},
		{&api.Error{Message: "no status"}, 500, nil},
		{errors.New("disk on fire"), 500, nil},
	}
	for _, tt := range tests {
		b.err = tt.err
		_, err := c.FDB(t.Context(), 42)
		var got *api.Error
		if !errors.As(err, &got) || got.Status != tt.status || got.Message != tt.err.Error() {
			t.Errorf("%q arrived as %#v, want status %d", tt.err, err, tt.status)
		}
		for _, kind := range kinds {
			if errors.Is(err, kind) != errors.Is(tt.is, kind) {
				t.Errorf("%q arrived as %q: is %q = %v", tt.err, err, kind, errors.Is(err, kind))
			}
		}
	}
}

func TestErrorIsOneLine(t *testing.T) {
	b := &backend{err: errors.New("one\n\ttwo")}
	_, err := api.NewClient(serve(t, b)).FDB(t.Context(), 42)
	if err == nil || err.Error() != "one two" {
		t.Errorf("got %q", err)
	}
}

func TestNoAgent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vxtap.sock")
	want := "no vxtap agent answers on " + path + ": start one with vxtap up, or name its socket with --socket"
	check := func(when string) {
		t.Helper()
		_, err := api.NewClient(path).Node(t.Context())
		if !errors.Is(err, api.ErrNoAgent) || err.Error() != want {
			t.Errorf("%s: got %q, want %q", when, err, want)
		}
	}
	check("no socket")
	leaveSocket(t, path)
	check("a dead agent's socket")
}

// An agent that ends while a client waits is no agent any more.
func TestAgentEndsMeanwhile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vxtap.sock")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for conn, err := ln.Accept(); err == nil; conn, err = ln.Accept() {
			conn.Close()
		}
	}()
	_, err = api.NewClient(path).Node(t.Context())
	want := "no vxtap agent answers on " + path + " any more: it ended before it did"
	if !errors.Is(err, api.ErrNoAgent) || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestStrangerOnTheSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.sock")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv := http.Server{Handler: http.NotFoundHandler()}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(ln) }()
	defer func() { srv.Close(); <-done }()
	_, err = api.NewClient(path).Node(t.Context())
	if err == nil || !strings.Contains(err.Error(), "is no vxtap agent") {
		t.Errorf("got %v", err)
	}
}

func TestClientMindsItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mute.sock")
	ln, err := net.Listen("unix", path) // accepts nothing, answers nothing
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := api.NewClient(path).Node(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
