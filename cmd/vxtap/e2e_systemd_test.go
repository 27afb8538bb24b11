//go:build linux

package main

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/dataplane/netlab/faults"
)

// The service manager's side of a service: a socket that it made, what it is told, and a
// watchdog. The socket stays when the agent ends, as it is not the agent's.
func TestServiceManager(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	socket := newSocket(t)
	ln, err := net.Listen("unix", socket)
	check(t, err)
	defer ln.Close()
	told := newManager(t)
	f := newConfigFile(t, "local: 10.9.0.1\nnetworks:\n- {vni: 42, remote: 10.9.0.2}\n")
	c := launchActivated(t, a, ln.(*net.UnixListener), told.path, "run", "-c", f.path)
	told.expect("READY=1")
	c.api = api.NewClient(socket)
	c.expectVNIs(42)
	told.expect("WATCHDOG=1")
	f.write("local: 10.9.0.1\n")
	c.ask(func(ctx context.Context) error {
		_, err := c.api.Reload(ctx)
		return err
	})
	if said := told.expect("RELOADING=1"); !strings.Contains(said, "MONOTONIC_USEC=") {
		t.Errorf("reloading is told as %q", said)
	}
	told.expect("READY=1")
	told.expect("WATCHDOG=1")
	c.expectVNIs()
	c.stop()
	told.expect("STOPPING=1")
	if _, err := os.Lstat(socket); err != nil {
		t.Errorf("the service manager's socket: %v", err)
	}
}

// A worker that hangs has the watchdog not be served, and the service manager restart it; as
// soon as it goes on all is well again.
func TestWatchdogOfAWorkerThatHangs(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	told := newManager(t)
	var hanging atomic.Bool
	hangs, resume := make(chan struct{}), make(chan struct{})
	goOn := sync.OnceFunc(func() { close(resume) })
	defer goOn()
	judge := func(c faults.Call) unix.Errno {
		if ofWorker(c) && hanging.Swap(false) {
			close(hangs)
			<-resume
		}
		return 0
	}
	c := newChild(t, newSocket(t), []string{self(t), "up", "--vni", "42", "--local", "10.9.0.1", "--remote", "10.9.0.2",
		"--address", innerA + "/24"})
	c.start(func(cmd *exec.Cmd) error {
		cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+told.path, "WATCHDOG_USEC=200000")
		done, err := faults.Start(cmd, a.Start, judge, unix.SYS_READ)
		if err == nil {
			t.Cleanup(func() { <-done }) // after that by which it ends
		}
		return err
	})
	told.expect("READY=1")
	told.expect("WATCHDOG=1")
	hanging.Store(true)
	out, err := a.DialContext(within(t), "udp", net.JoinHostPort(innerB, "9"))
	check(t, err)
	defer out.Close()
	_, err = out.Write([]byte("to be asked for"))
	check(t, err)
	<-hangs
	told.count(1<<10, 0)
	if n := told.count(5, 2*time.Second); n == 5 { // what was on its way may still come
		t.Error("a worker hangs, and the watchdog is told that all is well")
	}
	goOn()
	told.expect("WATCHDOG=1")
	c.stop()
}

// manager is where a service tells how it is.
type manager struct {
	t    *testing.T
	path string
	conn *net.UnixConn
}

func newManager(t *testing.T) *manager {
	t.Helper()
	path := filepath.Join(filepath.Dir(newSocket(t)), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	check(t, err)
	t.Cleanup(func() { conn.Close() })
	return &manager{t, path, conn}
}

// expect returns the next message that begins with this line.
func (m *manager) expect(line string) string {
	m.t.Helper()
	check(m.t, m.conn.SetReadDeadline(time.Now().Add(limit)))
	for buf := make([]byte, 4096); ; {
		n, err := m.conn.Read(buf)
		if err != nil {
			m.t.Fatalf("never told: %s: %v", line, err)
		}
		if lines := strings.Split(string(buf[:n]), "\n"); slices.Contains(lines, line) {
			return string(buf[:n])
		}
	}
}

// count returns how many messages come until there are so many, or for a while none.
func (m *manager) count(limit int, pause time.Duration) (n int) {
	m.t.Helper()
	for buf := make([]byte, 4096); n < limit; n++ {
		check(m.t, m.conn.SetReadDeadline(time.Now().Add(max(pause, time.Millisecond))))
		if _, err := m.conn.Read(buf); err != nil {
			return n
		}
	}
	return n
}

// launchActivated starts vxtap as systemd does: descriptor 3 is the socket, and the shell,
// which becomes vxtap, says whom it is for.
func launchActivated(t *testing.T, h *netlab.Host, ln *net.UnixListener, notify string, args ...string) *child {
	t.Helper()
	file, err := ln.File()
	check(t, err)
	defer file.Close()
	self, err := os.Executable()
	check(t, err)
	c := &child{t: t, exited: make(chan struct{})}
	c.log.changed = make(chan struct{})
	c.cmd = exec.Command("/bin/sh", append([]string{"-c", `LISTEN_PID=$$ exec "$@"`, "sh", self}, args...)...)
	c.cmd.Env = append(os.Environ(), childEnv+"=1", "LISTEN_FDS=1", "NOTIFY_SOCKET="+notify, "WATCHDOG_USEC=200000",
		"VXTAP_SOCKET="+filepath.Join(filepath.Dir(notify), "unused"), "GORACE=atexit_sleep_ms=0")
	c.cmd.ExtraFiles = []*os.File{file}
	c.cmd.Stdout, c.cmd.Stderr = &c.stdout, &c.log
	check(t, h.Start(c.cmd))
	go func() {
		defer close(c.exited)
		_ = c.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill()
		<-c.exited
		c.judge()
	})
	return c
}
