//go:build linux

package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/dataplane/netlab/traffic"
	"github.com/vxtap/vxtap/encap"
)

// soakEnv says for how long TestSoak runs. `make soak` gives it ten minutes.
const soakEnv = "VXTAP_SOAK"

// TestSoak runs two nodes at full rate, and wants nothing of them to have grown, and every
// frame to be accounted for.
func TestSoak(t *testing.T) {
	for _, sealed := range []bool{false, true} {
		t.Run(fmt.Sprintf("sealed=%v", sealed), func(t *testing.T) { soak(t, sealed) })
	}
}

func soak(t *testing.T, sealed bool) {
	length, long := 2*time.Second, false
	if text := os.Getenv(soakEnv); text != "" {
		var err error
		length, err = time.ParseDuration(text)
		check(t, err)
		long = true
	}
	a, b := newPair(t, netlab.LinkConfig{})
	x, y := soakNode(t, a, "1", "2", sealed), soakNode(t, b, "2", "1", sealed)
	ping(t, a, "192.168.77.2")
	there, back := soakClient(t, a, b, "192.168.77.2"), soakClient(t, b, a, "192.168.77.1")

	for range 5 { // each buffer is touched once in a while, and only then takes memory
		soakRound(t, there, length/20)
		soakRound(t, back, length/20)
	}
	if long {
		x.pause(func() { <-time.After(time.Minute) })
		ping(t, a, "192.168.77.2")
	}
	before := []usage{x.usage(), y.usage()}
	for end := time.Now().Add(length); time.Now().Before(end); {
		soakRound(t, there, length/20)
		soakRound(t, back, length/20)
		t.Logf("%v and %v", x.usage(), y.usage())
	}
	for i, c := range []*child{x, y} {
		c.accounts()
		// Connections of this test's own questions are open for a while.
		eventually(t, "its files are as many as before", func() bool { return c.usage().files <= before[i].files })
		after := c.usage()
		t.Logf("node %d: %v before, %v after, %d goroutines", i, before[i], after, c.goroutines())
		if grown := after.anon - before[i].anon; grown > 2<<20 && long {
			t.Errorf("node %d has grown by %d KiB", i, grown>>10)
		}
		if after.anon > soakLimit() && !raceDetector {
			t.Errorf("node %d has %d KiB", i, after.anon>>10)
		}
	}
	fresh := soakNode(t, newHostBeside(t, "10.9.0.1/24"), "1", "2", sealed)
	if was, is := fresh.goroutines(), x.dumped; was != is {
		t.Errorf("node 0 has %d goroutines in the end, a fresh one %d", is, was)
	}
}

// soakLimit is how many bytes of anonymous memory a node may have.
func soakLimit() int64 {
	if os.Getenv(programEnv) != "" {
		return 32 << 20
	}
	return 40 << 20 // the test's own program links gopacket, whose tables vxtap does without
}

// soakNode has 1000 entries in its table.
func soakNode(t *testing.T, h *netlab.Host, own, other string, sealed bool) *child {
	t.Helper()
	args := []string{"--vni", "42", "--local", "10.9.0." + own, "--remote", "10.9.0." + other,
		"--address", "192.168.77." + own + "/24", "--queues", "2"}
	if sealed {
		args = append(args, "--sealed", "--psk-file", soakSecret(t))
	}
	c := startVXTAP(t, h, args...)
	for i := range 1000 {
		c.ask(func(ctx context.Context) error {
			return c.api.ChangeFDB(ctx, 42, api.FDBChange{
				Op: api.OpAdd, MAC: encap.MAC{2, 9, 9, 9, byte(i >> 8), byte(i)}, Dst: ip("10.9.0." + other),
			})
		})
	}
	return c
}

func soakSecret(t *testing.T) string {
	t.Helper()
	path := t.TempDir() + "/psk"
	check(t, os.WriteFile(path, []byte(strings.Repeat("s", 42)+"Y="), 0o600))
	return path
}

// newHostBeside returns a host with this address on a cable of its own.
func newHostBeside(t *testing.T, addr string) *netlab.Host {
	t.Helper()
	lab := newLab(t)
	a, b := newHost(t, lab, "a"), newHost(t, lab, "b")
	check(t, lab.Link(a, "eth0", b, "eth0", netlab.LinkConfig{A: prefixes(addr)}))
	return a
}

func soakClient(t testing.TB, from, to *netlab.Host, addr string) *traffic.Client {
	t.Helper()
	return clientTo(t, from.Do, to.Do, addr)
}

// clientTo has traffic made between two namespaces, with a sink at addr in the second.
func clientTo(t testing.TB, from, to traffic.Place, addr string) *traffic.Client {
	t.Helper()
	sink, err := traffic.Listen(to, netip.AddrPortFrom(ip(addr), traffic.DefaultPort))
	check(t, err)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	served := make(chan error, 1)
	go func() { served <- sink.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return traffic.NewClient(from, netip.AddrPortFrom(ip(addr), traffic.DefaultPort))
}

// soakRound sends as much as goes through of everything, for about d.
func soakRound(t *testing.T, c *traffic.Client, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit+d)
	defer cancel()
	_, err := c.TCP(ctx, traffic.TCPConfig{Streams: 4, Duration: d / 2})
	check(t, err)
	for _, flows := range []int{1, 64} {
		_, err = c.UDP(ctx, traffic.UDPConfig{Sizes: []int{64, 1400}, Flows: flows, Rate: 1e6, Duration: d / 4})
		check(t, err)
	}
}

// usage is what a process holds.
type usage struct {
	anon  int64 // bytes
	files int
}

func (u usage) String() string { return fmt.Sprintf("%d KiB, %d files", u.anon>>10, u.files) }

func (c *child) usage() usage {
	c.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	check(c.t, err)
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", c.cmd.Process.Pid))
	check(c.t, err)
	return usage{parseMemory(string(status)).anon, len(files)}
}

// accounts wants every frame to have had one fate. What a reading catches in the middle
// of a batch is not settled yet.
func (c *child) accounts() {
	c.t.Helper()
	eventually(c.t, "the counters add up", func() bool {
		n := c.stats()
		for _, d := range []api.Direction{n.In, n.Out, c.stray()} {
			if d.Frames != d.Forwarded+d.Dropped {
				return false
			}
		}
		return n.Out.Frames > 0 && n.In.Frames > 0
	})
}

// goroutines ends a vxtap with SIGQUIT and counts those of its own that it says there were;
// the others are the runtime's, or belong to connections.
func (c *child) goroutines() int {
	c.t.Helper()
	check(c.t, c.cmd.Process.Signal(syscall.SIGQUIT))
	c.waitExit()
	for _, stack := range strings.Split(c.log.String(), "\n\n") {
		own := strings.Contains(stack, "created by github.com/vxtap/") || strings.Contains(stack, "created by sync.(*WaitGroup)")
		if own && !strings.Contains(stack, "runtime.goexit1(") { // which is where one is that just ends
			c.dumped++
		}
	}
	return c.dumped
}
