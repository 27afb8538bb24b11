//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/encap"
)

// child is vxtap in a process of its own.
type child struct {
	t      testing.TB
	cmd    *exec.Cmd
	socket string
	api    *api.Client
	log    childLog      // stderr
	stdout bytes.Buffer  // to be read once it has exited
	exited chan struct{} // closed when it has

	// early is what was dropped before it was ready, as when a peer spoke before the
	// network had its port.
	early map[string]uint64

	dumped int // goroutines, if it was ended by asking for them
}

// startVXTAP runs vxtap up with these arguments on a host and waits until it says that
// it is ready. When the test ends it is stopped, and has to end well.
func startVXTAP(t testing.TB, h *netlab.Host, args ...string) *child {
	t.Helper()
	return startVXTAPOn(t, h, newSocket(t), args...)
}

// startVXTAPOn is startVXTAP with a socket of the caller's choice.
func startVXTAPOn(t testing.TB, h *netlab.Host, socket string, args ...string) *child {
	t.Helper()
	c := launch(t, h, socket, append([]string{"up"}, args...)...)
	t.Cleanup(func() {
		if !c.hasExited() {
			c.stop()
		}
	})
	c.waitLog("\tready\t")
	c.early = c.drops()
	return c
}

// newSocket returns a path for an agent's socket, short enough for one.
func newSocket(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "vxtap")
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "vxtap.sock")
}

// launch starts vxtap. However the test ends, the process does not outlive it.
func launch(t testing.TB, h *netlab.Host, socket string, args ...string) *child {
	t.Helper()
	return launchThrough(t, h, nil, socket, args...)
}

// launchThrough is launch by way of a program that ends up being the one that its
// arguments name, like setpriv.
func launchThrough(t testing.TB, h *netlab.Host, way []string, socket string, args ...string) *child {
	t.Helper()
	c := newChild(t, socket, append(append(slices.Clone(way), program(t)), args...))
	c.start(h.Start)
	return c
}

// programEnv names a vxtap to test in the place of the one that is part of the test.
const programEnv = "VXTAP_TEST_PROGRAM"

// program is the vxtap to start.
func program(t testing.TB) string {
	t.Helper()
	if built := os.Getenv(programEnv); built != "" {
		return built
	}
	self, err := os.Executable()
	check(t, err)
	return self
}

// newChild prepares a command line for a start.
func newChild(t testing.TB, socket string, line []string) *child {
	c := &child{t: t, socket: socket, api: api.NewClient(socket), exited: make(chan struct{})}
	c.log.changed = make(chan struct{})
	c.cmd = exec.Command(line[0], line[1:]...)
	c.cmd.Env = append(os.Environ(), childEnv+"=1", "VXTAP_SOCKET="+socket,
		"GORACE=atexit_sleep_ms=0") // or a second goes by before each ends
	c.cmd.Stdout, c.cmd.Stderr = &c.stdout, &c.log
	return c
}

// start starts it, as start does.
func (c *child) start(start func(*exec.Cmd) error) {
	c.t.Helper()
	check(c.t, start(c.cmd))
	go func() {
		defer close(c.exited)
		_ = c.cmd.Wait() // how it ended is in its ProcessState
	}()
	c.t.Cleanup(func() {
		_ = c.cmd.Process.Kill() // if it has not ended
		<-c.exited
		c.judge()
	})
}

// judge looks at what the test itself may not have looked at.
func (c *child) judge() {
	log := c.log.String()
	if strings.Contains(log, "DATA RACE") {
		c.t.Error("vxtap has a data race")
	}
	if strings.Contains(log, "panic:") || strings.Contains(log, "fatal error:") {
		c.t.Error("vxtap panicked")
	}
	if c.t.Failed() {
		c.t.Logf("log of vxtap %s:\n%s", strings.Join(c.cmd.Args[1:], " "), log)
	}
}

// stop asks vxtap to end, as an init system does, and expects it to end well.
func (c *child) stop() {
	c.t.Helper()
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		c.t.Errorf("stop vxtap: %v", err)
	}
	c.waitExit()
	if code := c.cmd.ProcessState.ExitCode(); code != exitDone {
		c.t.Errorf("vxtap ended with %v after SIGTERM", c.cmd.ProcessState)
	}
}

// kill ends vxtap without a chance to clean up.
func (c *child) kill() {
	c.t.Helper()
	check(c.t, c.cmd.Process.Kill())
	c.waitExit()
}

func (c *child) hasExited() bool {
	select {
	case <-c.exited:
		return true
	default:
		return false
	}
}

func (c *child) waitExit() {
	c.t.Helper()
	ctx := within(c.t)
	if c.t.Context().Err() != nil { // in a cleanup
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.Background(), limit)
		defer cancel()
	}
	select {
	case <-c.exited:
	case <-ctx.Done():
		c.t.Fatalf("vxtap %s does not end", strings.Join(c.cmd.Args[1:], " "))
	}
}

// waitLog waits for a line that contains text, and returns it.
func (c *child) waitLog(text string) string {
	c.t.Helper()
	ctx := within(c.t)
	for {
		ended := c.hasExited() // before the look at the log, so that nothing comes after it
		line, changed := c.log.find(text)
		if line != "" {
			return line
		}
		if ended {
			c.t.Fatalf("vxtap ended with %v and never said %q", c.cmd.ProcessState, text)
		}
		select {
		case <-changed:
		case <-c.exited:
		case <-ctx.Done():
			c.t.Fatalf("vxtap never said %q", text)
		}
	}
}

// childLog collects what a child writes, for readers at the same time.
type childLog struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{} // closed by a write, and made anew
}

// Write implements io.Writer.
func (l *childLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.changed)
	l.changed = make(chan struct{})
	return l.text.Write(b)
}

func (l *childLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// find returns the first whole line with text in it, or a channel that says when to look
// again.
func (l *childLog) find(text string) (string, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
		if strings.HasSuffix(line, "\n") && strings.Contains(line, text) {
			return line, nil
		}
	}
	return "", l.changed
}

// ask calls the agent's API.
func (c *child) ask(question func(context.Context) error) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), limit)
	defer cancel()
	check(c.t, question(ctx))
}

// node returns what vxtap says of itself.
func (c *child) node() (n api.Node) {
	c.t.Helper()
	c.ask(func(ctx context.Context) (err error) {
		n, err = c.api.Node(ctx)
		return err
	})
	return n
}

// network returns what vxtap says of its only network.
func (c *child) network() (n api.Network) {
	c.t.Helper()
	c.ask(func(ctx context.Context) error {
		node, err := c.api.Node(ctx)
		if len(node.Networks) == 1 {
			n = node.Networks[0]
		}
		return err
	})
	if n.VNI == 0 {
		c.t.Fatal("vxtap does not have one network")
	}
	return n
}

// stats returns the counters of the only network.
func (c *child) stats() (n api.NetworkStats) {
	c.t.Helper()
	c.ask(func(ctx context.Context) error {
		s, err := c.api.Stats(ctx)
		if len(s.Networks) == 1 {
			n = s.Networks[0]
		}
		return err
	})
	if n.VNI == 0 {
		c.t.Fatal("vxtap does not count for one network")
	}
	return n
}

// drops returns the drop counters that are not zero, each with its direction.
func (c *child) drops() map[string]uint64 {
	c.t.Helper()
	n := c.stats()
	counters := map[string]uint64{}
	for way, d := range map[string]api.Direction{"in": n.In, "out": n.Out, "stray": c.stray()} {
		for why, count := range d.Drops {
			if count > 0 {
				counters[way+" "+why] = count
			}
		}
	}
	return counters
}

// stray returns the counters of what belongs to no network.
func (c *child) stray() (d api.Direction) {
	c.t.Helper()
	c.ask(func(ctx context.Context) error {
		s, err := c.api.Stats(ctx)
		d = s.Stray
		return err
	})
	return d
}

// entry returns the table's entry of a MAC.
func (c *child) entry(mac encap.MAC) (api.FDBEntry, bool) {
	c.t.Helper()
	for _, e := range c.table() {
		if e.MAC == mac {
			return e, true
		}
	}
	return api.FDBEntry{}, false
}

// table returns all entries of the only network, and its flood list.
func (c *child) table() (list []api.FDBEntry) {
	c.t.Helper()
	vni := c.network().VNI
	c.ask(func(ctx context.Context) (err error) {
		list, err = c.api.FDB(ctx, vni)
		return err
	})
	return list
}

// waitLearned waits until a MAC is known to be behind a VTEP.
func (c *child) waitLearned(mac encap.MAC, dst string) {
	c.t.Helper()
	eventually(c.t, fmt.Sprintf("%v is learned behind %s", mac, dst), func() bool {
		e, ok := c.entry(mac)
		return ok && e.Class == api.ClassLearned && e.Dst.IsValid() && e.Dst.String() == dst
	})
}
