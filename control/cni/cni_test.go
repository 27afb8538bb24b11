//go:build linux

package cni

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/control/api"
)

// What needs no namespace. How the rest works under a runtime is tested in cmd/vxtap.

// call runs a command as package skel does, with a configuration of network lab.
func call(p *Plugin, command func(*skel.CmdArgs) error, conf string) *types.Error {
	conf = fmt.Sprintf(`{"cniVersion":"1.1.0","name":"lab","type":"vxtap","socket":%q,%s}`, p.Socket, conf)
	err := command(&skel.CmdArgs{ContainerID: "one", IfName: "eth0", Netns: "/nowhere", StdinData: []byte(conf)})
	var coded *types.Error
	if err != nil && !errors.As(err, &coded) {
		coded = problem(0, "not coded: %v", err)
	}
	return coded
}

func expectCode(t *testing.T, what string, err *types.Error, code uint, says string) {
	t.Helper()
	switch {
	case err == nil && says == "":
	case err == nil || err.Code != code || !strings.Contains(err.Msg, says):
		t.Errorf("%s: %+v, want code %d and %q", what, err, code, says)
	}
}

func newPlugin(socket string) *Plugin {
	return &Plugin{Words: control.Words(nil), Socket: socket, Stdout: &bytes.Buffer{}}
}

// DEL removes the port from where it is, and is content where it is not.
func TestDel(t *testing.T) {
	b := &backend{networks: []api.Network{
		{VNI: 42, Ports: []api.Port{{Name: "eth0@one", Owner: "cni:lab"}, {Name: "eth0@two", Owner: "cni:lab"}}},
		{VNI: 43, Ports: []api.Port{{Name: "eth0@one", Owner: "cni:other"}}},
	}}
	p := newPlugin(b.serve(t))
	del := p.Funcs().Del
	for range 2 {
		expectCode(t, "DEL", call(p, del, `"vni":42`), 0, "")
	}
	if want := []string{"42/eth0@one"}; !slices.Equal(b.removed, want) {
		t.Errorf("removed %q, want %q", b.removed, want)
	}
	b.networks[0].VNI = 8
	b.networks[0].Ports[0].Name = "eth0@one"
	expectCode(t, "DEL of one elsewhere", call(p, del, `"vni":"x","nonsense":{"a":null},"runtimeConfig":7,"prevResult":{}`), 0, "")
	if want := []string{"42/eth0@one", "8/eth0@one"}; !slices.Equal(b.removed, want) {
		t.Errorf("removed %q, want %q", b.removed, want)
	}
	b.err = errors.New("the disk is full")
	expectCode(t, "DEL that fails", call(p, del, `"vni":42`), CodeAgent, "the disk is full")
	p.Socket = t.TempDir() + "/none"
	expectCode(t, "DEL without an agent", call(p, del, `"vni":42`), 0, "")
}

// GC goes on where something fails, and says it.
func TestGC(t *testing.T) {
	b := &backend{networks: []api.Network{
		{VNI: 42, Ports: []api.Port{{Name: "eth0@one", Owner: "cni:lab"}, {Name: "eth0@two", Owner: "cni:lab"}, {Name: "eth0@x"}, {Name: "vx42"}}},
		{VNI: 43, Ports: []api.Port{{Name: "net1@one", Owner: "cni:lab"}, {Name: "eth0@one", Owner: "cni:other"}}},
	}}
	p := newPlugin(b.serve(t))
	b.fails = "eth0@two"
	err := call(p, p.Funcs().GC, `"vni":42,"cni.dev/valid-attachments":[{"containerID":"one","ifname":"eth0"}]`)
	expectCode(t, "GC", err, CodeAgent, "remove port eth0@two of network 42")
	if want := []string{"43/net1@one"}; !slices.Equal(b.removed, want) {
		t.Errorf("removed %q, want %q", b.removed, want)
	}
	b.fails = ""
	expectCode(t, "GC", call(p, p.Funcs().GC, `"vni":42`), 0, "")
	if want := []string{"43/net1@one", "42/eth0@one", "42/eth0@two"}; !slices.Equal(b.removed, want) {
		t.Errorf("removed %q, want %q", b.removed, want)
	}
}

// What keeps an ADD from beginning.
func TestAddRefused(t *testing.T) {
	b := &backend{networks: []api.Network{{VNI: 42, Ports: []api.Port{{Name: "eth0@one"}}}}}
	p := newPlugin(b.serve(t))
	for conf, want := range map[string]struct {
		code uint
		says string
	}{
		`"vni":42`:                    {types.ErrInvalidEnvironmentVariables, "port eth0@one is on network 42 already"},
		`"vni":43`:                    {types.ErrUnknownContainer, "CNI_NETNS /nowhere"},
		`"vni":43,"address":"10.0.0"`: {types.ErrInvalidNetworkConfig, `address: bad address "10.0.0"`},
		`"vni":43,"queue":2`:          {types.ErrUnsupportedField, `unsupported key "queue" with value 2`},
		`"vni":[]`:                    {types.ErrInvalidNetworkConfig, "vni: want one value, not 0"},
		`"ttl":64`:                    {types.ErrInvalidNetworkConfig, "network lab has no vni"},
		`"vni":"x"`:                   {types.ErrInvalidNetworkConfig, `bad VNI "x"`},
		`"vni":43,"runtimeConfig":[]`: {types.ErrDecodingFailure, "runtimeConfig"},
		`"vni":43,"prevResult":{"cniVersion":"9.9.9"}`: {types.ErrDecodingFailure, "prevResult"},
	} {
		expectCode(t, conf, call(p, p.Funcs().Add, conf), want.code, want.says)
	}
	if b.added != 0 {
		t.Errorf("%d ports were added", b.added)
	}
}

// CHECK without what it needs, and what the agent cannot confirm.
func TestCheckRefused(t *testing.T) {
	b := &backend{networks: []api.Network{{VNI: 42}}}
	p := newPlugin(b.serve(t))
	const result = `"prevResult":{"cniVersion":"1.1.0","interfaces":[{"name":"eth0","sandbox":"/nowhere"}]}`
	expectCode(t, "no result", call(p, p.Funcs().Check, `"vni":42`), types.ErrInvalidNetworkConfig, "prevResult is missing")
	expectCode(t, "no network", call(p, p.Funcs().Check, `"vni":43,`+result), CodeMissing, "the agent has no network 43")
	expectCode(t, "no port", call(p, p.Funcs().Check, `"vni":42,`+result), CodeMissing, "network 42 has no port eth0@one")
	b.networks[0].Ports = []api.Port{{Name: "eth0@one"}}
	expectCode(t, "no namespace", call(p, p.Funcs().Check, `"vni":42,`+result), types.ErrUnknownContainer, "/nowhere")
	expectCode(t, "no interface", call(p, p.Funcs().Check, `"vni":42,"prevResult":{"cniVersion":"1.1.0"}`), CodeMissing, "prevResult has no interface eth0")
}

// What the agent refuses has the code that fits.
func TestCodes(t *testing.T) {
	for err, want := range map[error]uint{
		fmt.Errorf("x: %w", api.ErrNoAgent):                types.ErrTryAgainLater,
		&api.Error{Status: http.StatusBadRequest}:          types.ErrInvalidNetworkConfig,
		&api.Error{Status: http.StatusConflict}:            types.ErrInvalidNetworkConfig,
		&api.Error{Status: http.StatusNotFound}:            types.ErrUnknownContainer,
		&api.Error{Status: http.StatusInternalServerError}: CodeAgent,
		errors.New("x"):                       CodeAgent,
		fmt.Errorf("x: %w", problem(50, "y")): 50,
		errors.Join(problem(7, "a"), &api.Error{Status: 500, Message: "b"}): 7,
	} {
		if got := Coded(err); got.Code != want || strings.Contains(got.Msg, "\n") {
			t.Errorf("%v: %+v, want %d", err, got, want)
		}
	}
}

// Errors carry the version of the call, as section 5 of the specification wants.
func TestWriteError(t *testing.T) {
	p := newPlugin(t.TempDir() + "/none")
	_ = call(p, func(args *skel.CmdArgs) error {
		args.StdinData = bytes.Replace(args.StdinData, []byte("1.1.0"), []byte("0.4.0"), 1)
		return p.Funcs().Status(args)
	}, `"vni":42`)
	var out bytes.Buffer
	p.Stdout = &out
	if err := p.WriteError(problem(7, "a")); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || fmt.Sprint(got) != "map[cniVersion:0.4.0 code:7 msg:a]" {
		t.Errorf("%v, %v", got, err)
	}
}

// Names of ports are as long as the agent takes, and different.
func TestPortName(t *testing.T) {
	long := strings.Repeat("x", 200)
	one, two := portName("eth0", long), portName("eth0", long+"y")
	if portName("eth0", "one") != "eth0@one" || one == two || len(one) > 128 || !strings.HasPrefix(one, "eth0@") {
		t.Errorf("%q, %q", one, two)
	}
}
