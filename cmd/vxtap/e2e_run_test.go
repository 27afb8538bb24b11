//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/encap"
)

// configFile is a file for vxtap run that a test writes anew.
type configFile struct {
	t    testing.TB
	path string
}

func newConfigFile(t testing.TB, text string) *configFile {
	t.Helper()
	f := &configFile{t, filepath.Join(t.TempDir(), "vxtap.yaml")}
	f.write(text)
	return f
}

func (f *configFile) write(text string) {
	f.t.Helper()
	check(f.t, os.WriteFile(f.path, []byte(text), 0o644))
}

// startRun runs vxtap run with a file until the test ends.
func startRun(t testing.TB, h *netlab.Host, f *configFile, flags ...string) *child {
	t.Helper()
	c := launch(t, h, newSocket(t), append([]string{"run", "-c", f.path}, flags...)...)
	t.Cleanup(func() {
		if !c.hasExited() {
			c.stop()
		}
	})
	c.waitLog("\tready\t")
	return c
}

// vnis returns the networks that the agent has.
func (c *child) vnis() (list []encap.VNI) {
	c.t.Helper()
	c.ask(func(ctx context.Context) error {
		node, err := c.api.Node(ctx)
		for _, n := range node.Networks {
			list = append(list, n.VNI)
		}
		return err
	})
	return list
}

func (c *child) expectVNIs(want ...encap.VNI) {
	c.t.Helper()
	if got := c.vnis(); fmt.Sprint(got) != fmt.Sprint(want) {
		c.t.Errorf("networks %v, want %v", got, want)
	}
}

// threeNetworks is a file in which the second has a TTL and the third a remote.
func threeNetworks(local, remote string, ttl int, third string) string {
	host := local[len(local)-1:]
	return fmt.Sprintf(`local: %s
networks:
- {vni: 42, remote: %s, address: 192.168.42.%s/24}
- {vni: 43, remote: %[2]s, address: 192.168.43.%[3]s/24, ttl: %d}
- {vni: 44, remote: %s, address: 192.168.44.%[3]s/24}
`, local, remote, host, ttl, third)
}

// pingOn pings without a pause until the function that it returns is called, which says how
// many requests were sent and answered.
func pingOn(t *testing.T, from *netlab.Host, dst string) (stop func() (sent, answered int)) {
	t.Helper()
	ctx := within(t)
	ended, done := make(chan struct{}), make(chan struct{})
	var sent, answered int
	go func() {
		defer close(done)
		for {
			const some = 100
			rtts, _ := from.Ping(ctx, ip(dst), some, 1000) // what went wrong shows in their number
			sent, answered = sent+some, answered+len(rtts)
			select {
			case <-ended:
				return
			default:
			}
		}
	}()
	return func() (int, int) {
		close(ended)
		<-done
		return sent, answered
	}
}

// A reload touches what the file says otherwise, and nothing else loses a frame.
func TestRunReloadUnderLoad(t *testing.T) {
	t.Parallel()
	a, b := newPair(t, netlab.LinkConfig{})
	silence(t, a, b)
	startRun(t, b, newConfigFile(t, threeNetworks("10.9.0.2", "10.9.0.1", 64, "10.9.0.1")))
	f := newConfigFile(t, threeNetworks("10.9.0.1", "10.9.0.2", 64, "10.9.0.9"))
	c := startRun(t, a, f)
	c.expectVNIs(42, 43, 44)
	ping(t, a, "192.168.42.2")
	ping(t, a, "192.168.43.2")

	load := pingOn(t, a, "192.168.42.2")
	for i := range 6 {
		f.write(threeNetworks("10.9.0.1", "10.9.0.2", 65+i, fmt.Sprintf("10.9.0.%d", 10+i)))
		var r api.Reloaded
		c.ask(func(ctx context.Context) (err error) {
			r, err = c.api.Reload(ctx)
			return err
		})
		if fmt.Sprint(r.Remade, r.Changed, r.Unchanged, r.Added, r.Removed) != "[43] [44] 1 [] []" || !r.Done() {
			t.Errorf("reload %d did %+v", i, r)
		}
	}
	f.write(threeNetworks("10.9.0.1", "10.9.0.2", 64, "10.9.0.2"))
	check(t, c.cmd.Process.Signal(syscall.SIGHUP))
	eventually(t, "the flood list of 44 is the file's", func() bool {
		n, err := c.api.Network(t.Context(), 44)
		return err == nil && len(n.Remotes) == 1 && n.Remotes[0].Addr() == ip("10.9.0.2")
	})
	if sent, answered := load(); answered != sent || sent == 0 {
		t.Errorf("%d of %d echo requests were answered on the network that did not change", answered, sent)
	}
	stats, err := c.api.Stats(t.Context())
	check(t, err)
	if n := stats.Networks[0]; n.In.Dropped+n.Out.Dropped != 0 || n.PortDrops["vx42"] != 0 {
		t.Errorf("drops on the network that did not change: %+v", n)
	}
	ping(t, a, "192.168.43.2")
	ping(t, a, "192.168.44.2")
}

// A file with a mistake, and words that cannot change, leave the old in force and say so.
func TestRunReloadRefused(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	good := threeNetworks("10.9.0.1", "10.9.0.2", 64, "10.9.0.2")
	f := newConfigFile(t, good)
	c := startRun(t, a, f)
	reload := func(code int, says string) {
		t.Helper()
		r := vxtap(t.Context(), c.socket, "reload")
		if r.code != code || !strings.Contains(r.stdout+r.stderr, says) || strings.Count(r.stderr, "\n") > 1 {
			t.Errorf("vxtap reload: %d %q %q, want %d and %q", r.code, r.stdout, r.stderr, code, says)
		}
	}
	reload(exitDone, "unchanged: 3 networks")
	f.write(good + "- {vni: 45, remote: nonsense}\n")
	reload(exitFailed, f.path+`:6:21: remote: bad address "nonsense"`)
	check(t, c.cmd.Process.Signal(syscall.SIGHUP))
	c.waitLog("reload failed; everything stays as it was")
	c.expectVNIs(42, 43, 44)

	f.write("port: 8472\nqueues: 1\n" + good + "- {vni: 45, remote: 10.9.0.2}\n")
	reload(exitFailed, "port, queues cannot change while the agent runs, and the old stays: restart it")
	c.expectVNIs(42, 43, 44, 45)
	if node, err := c.api.Node(t.Context()); err != nil || node.Port != 4789 {
		t.Errorf("port %d, %v", node.Port, err)
	}

	f.write(good + "- {vni: 45, tap: lo}\n") // a name that is taken by what is no network of ours
	reload(exitFailed, "network 45: ")
	c.expectVNIs(42, 43, 44, 45)
	if n, err := c.api.Network(t.Context(), 45); err != nil || n.Ports[0].Name != "vx45" {
		t.Errorf("network 45 is not as it was: %+v, %v", n, err)
	}
	f.write("local: 10.9.0.1\n")
	reload(exitDone, "removed 42 43 44 45, unchanged: 0 networks")
	c.expectVNIs()
}

// A second vxtap up hands its network to the agent that answers, and takes it away again,
// however it ends.
func TestUpBesideAgent(t *testing.T) {
	t.Parallel()
	a, b := newPair(t, netlab.LinkConfig{})
	silence(t, a, b)
	startVXTAP(t, b, "--vni", "43", "--local", "10.9.0.2", "--remote", "10.9.0.1", "--address", "192.168.43.2/24")
	first := startVXTAP(t, a, "--vni", "42", "--local", "10.9.0.1", "--remote", "10.9.0.2")
	up := []string{"up", "--vni", "43", "--remote", "10.9.0.2", "--address", "192.168.43.1/24"}
	second := func(args ...string) *child {
		c := launch(t, a, first.socket, args...)
		c.waitLog("\tready\t")
		first.expectVNIs(42, 43)
		return c
	}

	c := second(append(up, "--local", "10.9.0.1", "--port", "4789")...)
	ping(t, a, "192.168.43.2")
	c.stop()
	first.expectVNIs(42)

	c = second(up...)
	ping(t, a, "192.168.43.2")
	c.kill()
	eventually(t, "the network of who was killed is gone", func() bool { return len(first.vnis()) == 1 })

	for _, tt := range []struct {
		code int
		says string
		args []string
	}{
		{exitFailed, "--local 10.9.0.7 contradicts the agent that runs at 10.9.0.1:4789|--socket", []string{"--vni", "43", "--local", "10.9.0.7"}},
		{exitFailed, "--port 8472 contradicts", []string{"--vni", "43", "--port", "8472"}},
		{exitFailed, "network 42: already exists", []string{"--vni", "42"}},
		{exitFailed, "device vx42 is that of network 42", []string{"--vni", "43", "--tap", "vx42"}},
		{exitFailed, "is to be sealed, and the agent was started without keys", []string{"--vni", "43", "--sealed", "--remote", "10.9.0.2"}},
		{exitUsage, "is our own address", []string{"--vni", "43", "--remote", "10.9.0.1"}},
		{exitUsage, "no VNI", []string{"--local", "10.9.0.1"}},
	} {
		refused(t, a, first.socket, tt.code, tt.says, append([]string{"up"}, tt.args...)...)
	}
	first.expectVNIs(42)

	c = second(up...)
	check(t, first.api.RemoveNetwork(t.Context(), 43))
	c.waitExit()
	if code := c.cmd.ProcessState.ExitCode(); code != exitFailed || c.waitLog("network 43 was taken down") == "" {
		t.Errorf("exit code %d after the network was taken down", code)
	}
	c = second(up...)
	first.stop()
	c.waitExit()
	if code := c.cmd.ProcessState.ExitCode(); code != exitFailed {
		t.Errorf("exit code %d after the agent ended", code)
	}
}

// A hang-up that comes before the networks are up has the file read once they are.
func TestRunHangupWhileStarting(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	text := "local: 10.9.0.1\nnetworks:\n"
	for vni := range 20 {
		text += fmt.Sprintf("- {vni: %d, remote: 10.9.0.2}\n", 100+vni)
	}
	c := launch(t, a, newSocket(t), "run", "-c", newConfigFile(t, text).path)
	c.waitLog("\tunderlay open\t")
	c.signal(syscall.SIGHUP)
	c.waitLog("\tready\t")
	c.waitLog("\treloaded\t")
	c.stop()
}
