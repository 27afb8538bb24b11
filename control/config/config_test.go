package config_test

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/control/config"
	"github.com/vxtap/vxtap/crypto"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// badName is what no system has a device of.
func checkName(name string) error {
	if strings.Contains(name, "/") {
		return fmt.Errorf("bad name %q", name)
	}
	return nil
}

func read(text string) (control.Spec, error) {
	return config.Read(strings.NewReader(text), "f", control.Words(checkName))
}

var (
	keyB = crypto.PrivateKey{0, 2}.Public().String()
	keyC = crypto.PrivateKey{0, 3}.Public().String()
)

const node = "local: 10.9.0.1\n"

func TestRead(t *testing.T) {
	spec, err := read(`# comment
local: 10.9.0.1
port: 8472
queues: 2
key: /etc/vxtap/key
peer: [10.9.0.2=` + keyB + `]
networks:
  - vni: 42
    remote: [10.9.0.2, "10.9.0.3:4790"]
    fdb:
      - 02:42:00:00:00:02=10.9.0.2
    address: 192.168.77.1/24
    learning: no
    closed: yes
    ageing: 10
    tos: 0x10
    reserved-bits: 0x08
`)
	if err == nil || !strings.Contains(err.Error(), `f:13:15: learning: bad value "no": want true or false`) {
		t.Errorf("got %v", err)
	}
	spec, err = read(`local: 10.9.0.1
port: 8472
key: /etc/vxtap/key
peer: 10.9.0.2=` + keyB + `
networks:
- vni: 42
  remote: [10.9.0.2, "10.9.0.3:4790"]
  fdb: 02:42:00:00:00:02=10.9.0.2
  learning: false
  closed: true
  ageing: 10
  tos: 0x10
- {vni: 43, sealed: true}
- vni: 44
  sealed: true
  remote: 10.9.0.3
  peer: 10.9.0.3=` + keyC + "\n")
	if err != nil {
		t.Fatal(err)
	}
	plain, sealed, own := spec.Networks[0], spec.Networks[1], spec.Networks[2]
	if spec.Node.Port != 8472 || len(spec.Node.Seal.Peers) != 2 {
		t.Errorf("node %+v", spec.Node)
	}
	if len(plain.Remotes) != 2 || plain.Remotes[1].Port() != 4790 || len(plain.Static) != 1 || !plain.NoLearning ||
		!plain.Closed || plain.Ageing != 10*time.Second || plain.TOS != 0x10 || !plain.FixedTOS {
		t.Errorf("network %+v", plain)
	}
	if len(sealed.Remotes) != 1 || sealed.Remotes[0].Addr().String() != "10.9.0.2" {
		t.Errorf("a sealed network without remotes reaches %v", sealed.Remotes)
	}
	if len(own.Remotes) != 1 || own.Remotes[0].Addr().String() != "10.9.0.3" {
		t.Errorf("a sealed network with a remote reaches %v", own.Remotes)
	}
}

func TestMistakes(t *testing.T) {
	net := func(words string) string { return node + "networks:\n- vni: 42\n  " + words + "\n" }
	for _, tt := range []struct{ text, says string }{
		{"", "f is empty: see vxtap config example"},
		{"# nothing\n", "f is empty"},
		{"---\n", "f is empty"},
		{"x\n", "f:1:1: want keys with values"},
		{"- a\n", "f:1:1: want keys with values"},
		{"\tlocal: 10.9.0.1\n", "f:1:"},
		{"networks:\n\t- vni: 1\n", "f:2:1: found character '\\t' that cannot start any token"},
		{node + "local: 10.9.0.2\n", `f:2:1: mapping key "local" already defined at [1:1]`},
		{node + "networks: []\nnetworks: []\n", `f:3:1: mapping key "networks" already defined at [2:1]`},
		{node + node + "a\n", "f:2:1: "},
		{node + "port: 0\n", `f:2:7: port: bad port "0"`},
		{node + "port: 65536\n", "f:2:7: port: bad port"},
		{node + "port:\n", "f:2:1: port: the value is missing"},
		{node + "port: ~\n", "f:2:1: port: the value is missing"},
		{node + "port: [1]\n", "f:2:1: port: want one value, not a list"},
		{node + "port: {a: 1}\n", "f:2:7: port: want a value, not keys"},
		{node + "Port: 1\n", `f:2:1: unknown key "Port": did you mean port?`},
		{node + "peers: []\n", `f:2:1: unknown key "peers": did you mean peer?`},
		{node + "psk_file: x\n", `did you mean psk-file?`},
		{node + "colour: red\n", `f:2:1: unknown key "colour": want one of local, port, key, peer, psk-file, cipher, nat, keepalive, queues, offload, networks`},
		{node + "vni: 1\n", "f:2:1: vni is about a network: it goes into the list of networks"},
		{net("port: 1"), "f:4:3: port is about the node: it goes to the top of the file"},
		{"port: 1\nnetworks: []\n", "f:1:1: no local address"},
		{"local: 0.0.0.0\n", "f:1:8: local address 0.0.0.0"},
		{"local: [10.9.0.1, 10.9.0.2]\n", "f:1:19: local: address 10.9.0.2 beside 10.9.0.1: give one IPv4 and one IPv6 address at most"},
		{"local: [10.9.0.1, \"fd09::1\", \"fd09::2\"]\n", "f:1:30: local: address fd09::2 beside 10.9.0.1"},
		{"local: [10.9.0.1, \"fe80::1\"]\n", "f:1:19: local address fe80::1 is link-local"},
		{"local: [10.9.0.1, \"fd09::1\"]\nnetworks:\n- vni: 42\n  remote: [\"fd09::2\", 10.9.0.2]\n", "f:4:23: remote 10.9.0.2 and local fd09::1 are of different address families"},
		{"local: [10.9.0.1, \"fd09::1\"]\nnetworks:\n- vni: 42\n  remote: \"fd09::1\"\n", "f:4:11: remote fd09::1 is our own address"},
		{"local: nonsense\n", `f:1:8: local: bad address "nonsense"`},
		{node + "networks: 42\n", "f:2:11: networks: want a list"},
		{node + "networks:\n- 42\n", "f:3:3: networks: want the words of one network after each dash"},
		{node + "networks:\n- {}\n", "f:3:3: networks: want the words"},
		{node + "networks:\n- tap: x\n", "f:3:3: no VNI"},
		{net("remote: 10.9.0.2.1"), `f:4:11: remote: bad address "10.9.0.2.1"`},
		{net("remote: [10.9.0.2, 10.9.0.2]"), "f:4:22: remote 10.9.0.2:4789 is given twice"},
		{net("remote:\n  - 10.9.0.2\n  - 10.9.0.1"), "f:6:5: remote 10.9.0.1 is our own address"},
		{net("remote: fd09::2"), "f:4:11: remote fd09::2 and local 10.9.0.1 are of different address families"},
		{net("address: 192.168.77.1"), "f:4:12: address: bad address"},
		{net("tap: a/b"), `f:4:8: tap: bad name "a/b"`},
		{net("vni: 43"), "f:4:3: "},
		{net("sealed: true"), "f:4:11: a sealed network without keys"},
		{net("mtu: 20"), "f:4:8: mtu: bad MTU"},
		{net("fdb: {02:42:00:00:00:02: 10.9.0.2}"), "f:4:"},
		{net("tap: |\n    x"), "f:4:8: no value has more than one line"},
		{net("tap: &a x"), "f:4:8: anchors and aliases are not taken"},
		{"a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n", "f:1:4: anchors and aliases are not taken"},
		{net("tap: *a"), "f:4:8: anchors and aliases are not taken"},
		{net("<<: x"), "f:4:3: merging is not taken"},
		{net("tap: !!str x"), "f:4:8: tags are not taken"},
		{net("closed: maybe"), `f:4:11: closed: bad value "maybe": want true or false`},
		{net("ttl: 64\n- vni: 42"), "f:5:8: VNI 42 is given twice"},
		{net("ttl: 64\n- vni: 43\n  tap: vx42"), "f:6:8: device vx42 is that of network 42 already"},
		{net("tap: vx43\n- vni: 43"), "f:5:8: device vx43 is that of network 42 already"},
		{node + "---\n" + node, "f:3:"},
		{"local: \"10.9.0.1\n", "f:1:8: "},
		{"local: \xff\n", "f is no text"},
		{"a: " + strings.Repeat("[", 100000), "f:1:12: brackets, braces or dashes"},
		{"a: " + strings.Repeat("{a: ", 50000), "brackets, braces or dashes"},
		{strings.Repeat("- ", 200000), "f:1:17: brackets, braces or dashes"},
		{strings.Repeat("#", 1<<20+1), "f has more than 1048576 bytes"},
	} {
		_, err := read(tt.text)
		short := tt.text[:min(len(tt.text), 90)]
		switch {
		case err == nil:
			t.Errorf("%q is taken", short)
		case !strings.HasPrefix(err.Error(), tt.says) && !(len(err.Error()) < 400 && strings.Contains(err.Error(), tt.says)):
			t.Errorf("%q: %q, want %q", short, err, tt.says)
		case strings.Contains(err.Error(), "\n"):
			t.Errorf("%q: more than one line: %q", short, err)
		}
	}
}

// Other namespaces have names of their own, and every mistake has a place.
func TestPlaces(t *testing.T) {
	if _, err := read(node + "networks:\n- {vni: 1, tap: a, netns: x}\n- {vni: 2, tap: a, netns: y}\n"); err != nil {
		t.Error(err)
	}
	_, err := read(node + "networks:\n- vni: 0\n")
	var e *config.Error
	if !errors.As(err, &e) || e.File != "f" || e.Line != 3 || e.Column != 8 {
		t.Errorf("got %v", err)
	}
}

// A file of the largest size is read, or refused, in the time of a breath.
func TestLargeFiles(t *testing.T) {
	var many strings.Builder
	many.WriteString(node + "networks:\n")
	for i := 1; many.Len() < 150<<10; i++ {
		fmt.Fprintf(&many, "- vni: %d\n  remote: 10.9.0.2\n", i)
	}
	if _, err := read(many.String()); err != nil {
		t.Error(err)
	}
	huge := t.TempDir() + "/huge"
	if err := errors.Join(os.WriteFile(huge, []byte(node), 0o600), os.Truncate(huge, 100<<20)); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := config.Load(huge, control.Words(nil))
	runtime.ReadMemStats(&after)
	if err == nil || !strings.Contains(err.Error(), "more than 1048576 bytes") {
		t.Errorf("100 MB: %v", err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 16<<20 {
		t.Errorf("100 MB took %d bytes of memory to refuse", n)
	}
	if _, err := config.Load("/dev/zero", control.Words(nil)); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("a file without end: %v", err)
	}
	if _, err := config.Load(t.TempDir(), control.Words(nil)); err == nil {
		t.Error("a directory is taken")
	}
	if _, err := config.Load(t.TempDir()+"/none", control.Words(nil)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

// Whatever the bytes are, there is a spec that passes its own check, or an error of a line.
func FuzzRead(f *testing.F) {
	example, err := os.ReadFile("../../cmd/vxtap/vxtap.example.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(example))
	f.Add(node + "networks:\n- {vni: 1, sealed: true}\n")
	f.Add("a: &a [*a]\n")
	f.Add("? x\n: - - y\n")
	f.Fuzz(func(t *testing.T, text string) {
		spec, err := read(text)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
			return
		}
		if err := spec.Check(); err != nil {
			t.Errorf("passed, and then %v", err)
		}
	})
}
