package metrics_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/control/metrics"
)

// agent is one that says what it is told to.
type agent struct {
	node  api.Node
	stats api.Stats
	keys  api.Keys
}

func (a *agent) Node() api.Node   { return a.node }
func (a *agent) Stats() api.Stats { return a.stats }
func (a *agent) Keys() api.Keys   { return a.keys }

// busy has something to say of everything.
func busy() *agent {
	d := func(n uint64) api.Direction {
		return api.Direction{
			Frames: n, Bytes: n + 1, Forwarded: n + 2, ForwardedBytes: n + 3, Copies: n + 4, Answers: n + 5,
			Drops: map[string]uint64{"loop": n + 6, "too_big": 0},
		}
	}
	return &agent{
		node: api.Node{Version: "v1", Underlay: api.UnderlayInfo{MTU: 1500}, Networks: []api.Network{{VNI: 42, Learned: 7, Static: 8, MaxMACs: 9}}},
		stats: api.Stats{
			Networks: []api.NetworkStats{{
				VNI: 42, Out: d(100), In: d(200), MACsRefused: 10, MovesHeld: 11, PortDrops: map[string]uint64{"vx42": 12},
				Remotes: []api.RemoteStats{
					{Addr: netip.MustParseAddr("10.9.0.2"), OutFrames: 20, OutBytes: 21, InFrames: 22, InBytes: 23},
					{OutFrames: 30, OutBytes: 31, InFrames: 32, InBytes: 33},
				},
			}},
			Stray: d(300), UnderlayDrops: 13, ReceiveErrors: 14, Unlearned: 15,
		},
		keys: api.Keys{
			Rejected: map[string]uint64{"forged": 40},
			Peers: []api.PeerKeys{{
				VTEP: netip.MustParseAddrPort("10.9.0.2:4789"), Epoch: 3, AgeSeconds: 41, NextRotationSeconds: 42,
				Sent: 43, Received: 44, Rejected: map[string]uint64{"replayed": 45},
			}},
		},
	}
}

func TestNamesAreConventional(t *testing.T) {
	problems, err := testutil.GatherAndLint(metrics.Registry(busy()))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// want are samples of the text that is scraped.
const want = `vxtap_build_info{version="v1"} 1
vxtap_network_frames_total{direction="in",vni="42"} 200
vxtap_network_bytes_total{direction="out",vni="42"} 101
vxtap_network_forwarded_frames_total{direction="out",vni="42"} 102
vxtap_network_forwarded_bytes_total{direction="in",vni="42"} 203
vxtap_network_copied_frames_total{direction="in",vni="42"} 204
vxtap_network_too_big_answers_total{direction="out",vni="42"} 105
vxtap_network_dropped_frames_total{direction="out",reason="loop",vni="42"} 106
vxtap_network_dropped_frames_total{direction="in",reason="too_big",vni="42"} 0
vxtap_network_macs{class="learned",vni="42"} 7
vxtap_network_macs{class="static",vni="42"} 8
vxtap_network_macs_limit{vni="42"} 9
vxtap_network_macs_refused_total{vni="42"} 10
vxtap_network_mac_moves_held_total{vni="42"} 11
vxtap_port_kernel_dropped_frames_total{port="vx42",vni="42"} 12
vxtap_underlay_up 1
vxtap_underlay_mtu_bytes 1500
vxtap_underlay_kernel_dropped_datagrams_total 13
vxtap_underlay_receive_errors_total 14
vxtap_macs_put_off_total 15
vxtap_remote_frames_total{direction="out",remote="10.9.0.2",vni="42"} 20
vxtap_remote_bytes_total{direction="in",remote="10.9.0.2",vni="42"} 23
vxtap_remote_frames_total{direction="in",remote="other",vni="42"} 32
vxtap_stray_packets_total 300
vxtap_stray_bytes_total 301
vxtap_stray_dropped_packets_total{reason="loop"} 306
vxtap_rejected_handshakes_total{reason="forged"} 40
vxtap_session_up{peer="10.9.0.2"} 1
vxtap_session_epoch{peer="10.9.0.2"} 3
vxtap_session_epoch_age_seconds{peer="10.9.0.2"} 41
vxtap_session_next_rotation_seconds{peer="10.9.0.2"} 42
vxtap_session_packets_total{direction="out",peer="10.9.0.2"} 43
vxtap_session_rejected_packets_total{peer="10.9.0.2",reason="replayed"} 45
go_goroutines
process_start_time_seconds`

func TestScrape(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- metrics.Serve(ctx, ln, busy()) }()
	text := get(t, "http://"+ln.Addr().String()+"/metrics")
	for line := range strings.Lines(want) {
		if line = strings.TrimSpace(line); !strings.Contains(text, "\n"+line) {
			t.Errorf("not there: %s", line)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v: %s", res.Status, err, body)
	}
	return string(body)
}

// Whoever alerts on it learns that the underlay is not usable, or one of two.
func TestUnderlayIsDown(t *testing.T) {
	down := api.UnderlayInfo{Trouble: "no interface has address 10.9.0.1"}
	for _, node := range []api.Node{{Underlay: down}, {Second: &api.Endpoint{Underlay: down}}} {
		err := testutil.GatherAndCompare(metrics.Registry(&agent{node: node}), strings.NewReader(`
# HELP vxtap_underlay_up Whether nothing is known to keep datagrams from being sent and received.
# TYPE vxtap_underlay_up gauge
vxtap_underlay_up 0
`), "vxtap_underlay_up")
		if err != nil {
			t.Error(err)
		}
	}
}

func TestNothingToSay(t *testing.T) {
	if _, err := metrics.Registry(&agent{}).Gather(); err != nil {
		t.Error(err)
	}
}
