//go:build linux

package main

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/encap"
)

// clients are command lines of all that ask an agent.
var clients = []string{
	"show", "show --json", "stats", "stats --json", "stats --watch",
	"fdb show", "fdb add 02:00:00:00:00:09 dst 10.9.0.2", "fdb append 00:00:00:00:00:00 dst 10.9.0.3",
	"fdb replace 02:00:00:00:00:09 dst 10.9.0.2", "fdb del 02:00:00:00:00:09", "fdb flush",
}

func TestNoAgent(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})

	never := newSocket(t)
	dead := startVXTAP(t, a, "--vni", "42", "--local", "10.9.0.1")
	dead.kill()
	file := newSocket(t)
	check(t, os.WriteFile(file, nil, 0o600))
	for _, socket := range []string{never, dead.socket, file} {
		for _, line := range clients {
			refused(t, a, socket, exitFailed, "no vxtap agent answers on "+socket+"|vxtap up|--socket", strings.Fields(line)...)
		}
	}
}

// Changes that no agent could make are refused without one, those that this agent
// cannot make by it.
func TestBadChanges(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	socket := newSocket(t)
	for _, test := range []struct{ line, words string }{
		{"fdb add 02:00:00:00:00 dst 10.9.0.2", `"02:00:00:00:00"|six`},
		{"fdb add 02:00:00:00:00:09", "dst is missing"},
		{"fdb add 02:00:00:00:00:09 dst peer", `"peer"|an IP address`},
		{"fdb add 02:00:00:00:00:09 dst 10.9.0.2 port 0", `"0"|1 to 65535`},
		{"fdb add 02:00:00:00:00:09 dst 10.9.0.2 vni 16777216", `"16777216"|1 to 16777215`},
		{"fdb add 02:00:00:00:00:09 dst 10.9.0.2 vni 0", `"0"|1 to 16777215`},
		{"fdb del", "MAC is missing"},
		{"fdb del 00:00:00:00:00:00", "dst is missing"},
		{"fdb flush learned static", "learned and static"},
		{"fdb drop", `"drop"|vxtap fdb --help`},
	} {
		refused(t, a, socket, exitUsage, test.words, strings.Fields(test.line)...)
	}

	v := startVXTAPOn(t, a, socket, "--vni", "42", "--local", "10.9.0.1", "--remote", "10.9.0.2", "--fdb", "02:00:00:00:00:08=10.9.0.2")
	before := v.table()
	for _, test := range []struct{ line, words string }{
		{"fdb add 02:00:00:00:00:09 dst 10.9.0.1", "10.9.0.1 is our own address"},
		{"fdb add 02:00:00:00:00:09 dst 239.1.1.1", "239.1.1.1|multicast group"},
		{"fdb add 02:00:00:00:00:09 dst 0.0.0.0", "0.0.0.0"},
		{"fdb add 02:00:00:00:00:09 dst fd09::2", "fd09::2|address families"},
		{"fdb add 02:00:00:00:00:09 dst 10.9.0.2 vni 43", "network 43|not found"},
		{"fdb add 02:00:00:00:00:09 dst 10.9.0.2 dev vx43", "vx43|vx42"},
		{"fdb add 02:00:00:00:00:08 dst 10.9.0.3", "02:00:00:00:00:08|already"},
		{"fdb append 02:00:00:00:00:08 dst 10.9.0.3", "02:00:00:00:00:08|use replace"},
		{"fdb add 00:00:00:00:00:00 dst 10.9.0.3", "flood list|already|use append"},
		{"fdb del 02:00:00:00:00:09", "02:00:00:00:00:09|not found"},
		{"fdb del 02:00:00:00:00:08 dst 10.9.0.3", "02:00:00:00:00:08|10.9.0.3|not found"},
		{"fdb del 00:00:00:00:00:00 dst 10.9.0.3", "10.9.0.3|not found"},
		{"fdb del " + hardwareAddr(t, a, "vx42").String(), "port vx42"},
	} {
		refused(t, a, socket, exitFailed, test.words, strings.Fields(test.line)...)
	}
	if after := v.table(); !slices.Equal(after, before) {
		t.Errorf("the table was %v and is %v", before, after)
	}
}

// What the commands change is what they show, for people and for programs.
func TestFDBCommands(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	v := startVXTAP(t, a, "--vni", "42", "--local", "10.9.0.1", "--remote", "10.9.0.2")
	for _, test := range []struct {
		line string
		want string // lines of the table that are not the TAP's, by their fields
	}{
		{"add 02:00:00:00:00:09 dst 10.9.0.2", "00:00:00:00:00:00 10.9.0.2 flood, 02:00:00:00:00:09 10.9.0.2 static"},
		{"replace 02:00:00:00:00:09 dst 10.9.0.3 dev vx42", "00:00:00:00:00:00 10.9.0.2 flood, 02:00:00:00:00:09 10.9.0.3 static"},
		{"append 00:00:00:00:00:00 dst 10.9.0.3 vni 42", "00:00:00:00:00:00 10.9.0.2 flood, 00:00:00:00:00:00 10.9.0.3 flood, 02:00:00:00:00:09 10.9.0.3 static"},
		{"del 00:00:00:00:00:00 dst 10.9.0.2", "00:00:00:00:00:00 10.9.0.3 flood, 02:00:00:00:00:09 10.9.0.3 static"},
		{"replace 00:00:00:00:00:00 dst 10.9.0.4", "00:00:00:00:00:00 10.9.0.4 flood, 02:00:00:00:00:09 10.9.0.3 static"},
		{"del 02:00:00:00:00:09 dst 10.9.0.3", "00:00:00:00:00:00 10.9.0.4 flood"},
		{"add 02:00:00:00:00:0a dst 10.9.0.5", "00:00:00:00:00:00 10.9.0.4 flood, 02:00:00:00:00:0a 10.9.0.5 static"},
		{"flush dst 10.9.0.6", "00:00:00:00:00:00 10.9.0.4 flood, 02:00:00:00:00:0a 10.9.0.5 static"},
		{"append 00:00:00:00:00:00 dst 10.9.0.4", "00:00:00:00:00:00 10.9.0.4 flood, 02:00:00:00:00:0a 10.9.0.5 static"},
		{"flush static", "00:00:00:00:00:00 10.9.0.4 flood"},
		{"append 02:00:00:00:00:0b dst 10.9.0.5", "00:00:00:00:00:00 10.9.0.4 flood, 02:00:00:00:00:0b 10.9.0.5 static"},
		{"append 01:00:5e:00:00:01 dst 10.9.0.5", "00:00:00:00:00:00 10.9.0.4 flood, 01:00:5e:00:00:01 10.9.0.5 static, 02:00:00:00:00:0b 10.9.0.5 static"},
		{"append 01:00:5e:00:00:01 dst 10.9.0.5", "00:00:00:00:00:00 10.9.0.4 flood, 01:00:5e:00:00:01 10.9.0.5 static, 02:00:00:00:00:0b 10.9.0.5 static"},
		{"flush static", "00:00:00:00:00:00 10.9.0.4 flood"},
	} {
		output(t, a, v.socket, "fdb "+test.line)
		var list []api.FDBEntry
		printed(t, a, v.socket, "fdb show --json", &list)
		if got := describeEntries(list); got != test.want {
			t.Errorf("after %s: %s, want %s", test.line, got, test.want)
		}
	}
	if text := output(t, a, v.socket, "fdb show dst ::ffff:10.9.0.4"); !strings.Contains(text, "dst 10.9.0.4") {
		t.Errorf("a mapped address: %q", text)
	}
	text := output(t, a, v.socket, "fdb show")
	for _, words := range [][]string{{"00:00:00:00:00:00", "dst 10.9.0.4", "flood"}, {"dev vx42", "local"}} {
		if !slices.ContainsFunc(strings.Split(text, "\n"), func(line string) bool {
			return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) })
		}) {
			t.Errorf("fdb show has no line with %q:\n%s", words, text)
		}
	}
}

// output runs a command that has to succeed, and returns what it prints.
func output(t *testing.T, h *netlab.Host, socket, line string) string {
	t.Helper()
	c := launch(t, h, socket, strings.Fields(line)...)
	c.waitExit()
	if code := c.cmd.ProcessState.ExitCode(); code != exitDone || c.log.String() != "" {
		t.Errorf("%s: exit code %d, %s", line, code, c.log.String())
	}
	return c.stdout.String()
}

// printed runs a command and reads the JSON that it prints.
func printed(t *testing.T, h *netlab.Host, socket, line string, to any) {
	t.Helper()
	stdout := output(t, h, socket, line)
	d := json.NewDecoder(strings.NewReader(stdout))
	if err := d.Decode(to); err != nil || d.More() {
		t.Errorf("%s prints no JSON, or more than one value: %v\n%s", line, err, stdout)
	}
}

func describeEntries(list []api.FDBEntry) string {
	var lines []string
	for _, e := range list {
		if e.Class != api.ClassLocal {
			lines = append(lines, e.MAC.String()+" "+e.Dst.String()+" "+string(e.Class))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, ", ")
}

func TestListings(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	v := startVXTAP(t, a, "--vni", "42", "--local", "10.9.0.1", "--remote", "10.9.0.2", "--address", "192.168.77.1/24")
	var node api.Node
	printed(t, a, v.socket, "show --json", &node)
	if len(node.Networks) != 1 || node.Networks[0].VNI != 42 || node.Local != ip("10.9.0.1") {
		t.Errorf("show --json: %+v", node)
	}
	var stats api.Stats
	printed(t, a, v.socket, "stats --json", &stats)
	if len(stats.Networks) != 1 || stats.Networks[0].VNI != 42 {
		t.Errorf("stats --json: %+v", stats)
	}
	for line, word := range map[string]string{"show": "192.168.77.1/24", "stats": "42", "stats --all": "unknown_vni"} {
		if stdout := output(t, a, v.socket, line); !strings.Contains(stdout, word) {
			t.Errorf("%s does not say %q:\n%s", line, word, stdout)
		}
	}
}

// Who watches an agent is told when it ends.
func TestWatchedAgentEnds(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	v := startVXTAP(t, a, "--vni", "42", "--local", "10.9.0.1")
	watch := launch(t, a, v.socket, "stats", "--watch", "--interval", "10ms")
	v.stop()
	watch.endedWith(exitFailed)
	watch.saysWhy("no vxtap agent answers on " + v.socket)
}

// append is content with what is there, and makes an entry for a MAC that has none, as the
// kernel's does.
func TestAppend(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	v := startVXTAP(t, a, "--vni", "42", "--local", "10.9.0.1", "--remote", "10.9.0.2")
	before := len(v.table())
	for _, c := range []struct {
		mac   encap.MAC
		dst   string
		lines int // more than before
	}{
		{encap.MAC{}, "10.9.0.2", 0},
		{encap.MAC{2, 0, 0, 0, 0, 9}, "10.9.0.3", 1},
		{encap.MAC{}, "10.9.0.3", 2},
	} {
		v.ask(func(ctx context.Context) error {
			return v.api.ChangeFDB(ctx, 42, api.FDBChange{Op: api.OpAppend, MAC: c.mac, Dst: ip(c.dst)})
		})
		if got := len(v.table()) - before; got != c.lines {
			t.Errorf("after %v at %s, %d more lines, want %d", c.mac, c.dst, got, c.lines)
		}
	}
}
