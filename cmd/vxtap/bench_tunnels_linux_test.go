package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tunnelsProgram is a program for --tunnels, of lines for a shell.
func tunnelsProgram(t *testing.T, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tunnels")
	check(t, os.WriteFile(path, []byte("#!/bin/sh\n"+strings.Join(lines, "\n")+"\n"), 0o755))
	return path
}

// Tunnels that a program brings up between the hosts of the bench are measured with the
// rest; here one is the cable, and one cannot be had. In the end the program is told.
func TestBenchTunnels(t *testing.T) {
	ended := filepath.Join(t.TempDir(), "ended")
	program := tunnelsProgram(t,
		// In host a, and host b is where it says.
		`nsenter --net="$3" ip -4 addr show dev eth0 | grep -q "inet $4/" || exit 1`,
		`ip -4 addr show dev eth0 | grep -q "inet $2/" && nsenter --net="$1" true || exit 1`,
		`trap 'kill $!; echo "$5" >'`+ended+`'; exit' TERM`,
		`echo "cable=$4"`,
		`echo "absent: needs a = and a :"`,
		`echo ready`,
		`sleep 1000 >/dev/null 2>&1 & wait`)
	cmd := benchCommand(t, shortBench("--runs", "2", "--json", "--subjects", "kernel,sealed", "--measures", "tcp1", "--tunnels", program)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	var r benchReport
	check(t, json.Unmarshal(out, &r))
	part := r.Labs[0]
	if want := []string{"kernel", "sealed", "cable"}; !slices.Equal(part.Subjects, want) {
		t.Errorf("subjects %q, want %q", part.Subjects, want)
	}
	if s := part.find("tcp1", "cable"); s == nil || s.Summary["gbit_per_s"].Ratio <= 0 {
		t.Errorf("TCP of the cable: %+v", s)
	}
	if want := []string{"absent is left out: needs a = and a :"}; !slices.Equal(part.Notes, want) {
		t.Errorf("notes %q, want %q", part.Notes, want)
	}
	if mtu, err := os.ReadFile(ended); string(mtu) != "1500\n" {
		t.Errorf("the program was not told to end, or to which MTU: %q, %v", mtu, err)
	}
}

// A program for --tunnels that breaks its promise ends the bench with a line that says how,
// and nothing stays.
func TestBenchTunnelsFail(t *testing.T) {
	for _, c := range []struct {
		name, want string
		lines      []string
	}{
		{"ends early", "exit status 3): no such cipher", []string{"echo no such cipher >&2", "exit 3"}},
		{"bad line", `bad address "nowhere" of tunnel mine`, []string{"echo mine=nowhere", "exec sleep 1000"}},
		{"name taken", `there is a subject of that name`, []string{"echo mine=10.9.0.2; echo mine=10.9.0.2", "exec sleep 1000"}},
		{"own name", `kernel is one of bench's own subjects`, []string{"echo kernel=10.9.0.2", "exec sleep 1000"}},
		{"ends later", "1 of 2 measurements failed", []string{"echo mine=10.9.0.2; echo ready"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := benchCommand(t, shortBench("--runs", "1", "--subjects", "kernel", "--measures", "tcp1", "--tunnels", tunnelsProgram(t, c.lines...))...)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			_ = cmd.Run()
			if code := cmd.ProcessState.ExitCode(); code != exitFailed || !strings.Contains(stderr.String(), c.want) {
				t.Errorf("exit code %d, %s, want %q", code, stderr.String(), c.want)
			}
		})
	}
}

// Interrupted while tunnels come up, a bench does not wait for them.
func TestBenchTunnelsInterrupted(t *testing.T) {
	program := tunnelsProgram(t, "echo waiting: for ever", "exec sleep 1000")
	interruptBench(t, "waiting is left out: for ever", "--tunnels", program)
}

func TestBenchTunnelsMissing(t *testing.T) {
	cmd := benchCommand(t, "bench", "--tunnels", "/does/not/exist")
	out, _ := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != exitFailed || !strings.Contains(string(out), "--tunnels") || strings.Count(string(out), "\n") != 1 {
		t.Errorf("exit code %d, %q", code, out)
	}
}
