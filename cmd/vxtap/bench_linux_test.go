package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/dataplane/netlab"
)

// shortBench is arguments for a bench that takes seconds.
func shortBench(more ...string) []string {
	return append([]string{"bench", "--underlay", "wire", "--duration", "60ms"}, more...)
}

// benchCommand is this program as a child.
func benchCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	check(t, err)
	cmd := exec.CommandContext(within(t), exe, args...)
	cmd.Env = demoEnv()
	return cmd
}

// A whole run, over every subject and measure: a table at the end, a report, profiles.
func TestBench(t *testing.T) {
	dir := t.TempDir()
	cmd := benchCommand(t, shortBench("--runs", "1", "--html", filepath.Join(dir, "r.html"), "--profile="+dir)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	// On a busy machine 20 ms may lose something at any rate; then it has to say so.
	if text := stderr.String(); err != nil && !strings.Contains(text, "no rate without loss") {
		t.Fatalf("%v\n%s\n%s", err, out, text)
	}
	_, ratios, found := strings.Cut(string(out), "\nwire underlay, MTU 1500, IPv4: ratio to the kernel in the same round, median of 1 round\n")
	if !found || !strings.Contains(ratios, "TCP, four streams, Gbit/s") {
		t.Errorf("no table of ratios at the end:\n%s", out)
	}
	for _, want := range []string{"  underlay ", "  kernel ", "  vxtap ", "  sealed ", "  no-offload ", "  portable ", "Round trip, back to back", "Peak memory", "vxtap at b, wire"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("says nothing of %q:\n%s", want, out)
		}
	}
	if lines := strings.Count(stderr.String(), "round 1 of 1"); lines != 9*6 {
		t.Errorf("%d lines of progress want %d:\n%s", lines, 9*6, stderr.String())
	}
	page, err := os.ReadFile(filepath.Join(dir, "r.html"))
	check(t, err)
	if !bytes.Contains(page, []byte("</html>")) {
		t.Error("the report has no end")
	}
}

// With a capture at both ends everything is measured as without.
func TestBenchCaptured(t *testing.T) {
	out, err := benchCommand(t, shortBench("--runs", "1", "--measures", "tcp1,rtt-back", "--subjects", "vxtap,captured")...).Output()
	check(t, err)
	_, cost, found := strings.Cut(string(out), "ratio of vxtap with a capture to vxtap without in the same round")
	if !found || strings.Count(cost, "×") != 2 || strings.Contains(cost, "failed") || strings.Count(string(out), " frames captured, ") != 2 {
		t.Errorf("no table of what a capture costs:\n%s", out)
	}
}

func TestBenchToJSON(t *testing.T) {
	out, err := benchCommand(t, shortBench("--runs", "3", "--json", "--ipv6", "--mtu", "9000", "--measures", "tcp1,rtt-back,memory", "--subjects", "vxtap,kernel")...).Output()
	check(t, err)
	var r benchReport
	check(t, json.Unmarshal(out, &r))
	part := r.Labs[0]
	if part.Underlay != "wire" || part.MTU != 9000 || !part.IPv6 || len(part.Results) != 5 {
		t.Errorf("%s", out)
	}
	s := part.find("tcp1", "vxtap").Summary["gbit_per_s"]
	if s.Median <= 0 || s.Min > s.Median || s.Max < s.Median || s.Ratio <= 0 {
		t.Errorf("TCP of vxtap: %+v", s)
	}
	if m := part.find("memory", "vxtap").Summary["anon_mib"]; m.Median < 1 {
		t.Errorf("memory of vxtap: %+v", m)
	}
}

// A bench that is interrupted leaves nothing, whether it was still making its lab or was
// measuring.
func TestBenchInterrupted(t *testing.T) {
	for _, when := range []string{"bench takes about", "round 1 of 1000, Round trip, one a millisecond, portable", "round 2 of 1000, TCP"} {
		t.Run(when, func(t *testing.T) { interruptBench(t, when) })
	}
}

// interruptBench interrupts a long bench when it has said the words of when.
func interruptBench(t *testing.T, when string, more ...string) {
	t.Helper()
	cmd := benchCommand(t, append(shortBench("--runs", "1000", "--measures", "tcp1,rtt"), more...)...)
	stderr, err := cmd.StderrPipe()
	check(t, err)
	check(t, cmd.Start())
	lines := bufio.NewReader(stderr)
	for line := ""; !strings.Contains(line, when); {
		line, err = lines.ReadString('\n')
		check(t, err)
	}
	room := benchRoom(t, cmd.Process.Pid)
	check(t, cmd.Process.Signal(unix.SIGINT))
	text, err := io.ReadAll(lines)
	check(t, err)
	_ = cmd.Wait()
	said := strings.Split(strings.TrimSpace(string(text)), "\n")
	if code := cmd.ProcessState.ExitCode(); code != exitFailed || !strings.HasPrefix(said[len(said)-1], "vxtap: bench ended early") {
		t.Errorf("exit code %d, %q", code, text)
	}
	wantNothingLeft(t, room)
}

// benchRoom is the name of the directory that a bench holds open.
func benchRoom(t *testing.T, pid int) string {
	t.Helper()
	links, err := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pid), "fd/*"))
	check(t, err)
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && strings.HasPrefix(filepath.Base(target), demoPrefix) {
			return filepath.Base(target)
		}
	}
	t.Fatal("bench has no room")
	return ""
}

// A tunnel of the user's is measured like the others; here it is a plain cable.
func TestBenchAgainst(t *testing.T) {
	lab, err := netlab.New("against")
	check(t, err)
	defer lab.Close()
	near, err := lab.Host("near")
	check(t, err)
	far, err := lab.Host("far")
	check(t, err)
	check(t, lab.Link(near, "eth0", far, "eth0", netlab.LinkConfig{
		A: []netip.Prefix{netip.MustParsePrefix("10.77.0.1/24")},
		B: []netip.Prefix{netip.MustParsePrefix("10.77.0.2/24")},
	}))
	sink := benchCommand(t, "bench", "--sink")
	stderr, err := sink.StderrPipe()
	check(t, err)
	check(t, far.Start(sink))
	line, err := bufio.NewReader(stderr).ReadString('\n')
	check(t, err)
	if !strings.Contains(line, "ready") {
		t.Fatal(line)
	}
	out, err := benchCommand(t, shortBench("--runs", "2", "--json", "--subjects", "kernel", "--measures", "tcp1,rtt", "--against", "mine=10.77.0.2@"+filepath.Base(near.Path()),
		"--against", "dead=10.77.0.2:1@"+filepath.Base(near.Path()))...).Output()
	if err == nil {
		t.Error("a tunnel without a sink did not fail")
	}
	var r benchReport
	check(t, json.Unmarshal(out, &r))
	for m, figure := range map[string]string{"tcp1": "gbit_per_s", "rtt": "p50_us"} {
		if res := r.Labs[0].find(m, "mine"); res == nil || res.Summary[figure].Ratio <= 0 {
			t.Errorf("%s of mine: %+v", m, res)
		}
		if n, why := r.Labs[0].find(m, "dead").failures(); n != 2 || !strings.Contains(why, "reach the sink") {
			t.Errorf("%s of dead: %d failures, %s", m, n, why)
		}
	}
	check(t, sink.Process.Signal(unix.SIGTERM))
	check(t, sink.Wait())
}

func TestBenchNeedsRoot(t *testing.T) {
	cmd := benchCommand(t, "bench")
	asNobody(t, openTUN)(cmd)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	_ = cmd.Run()
	if code := cmd.ProcessState.ExitCode(); code != exitFailed || !strings.Contains(stderr.String(), "bench needs root") {
		t.Errorf("exit code %d, %q", code, stderr.String())
	}
}
