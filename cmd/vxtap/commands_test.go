package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/encap"
)

func TestOutput(t *testing.T) {
	empty := oneNetwork()
	empty.node.Networks = nil
	tests := []struct {
		name  string
		agent *agent
		args  string
	}{
		{"show", oneNetwork(), "show"},
		{"show_two", twoNetworks(), "show"},
		{"show_empty", empty, "show"},
		{"show_json", twoNetworks(), "show --json"},
		{"port_show", twoNetworks(), "port show"},
		{"port_show_one", twoNetworks(), "port show --network 43"},
		{"port_show_json", twoNetworks(), "port show --json"},
		{"fdb_show", oneNetwork(), "fdb show"},
		{"fdb_show_two", twoNetworks(), "fdb show"},
		{"fdb_show_vni", twoNetworks(), "fdb show --vni 43"},
		{"fdb_show_vni", twoNetworks(), "fdb show dev c1"},
		{"fdb_show_vni", twoNetworks(), "fdb show dev vx43 vni 43"},
		{"fdb_show_mac", twoNetworks(), "fdb show mac 02:42:0a:09:00:0a"},
		{"fdb_show_flood", oneNetwork(), "fdb show --mac 00:00:00:00:00:00"},
		{"fdb_show_dst", oneNetwork(), "fdb show dst 10.9.0.3"},
		{"fdb_show_json", oneNetwork(), "fdb show --json"},
		{"fdb_flush", oneNetwork(), "fdb flush"},
		{"fdb_flush_json", oneNetwork(), "fdb flush --json"},
		{"stats", oneNetwork(), "stats"},
		{"stats_all", oneNetwork(), "stats --all"},
		{"stats_json", oneNetwork(), "stats --json"},
		{"show_sealed", sealedNetwork(), "show"},
		{"keys_show", sealedNetwork(), "keys show"},
		{"keys_show_json", sealedNetwork(), "keys show --json"},
		{"keys_show_none", oneNetwork(), "keys show"},
		{"keys_rotate", sealedNetwork(), "keys rotate"},
		{"keys_rotate_json", sealedNetwork(), "keys rotate --json 10.9.0.2"},
		{"nothing", oneNetwork(), "fdb add 02:42:0a:09:00:0b dst 10.9.0.2"},
	}
	for _, tt := range tests {
		r := vxtap(t.Context(), tt.agent.serve(t), strings.Fields(tt.args)...)
		if r.code != exitDone || r.stderr != "" {
			t.Errorf("vxtap %s: exit code %d, stderr %q", tt.args, r.code, r.stderr)
		}
		golden(t, tt.name, r.stdout)
	}
}

func TestFDBAsks(t *testing.T) {
	group := encap.MAC{1, 0, 0x5e, 0, 0, 1}
	change := func(op api.Op, mac encap.MAC, port uint16) []any {
		return []any{encap.VNI(42), api.FDBChange{Op: op, MAC: mac, Dst: peer2, DstPort: port}}
	}
	tests := []struct {
		args string
		want []any
	}{
		{"add 02:42:0a:09:00:0b dst 10.9.0.2", change(api.OpAdd, macB, 0)},
		{"add 02:42:0a:09:00:0b --dst 10.9.0.2 --port 4790", change(api.OpAdd, macB, 4790)},
		{"append 00:00:00:00:00:00 dev vx42 dst 10.9.0.2 self permanent", change(api.OpAppend, encap.MAC{}, 0)},
		{"append 01:00:5e:00:00:01 dst 10.9.0.2 vni 42 dev vx42", change(api.OpAppend, group, 0)},
		{"replace 02-42-0A-09-00-0B port 65535 dst 10.9.0.2 static", change(api.OpReplace, macB, 65535)},
		{"add --vni 7 02:42:0a:09:00:0b dst fd00::2", []any{encap.VNI(7), api.FDBChange{Op: api.OpAdd, MAC: macB, Dst: netip.MustParseAddr("fd00::2")}}},
		{"del 02:42:0a:09:00:0b", []any{encap.VNI(42), macB, netip.AddrPort{}}},
		{"delete 02:42:0a:09:00:0b dst 10.9.0.2", []any{encap.VNI(42), macB, netip.AddrPortFrom(peer2, 0)}},
		{"del 00:00:00:00:00:00 dst 10.9.0.2 port 9", []any{encap.VNI(42), encap.MAC{}, netip.AddrPortFrom(peer2, 9)}},
		{"flush", []any{encap.VNI(42), api.FDBFlush{}}},
		{"flush learned mac 02:42:0a:09:00:0b", []any{encap.VNI(42), api.FDBFlush{Class: api.ClassLearned, MAC: macB}}},
		{"flush --static --dst 10.9.0.2 port vx42 self", []any{encap.VNI(42), api.FDBFlush{Class: api.ClassStatic, Dst: peer2, Port: "vx42"}}},
	}
	for _, tt := range tests {
		a := oneNetwork()
		r := vxtap(t.Context(), a.serve(t), strings.Fields("fdb "+tt.args)...)
		if r.code != exitDone || r.stderr != "" {
			t.Errorf("fdb %s: exit code %d, stderr %q", tt.args, r.code, r.stderr)
		}
		if !reflect.DeepEqual(a.asked, tt.want) {
			t.Errorf("fdb %s asked %v, want %v", tt.args, a.asked, tt.want)
		}
	}
}

func TestKeysRotateAsks(t *testing.T) {
	for args, want := range map[string]api.KeysRotate{
		"":                  {},
		" 10.9.0.2":         {VTEP: peer2},
		" fe80::2%eth0":     {VTEP: netip.MustParseAddr("fe80::2")},
		" " + keyB.String(): {PublicKey: keyB},
	} {
		a := sealedNetwork()
		r := vxtap(t.Context(), a.serve(t), strings.Fields("keys rotate"+args)...)
		if r.code != exitDone || r.stderr != "" || !reflect.DeepEqual(a.asked, []any{want}) {
			t.Errorf("keys rotate%s: exit code %d, stderr %q, asked %v", args, r.code, r.stderr, a.asked)
		}
	}
}

func TestBadUsage(t *testing.T) {
	const mac = "02:42:0a:09:00:0b"
	tests := []struct{ args, says string }{
		{"shwo", `unknown command "shwo": did you mean vxtap show?`},
		{"frobnicate", `unknown command "frobnicate": see vxtap --help`},
		{"--frob", "unknown flag: --frob: see vxtap --help"},
		{"show --frob", "unknown flag: --frob: see vxtap show --help"},
		{"show x", `unexpected "x": show takes flags only, see vxtap show --help`},
		{"show --json=maybe", `--json: strconv.ParseBool: parsing "maybe": invalid syntax`},
		{"show --socket", "flag needs an argument: --socket: see vxtap show --help"},
		{"version x", `unexpected "x": version takes flags only, see vxtap version --help`},
		{"stats --interval 0", `--interval: bad interval "0": want a time, like 500ms or 2s`},
		{"stats --interval -1s", `--interval: bad interval "-1s": want a time, like 500ms or 2s`},
		{"keys foo", `unknown command "foo": see vxtap keys --help`},
		{"keys show x", `unexpected "x": show takes flags only, see vxtap keys show --help`},
		{"keys rotate x", `bad peer "x": want the address of its VTEP, or its public key as vxtap keys show has it`},
		{"keys rotate 10.9.0.2 x", `unexpected "x": want vxtap keys rotate [PEER]`},
		{"port foo", `unknown command "foo": see vxtap port --help`},
		{"port add", "--device is missing: want vxtap port add --device NAME [--netns NAME|PATH | --pid PID] [flags]"},
		{"port add eth0", `unexpected "eth0": add takes flags only, see vxtap port add --help`},
		{"port add --device x --pid -1", `--pid: bad pid "-1": want that of a process`},
		{"port add --device x --kind y", `--kind: bad kind "y": want tap, tun or interface`},
		{"port add --device x --address 1.2.3.4", `--address: bad address "1.2.3.4": want one with its prefix length, like 192.168.77.1/24`},
		{"port add --device x --route default", "--route: bad route default: name its gateway, as in default=192.168.77.1"},
		{"port add --device x --route default=y", `--route: bad gateway "y" of route "default=y": want an IP address, as in default=192.168.77.1`},
		{"port add --device x --route y=1.2.3.4", `--route: bad route "y=1.2.3.4": want TO=GATEWAY, as in 10.0.0.0/8=192.168.77.1 or default=192.168.77.1`},
		{"port del", "name one port, as vxtap port show has it: want vxtap port del NAME [--network VNI]"},
		{"port del a b", "name one port, as vxtap port show has it: want vxtap port del NAME [--network VNI]"},
		{"port show x", `unexpected "x": show takes flags only, see vxtap port show --help`},
		{"fdb foo", `unknown command "foo": see vxtap fdb --help`},
		{"fdb add", "the MAC is missing: want vxtap fdb add MAC dst ADDR [port N] [vni N | dev NAME]"},
		{"fdb add x dst 10.9.0.2", `bad MAC address "x": want six hexadecimal octets, like 02:42:0a:00:00:01`},
		{"fdb add " + mac, "dst is missing: want vxtap fdb add MAC dst ADDR [port N] [vni N | dev NAME]"},
		{"fdb add " + mac + " dst", "dst needs a value"},
		{"fdb add " + mac + " dst x", `dst: bad address "x": want an IP address, like 10.9.0.2`},
		{"fdb add " + mac + " --dst x", `--dst: bad address "x": want an IP address, like 10.9.0.2`},
		{"fdb add " + mac + " dst 10.9.0.2:4790", `dst: bad address "10.9.0.2:4790": write dst 10.9.0.2 port 4790`},
		{"fdb add " + mac + " dst 10.9.0.2 dst 10.9.0.3", "dst is given twice"},
		{"fdb add " + mac + " dst 10.9.0.2 --dst 10.9.0.3", "dst is given twice"},
		{"fdb add " + mac + " dst 10.9.0.2 port 0", `port: bad port "0": want a number from 1 to 65535`},
		{"fdb add " + mac + " dst 10.9.0.2 port 65536", `port: bad port "65536": want a number from 1 to 65535`},
		{"fdb add " + mac + " dst 10.9.0.2 --vni 0", `--vni: bad VNI "0": want a number from 1 to 16777215`},
		{"fdb add " + mac + " dst 10.9.0.2 vni 16777216", `vni: bad VNI "16777216": want a number from 1 to 16777215`},
		{"fdb add " + mac + " dst 10.9.0.2 dev vx42 vni 43", "vx42 is on network 42, not 43: an entry cannot have a VNI of its own"},
		{"fdb add " + mac + " dst 10.9.0.2", "the agent has several networks: name one with vni N of 42 (dev vx42), 43 (dev vx43)"},
		{"fdb add " + mac + " dst 10.9.0.2 via eth0", "via is not supported: the host's routes choose the interface towards a VTEP"},
		{"fdb add " + mac + " dst 10.9.0.2 src_vni 7", "src_vni is not supported: a network has one VNI, name it with vni N"},
		{"fdb add " + mac + " nhid 7", "nhid is not supported: an entry names its VTEP with dst ADDR"},
		{"fdb add " + mac + " dst 10.9.0.2 dynamic", "dynamic is not supported: what is configured stays; only learned entries age"},
		{"fdb add " + mac + " dst 10.9.0.2 frob", `unexpected "frob": want vxtap fdb add MAC dst ADDR [port N] [vni N | dev NAME]`},
		{"fdb del " + mac + " port 9", "port 9 is given without dst"},
		{"fdb del 00:00:00:00:00:00", "dst is missing: it says which VTEP leaves the flood list"},
		{"fdb flush learned static", "learned and static contradict each other: leave both out to flush both"},
		{"fdb flush mac 00:00:00:00:00:00", "the flood list is not flushed: use vxtap fdb del 00:00:00:00:00:00 dst ADDR"},
		{"fdb show " + mac, `unexpected "` + mac + `": want vxtap fdb show [mac MAC] [dst ADDR] [vni N | dev NAME]`},
	}
	a := twoNetworks()
	socket := a.serve(t)
	for _, tt := range tests {
		r := vxtap(t.Context(), socket, strings.Fields(tt.args)...)
		if r.code != exitUsage || r.stderr != "vxtap: "+tt.says+"\n" || r.stdout != "" {
			t.Errorf("vxtap %s: exit code %d, stdout %q, stderr\n%s want\nvxtap: %s", tt.args, r.code, r.stdout, r.stderr, tt.says)
		}
	}
	if len(a.asked) > 0 {
		t.Errorf("the agent was asked %v", a.asked)
	}
}

func TestFailures(t *testing.T) {
	a := twoNetworks()
	a.err = fmt.Errorf("%v on network 42: %w", macB, api.ErrNotFound)
	socket := a.serve(t)
	nowhere := filepath.Join(t.TempDir(), "none.sock")
	tests := []struct{ args, says string }{
		{"fdb del 02:42:0a:09:00:0b vni 42", "02:42:0a:09:00:0b on network 42: not found"},
		{"keys rotate 10.9.0.3", "02:42:0a:09:00:0b on network 42: not found"},
		{"fdb add 02:42:0a:09:00:0b dst 10.9.0.2 dev eth0", "no network has a port eth0: there are 42 (dev vx42), 43 (dev vx43)"},
		{"fdb show vni 44", "no network 44: there are 42 (dev vx42), 43 (dev vx43)"},
		{"show --socket " + nowhere, "no vxtap agent answers on " + nowhere + ": start one with vxtap up, or name its socket with --socket"},
		{"stats --watch --socket " + nowhere, "no vxtap agent answers on " + nowhere + ": start one with vxtap up, or name its socket with --socket"},
	}
	for _, tt := range tests {
		r := vxtap(t.Context(), socket, strings.Fields(tt.args)...)
		if r.code != exitFailed || r.stderr != "vxtap: "+tt.says+"\n" {
			t.Errorf("vxtap %s: exit code %d, stderr\n%s want\nvxtap: %s", tt.args, r.code, r.stderr, tt.says)
		}
	}
}

func TestSocketDefault(t *testing.T) {
	if r := vxtap(t.Context(), "", "show", "--help"); !strings.Contains(r.stdout, `(default "/run/vxtap/vxtap.sock")`) {
		t.Errorf("help says\n%s", r.stdout)
	}
}

func TestHelpOfGroups(t *testing.T) {
	for _, args := range [][]string{{}, {"fdb"}, {"keys"}} {
		if r := vxtap(t.Context(), "", args...); r.code != exitDone || !strings.Contains(r.stdout, "Available Commands") {
			t.Errorf("vxtap %v: %+v", args, r)
		}
	}
}

func TestVersion(t *testing.T) {
	r := vxtap(t.Context(), "", "version")
	system := runtime.GOOS + "/" + runtime.GOARCH
	if f := strings.Fields(r.stdout); len(f) != 4 || f[0] != "vxtap" || f[2] != runtime.Version() || f[3] != system {
		t.Errorf("version is %q", r.stdout)
	}
	var v versionInfo
	r = vxtap(t.Context(), "", "version", "--json")
	if err := json.Unmarshal([]byte(r.stdout), &v); err != nil || v.Version == "" || v.OS+"/"+v.Arch != system {
		t.Errorf("version --json is %q: %v", r.stdout, err)
	}
}

// interrupter collects output and ends a context after some writes.
type interrupter struct {
	text      strings.Builder
	left      int
	interrupt context.CancelFunc
}

func (i *interrupter) Write(p []byte) (int, error) {
	if i.left--; i.left == 0 {
		i.interrupt()
	}
	return i.text.Write(p)
}

func TestStatsWatch(t *testing.T) {
	tests := []struct {
		name, args string
		terminal   bool
	}{
		{"watch", "stats --watch --interval 1ms", false},
		{"watch_terminal", "stats --watch --interval 1ms", true},
		{"watch_json", "stats --watch --interval 1ms --json", false},
	}
	for _, tt := range tests {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		out := &interrupter{left: 2, interrupt: cancel}
		var stderr bytes.Buffer
		now := started
		socket := oneNetwork().serve(t)
		code := run(ctx, &env{
			stdout: out, stderr: &stderr, terminal: tt.terminal,
			getenv: func(key string) string { return map[string]string{"VXTAP_SOCKET": socket}[key] },
			now:    func() time.Time { now = now.Add(2 * time.Second); return now },
		}, strings.Fields(tt.args))
		cancel()
		if code != exitDone || stderr.Len() > 0 {
			t.Errorf("%s: exit code %d, stderr %q", tt.name, code, &stderr)
		}
		golden(t, tt.name, out.text.String())
	}
}
