package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// demoRun is "vxtap demo" in a process of its own, as a user starts it.
type demoRun struct {
	cmd    *exec.Cmd
	stderr bytes.Buffer // complete once it has ended

	mu    sync.Mutex
	text  strings.Builder // of stdout
	lines chan string     // of stdout; closed at its end
}

// startDemo starts one. change, if not nil, is asked before.
func startDemo(t *testing.T, change func(*exec.Cmd), args ...string) *demoRun {
	t.Helper()
	r := &demoRun{cmd: demoCommand(t, args...), lines: make(chan string, 1000)}
	r.cmd.Stderr = &r.stderr
	if change != nil {
		change(r.cmd)
	}
	out, err := r.cmd.StdoutPipe()
	check(t, err)
	check(t, r.cmd.Start())
	go r.read(out)
	return r
}

func demoCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	check(t, err)
	cmd := exec.CommandContext(within(t), exe, append([]string{"demo"}, args...)...)
	cmd.Env = demoEnv()
	return cmd
}

// demoEnv makes the test binary be vxtap, and not sleep a second at its end, as programs
// with a race detector do.
func demoEnv() []string {
	return append(os.Environ(), childEnv+"=1", "GORACE=atexit_sleep_ms=0")
}

func (r *demoRun) read(out io.Reader) {
	defer close(r.lines)
	for s := bufio.NewScanner(out); s.Scan(); {
		r.mu.Lock()
		fmt.Fprintln(&r.text, s.Text())
		r.mu.Unlock()
		r.lines <- s.Text()
	}
}

// see waits for a line that holds text.
func (r *demoRun) see(t *testing.T, text string) string {
	t.Helper()
	for line := range r.lines {
		if strings.Contains(line, text) {
			return line
		}
	}
	t.Fatalf("never said %q:\n%s", text, r.report(r.cmd.Wait()))
	return ""
}

// end waits for the end and returns the exit code, -1 after a signal.
func (r *demoRun) end() int {
	for range r.lines { // until stdout ends; only then may Wait be called
	}
	_ = r.cmd.Wait() // what it says is in ProcessState, too
	return r.cmd.ProcessState.ExitCode()
}

func (r *demoRun) stdout() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

func (r *demoRun) report(result any) string {
	return fmt.Sprintf("%v\nstdout:\n%s\nstderr:\n%s", result, r.stdout(), r.stderr.String())
}

// room is the name under which a run's things can be found. It knows from the names of
// the namespaces that the run printed.
func (r *demoRun) room(t *testing.T) string {
	t.Helper()
	name := regexp.MustCompile(demoPrefix + "[0-9a-f]{4}").FindString(r.stdout())
	if name == "" {
		t.Fatalf("no namespace named: %s", r.report(nil))
	}
	return name
}

// leftovers are the namespaces, directories and processes of a room.
func leftovers(t *testing.T, room string) []string {
	t.Helper()
	var left []string
	for _, pattern := range []string{"/run/", os.TempDir() + "/", namedNamespaces + "/"} {
		found, err := filepath.Glob(pattern + room + "*")
		check(t, err)
		left = append(left, found...)
	}
	return append(left, processesOf(t, room)...)
}

// processesOf are those that have a socket in the room on their command line.
func processesOf(t *testing.T, room string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	check(t, err)
	return slices.DeleteFunc(files, func(file string) bool {
		text, err := os.ReadFile(file) // empty for a zombie
		return err != nil || !bytes.Contains(text, []byte("/"+room+"/"))
	})
}

func wantNothingLeft(t *testing.T, room string) {
	t.Helper()
	if left := leftovers(t, room); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestDemo(t *testing.T) {
	for _, args := range [][]string{{}, {"--hosts", "3"}, {"--ipv6"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			r := startDemo(t, nil, append(args, "--duration", "300ms")...)
			if code := r.end(); code != exitDone || r.stderr.Len() > 0 {
				t.Fatal(r.report(code))
			}
			wantProof(t, r.stdout())
			wantNothingLeft(t, r.room(t))
		})
	}
}

// wantProof checks that a report ends with a table in which all is well.
func wantProof(t *testing.T, report string) {
	t.Helper()
	_, table, found := strings.Cut(report, "\nProof\n")
	if good := strings.Count(table, "✓"); !found || good != 8 || strings.Contains(table, "✗") {
		t.Errorf("%d good results, want 8 and no other:\n%s", good, report)
	}
	for _, line := range []string{"h1 to h2  192.168.77.2", "Gbit/s|Mbit/s", "02:42:c0:a8:4d:02", "lost in the kernel"} {
		if !regexp.MustCompile(line).MatchString(report) {
			t.Errorf("does not say %q:\n%s", line, report)
		}
	}
}

// Whatever it is doing, a signal ends it, and nothing stays.
func TestDemoInterrupted(t *testing.T) {
	for _, c := range []struct {
		after  string
		signal syscall.Signal
	}{
		{"on this machine", unix.SIGINT}, // starting its vxtaps
		{"h1 to h2", unix.SIGTERM},       // in the middle of its pings
		{"TCP through", unix.SIGINT},
		{"TCP through", unix.SIGHUP},
	} {
		t.Run(c.after, func(t *testing.T) {
			r := startDemo(t, nil, "--duration", "1m")
			r.see(t, c.after)
			check(t, r.cmd.Process.Signal(c.signal))
			if code := r.end(); code != exitFailed || !strings.Contains(r.stderr.String(), "ended early") {
				t.Error(r.report(code))
			}
			// The names are printed after what was waited for.
			wantNothingLeft(t, r.room(t))
		})
	}
}

// "vxtap demo | head" is an interrupt, too.
func TestDemoUnread(t *testing.T) {
	r := &demoRun{lines: make(chan string, 1000)}
	out, in, err := os.Pipe()
	check(t, err)
	r.cmd = demoCommand(t, "--duration", "1m")
	r.cmd.Stdout, r.cmd.Stderr = in, &r.stderr
	check(t, r.cmd.Start())
	in.Close()
	head := &io.LimitedReader{R: out, N: 500} // to the names of the namespaces
	r.read(head)
	out.Close()
	if code := r.end(); code != exitFailed {
		t.Error(r.report(code))
	}
	wantNothingLeft(t, r.room(t))
}

// A demo that is killed takes its children along. What it leaves in the file system is
// removed by the next, which leaves alone what belongs to a live one.
func TestDemoKilled(t *testing.T) {
	live := startDemo(t, nil, "--duration", "1m")
	killed := startDemo(t, nil, "--duration", "1m")
	live.see(t, "TCP through")
	killed.see(t, "TCP through")
	room := killed.room(t)
	children := processesOf(t, room)
	if len(children) != 2 {
		t.Errorf("children of %s: %q", room, children)
	}
	check(t, killed.cmd.Process.Kill())
	killed.end()
	eventually(t, "the children are gone", func() bool { return len(processesOf(t, room)) == 0 })

	next := startDemo(t, nil, "--duration", "1m")
	next.see(t, "Started")
	wantNothingLeft(t, room)
	if len(leftovers(t, live.room(t))) == 0 {
		t.Error("the live demo has lost its things")
	}
	for _, r := range []*demoRun{live, next} {
		check(t, r.cmd.Process.Signal(unix.SIGTERM))
		r.end()
		wantNothingLeft(t, r.room(t))
	}
}

func TestDemoKeep(t *testing.T) {
	r := startDemo(t, nil, "--keep", "--duration", "100ms")
	enter := r.see(t, "nsenter --net=")
	show := r.see(t, " show --socket ")
	r.see(t, "for example")
	if links := shell(t, strings.Replace(enter, " sh", " cat /proc/net/dev", 1)); !strings.Contains(links, demoTAP) || !strings.Contains(links, "eth0") {
		t.Errorf("%s has the interfaces\n%s", enter, links)
	}
	if node := shell(t, show); !strings.Contains(node, "network 42") {
		t.Errorf("%s says\n%s", show, node)
	}
	check(t, r.cmd.Process.Signal(unix.SIGINT))
	if code := r.end(); code != exitDone {
		t.Error(r.report(code))
	}
	wantProof(t, r.stdout())
	wantNothingLeft(t, r.room(t))
}

// shell runs a line that the demo printed.
func shell(t *testing.T, line string) string {
	t.Helper()
	cmd := exec.CommandContext(within(t), "sh", "-c", line)
	cmd.Env = demoEnv()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}

// A vxtap that ends, whenever it does, is a failure, and its log says why.
func TestDemoWithDyingChild(t *testing.T) {
	r := startDemo(t, nil, "--duration", "1m")
	r.see(t, "TCP through")
	room := r.room(t)
	var pid int
	_, err := fmt.Sscanf(processesOf(t, room)[0], "/proc/%d/cmdline", &pid)
	check(t, err)
	check(t, unix.Kill(pid, unix.SIGKILL))
	code := r.end()
	for _, want := range []string{"signal: killed", "\tready\t", "The last that vxtap on h"} {
		if code != exitFailed || !strings.Contains(r.stderr.String(), want) {
			t.Errorf("does not say %q: %s", want, r.report(code))
		}
	}
	wantNothingLeft(t, room)
}

func TestDemoRefuses(t *testing.T) {
	for _, args := range []string{"--hosts 1", "--hosts 9", "--hosts two", "--duration 0", "--duration x", "now"} {
		res := vxtap(context.Background(), "", append([]string{"demo"}, strings.Fields(args)...)...)
		if res.code != exitUsage || res.stdout != "" || strings.Count(res.stderr, "\n") != 1 {
			t.Errorf("%s: %+v", args, res)
		}
	}
}
