package main

import (
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/vxtap/vxtap/control"
)

// unit reads a unit file into its settings, by section and key.
func unit(t *testing.T, name string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("systemd", name))
	if err != nil {
		t.Fatal(err)
	}
	section, settings := "", map[string][]string{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		key, value, isSetting := strings.Cut(line, "=")
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			section = strings.Trim(line, "[]")
		case isSetting && section != "":
			settings[section+" "+key] = append(settings[section+" "+key], value)
		default:
			t.Errorf("%s: %q is no setting", name, line)
		}
	}
	return settings
}

// Every command line of the unit is one that this program knows, as it stands.
func TestServiceCommands(t *testing.T) {
	service := unit(t, "vxtap.service")
	for _, key := range []string{"ExecStartPre", "ExecStart", "ExecReload"} {
		lines := service["Service "+key]
		if len(lines) != 1 {
			t.Fatalf("%s is %q", key, lines)
		}
		words := strings.Fields(lines[0])
		if words[0] != "/usr/local/bin/vxtap" {
			t.Errorf("%s runs %s", key, words[0])
		}
		root := newRoot(&env{getenv: os.Getenv})
		c, rest, err := root.Find(words[1:])
		if err != nil || c == root {
			t.Errorf("%s: vxtap %q is no command: %v", key, words[1:], err)
			continue
		}
		if err := c.ParseFlags(rest); err != nil {
			t.Errorf("%s: %v", key, err)
		}
		if err := c.ValidateArgs(c.Flags().Args()); err != nil {
			t.Errorf("%s: %v", key, err)
		}
		readsTheFile(t, c)
	}
	for key, want := range map[string]string{"Type": "notify", "WatchdogSec": "30s", "RuntimeDirectory": "vxtap", "LimitCORE": "0"} {
		if got := service["Service "+key]; len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if c, _, _ := newRoot(&env{getenv: os.Getenv}).Find([]string{"run"}); c.Flags().Lookup("config") == nil {
		t.Error("run has no --config")
	}
	if got := unit(t, "vxtap.socket")["Socket ListenStream"]; len(got) != 1 || got[0] != "/run/vxtap/vxtap.sock" {
		t.Errorf("the socket is %q", got)
	}
}

func readsTheFile(t *testing.T, c *cobra.Command) {
	t.Helper()
	if c.Name() == "run" && c.Flag("config").Value.String() != "/etc/vxtap/vxtap.yaml" {
		t.Errorf("run reads %q", c.Flag("config").Value)
	}
}

// The socket goes to the group vxtap where there is one, and stays where there is none.
func TestSocketGroup(t *testing.T) {
	for _, tt := range []struct {
		group *user.Group
		err   error
		ok    bool
	}{
		{nil, user.UnknownGroupError("vxtap"), true},
		{nil, os.ErrNotExist, true},
		{&user.Group{Gid: "54321"}, nil, true},
		{&user.Group{Gid: "S-1-5"}, nil, true},
	} {
		path := filepath.Join(t.TempDir(), "s")
		e := &env{socket: path, getenv: func(string) string { return "" }, lookupGroup: func(name string) (*user.Group, error) {
			if name != "vxtap" {
				t.Errorf("group %q is looked up", name)
			}
			return tt.group, tt.err
		}}
		ln, err := listen(e)
		if (err == nil) != tt.ok {
			t.Fatal(err)
		}
		info, err := os.Lstat(path)
		if err != nil || info.Mode().Perm() != 0o660 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
		if want := tt.group != nil && tt.group.Gid == "54321"; os.Geteuid() == 0 && (groupID(info) == 54321) != want {
			t.Errorf("group %d of the socket with %v", groupID(info), tt.group)
		}
		if err := ln.Close(); err != nil {
			t.Error(err)
		}
	}
}

// What config example prints passes config check.
func TestConfigCommands(t *testing.T) {
	example := vxtap(t.Context(), "", "config", "example")
	if example.code != exitDone || !strings.Contains(example.stdout, "networks:") {
		t.Fatalf("config example: %+v", example)
	}
	r := vxtapReading(t.Context(), example.stdout, "", "config", "check", "-")
	if r.code != exitDone || r.stdout != "-: 2 networks, no mistakes found\n" {
		t.Errorf("config check: %+v", r)
	}
	// What is commented out is right, too, once there are keys.
	sealed := strings.NewReplacer("# key:", "key:", "# peer:", "peer:", "#   - 10.9.0.2=PUBLIC-KEY-OF-THE-OTHER", "  - 10.9.0.2="+keyB.String(),
		"# cipher:", "cipher:", "# nat:", "nat:", "# keepalive:", "keepalive:", "# queues:", "queues:", "# offload:", "offload:",
		"# netns:", "netns:", "# - vni: 44", "- vni: 44", "#   sealed:", "  sealed:", "#   address:", "  address:",
		"# - vni: 45", "- vni: 45", "#   group:", "  group:", "#   dev:", "  dev:").Replace(example.stdout)
	if r := vxtapReading(t.Context(), sealed, "", "config", "check", "-"); r.stdout != "-: 4 networks, no mistakes found\n" {
		t.Errorf("config check of all that is commented out: %+v", r)
	}
	for _, w := range control.Words(nil) {
		if !strings.Contains(example.stdout, " "+w.Name+": ") && !strings.Contains(example.stdout, "\n"+w.Name+": ") && !strings.Contains(example.stdout, " "+w.Name+":\n") {
			t.Errorf("config example does not show %s", w.Name)
		}
	}
	failed(t, vxtap(t.Context(), "", "config", "check"), exitUsage, "want one file")
	failed(t, vxtap(t.Context(), "", "config", "chekc"), exitUsage, "did you mean")
	failed(t, vxtap(t.Context(), "", "run"), exitUsage, "name it with -c FILE")
	failed(t, vxtap(t.Context(), "", "run", "-c", t.TempDir()+"/none"), exitFailed, "no such file")
	failed(t, vxtapReading(t.Context(), "local: x\n", "", "config", "check", "-"), exitFailed, "standard input:1:8: local: bad address")
	failed(t, vxtap(t.Context(), filepath.Join(t.TempDir(), "s"), "reload"), exitFailed, "no vxtap agent answers")
}
