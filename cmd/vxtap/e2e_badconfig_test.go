//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/dataplane/netlab"
)

// A file of 100 MB, of nothing that takes room.
const hugeFile = 100 << 20

// badConfigs are files that no agent takes, and what is said of them.
var badConfigs = []struct{ name, text, says string }{
	{"a tab", "local: 10.9.0.1\nnetworks:\n\t- vni: 42\n", `:3:1: found character '\t' that cannot start any token`},
	{"empty", "", " is empty: see vxtap config example"},
	{"100 MB", "", "has more than 1048576 bytes: that is no configuration"},
	{"a key twice", "local: 10.9.0.1\nport: 4789\nport: 8472\n", `:3:1: mapping key "port" already defined`},
	{"a word of a network twice", "local: 10.9.0.1\nnetworks:\n- vni: 42\n  remote: 10.9.0.2\n  remote: 10.9.0.3\n", `:5:3: mapping key "remote" already defined`},
	{"the networks twice", "local: 10.9.0.1\nnetworks: []\nnetworks: []\n", `:3:1: mapping key "networks" already defined`},
	{"a VNI twice", "local: 10.9.0.1\nnetworks:\n- vni: 42\n- vni: 42\n", ":4:8: VNI 42 is given twice"},
	{"anchors that explode", explosion(), ":2:4: anchors and aliases are not taken"},
	{"half a file", "local: 10.9.0.1\nnetworks:\n- {vni: 42, remote: [10.9.0.2", ":3:"},
	{"no text", "local: \xff\xfe\n", "is no text"},
}

// explosion is a document of some hundred bytes that stands for a thousand million values.
func explosion() string {
	text := "local: 10.9.0.1\na: &a [x, x, x, x, x, x, x, x, x, x]\n"
	for c := 'b'; c <= 'j'; c++ {
		text += fmt.Sprintf("%c: &%[1]c [%s*%c]\n", c, strings.Repeat(fmt.Sprintf("*%c, ", c-1), 9), c-1)
	}
	return text
}

// writeBad writes one of them.
func (f *configFile) writeBad(name, text string) {
	f.t.Helper()
	f.write(text)
	if name == "100 MB" {
		check(f.t, os.Truncate(f.path, hugeFile))
	}
}

// A reload with a broken file leaves all as it was: that is said by the log, by events, and by
// the command, which fails; frames go on. A file that is fine again is taken.
func TestRunReloadOfBadFiles(t *testing.T) {
	t.Parallel()
	a, b := newPair(t, netlab.LinkConfig{})
	silence(t, a, b)
	startRun(t, b, newConfigFile(t, threeNetworks("10.9.0.2", "10.9.0.1", 64, "10.9.0.1")))
	good := threeNetworks("10.9.0.1", "10.9.0.2", 64, "10.9.0.2")
	f := newConfigFile(t, good)
	c := startRun(t, a, f)
	ping(t, a, "192.168.42.2")
	events := listenTo(c)
	before := fmt.Sprintf("%+v", c.node().Networks)
	load := pingOn(t, a, "192.168.42.2")
	fails := func(name, says string) {
		t.Helper()
		r := vxtap(t.Context(), c.socket, "reload")
		if r.code != exitFailed || r.stdout != "" || !strings.Contains(r.stderr, says) || strings.Count(r.stderr, "\n") != 1 {
			t.Errorf("%s: vxtap reload: %d %q %q, want %q", name, r.code, r.stdout, r.stderr, says)
		}
		if e := events.wait(api.EventReloadFailed, "everything stays as it was"); !strings.Contains(e.Message, says) {
			t.Errorf("%s: told %+v", name, e)
		}
		check(t, c.cmd.Process.Signal(syscall.SIGHUP))
		if e := events.wait(api.EventReloadFailed, "everything stays as it was"); !strings.Contains(e.Message, says) {
			t.Errorf("%s, by SIGHUP: told %+v", name, e)
		}
		text, err := json.Marshal(says) // as the log has it
		check(t, err)
		logged := strings.Trim(string(text), `"`)
		eventually(t, name+" is in the log twice", func() bool { return strings.Count(c.log.String(), logged) >= 2 })
	}
	for _, bad := range badConfigs {
		f.writeBad(bad.name, bad.text)
		fails(bad.name, bad.says)
	}
	check(t, os.Remove(f.path))
	fails("no file", "no such file")
	check(t, os.Mkdir(f.path, 0o755))
	fails("a directory", "is a directory")
	check(t, os.Remove(f.path))
	if sent, answered := load(); sent != answered {
		t.Errorf("%d of %d echo requests were answered", answered, sent)
	}
	for _, n := range c.node().Networks {
		if !strings.Contains(before, fmt.Sprintf("VNI:%v ", n.VNI)) {
			t.Errorf("network %v was not there before: %s", n.VNI, before)
		}
	}
	c.expectVNIs(42, 43, 44)
	f.write(good)
	if r := vxtap(t.Context(), c.socket, "reload"); r.code != exitDone || !strings.Contains(r.stdout, "unchanged: 3 networks") {
		t.Errorf("the file as it was: %+v", r)
	}
}

// The same files do not start an agent, and config check says the same of them.
func TestRunRefusesBadFiles(t *testing.T) {
	t.Parallel()
	lab := newLab(t)
	h := newHost(t, lab, "a")
	for _, bad := range badConfigs {
		f := newConfigFile(t, "")
		f.writeBad(bad.name, bad.text)
		if r := vxtap(t.Context(), "", "config", "check", f.path); r.code != exitFailed || !strings.Contains(r.stderr, bad.says) || strings.Count(r.stderr, "\n") != 1 {
			t.Errorf("%s: config check: %d %q %q", bad.name, r.code, r.stdout, r.stderr)
		}
		refused(t, h, filepath.Join(t.TempDir(), "s"), exitFailed, bad.says, "run", "-c", f.path)
	}
}
