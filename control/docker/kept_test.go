package docker_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/control/docker"
	"github.com/vxtap/vxtap/encap"
)

// After a restart containers are on their networks again: under the name that their
// interface had, or the first that is free; those that ended meanwhile are forgotten.
func TestRestart(t *testing.T) {
	p := newPlugin(t, nil)
	p.create(`"vni": "42", "remote": "10.9.0.2"`)
	p.asks("NetworkDriver.CreateEndpoint", endpointBody, `{"Interface":{"MacAddress":"02:42:0a:01:00:05"}}`)
	p.post("NetworkDriver.Join", joinBody)
	p.agent.events <- api.Event{Kind: api.EventPortMoved, VNI: 42, Port: "0123456789ab", Device: "eth7"}
	p.agent.events <- api.Event{Kind: api.EventReloaded} // once it is taken, the one before is kept
	p.restart()
	got := p.agent.ports["42/0123456789ab"]
	if got.Device != "eth7" || got.NetNS != "/run/docker/netns/1" || got.Handover || fmt.Sprint(got.Addresses) != "[10.1.0.5/24]" || got.MAC.String() != "02:42:0a:01:00:05" {
		t.Errorf("made again as %+v", got)
	}
	if words := fmt.Sprint(p.agent.words[42]); words != "map[remote:[10.9.0.2] tap:[none] vni:[42]]" {
		t.Errorf("made again with %s", words)
	}
	p.agent.err = errors.New("too many open files")
	p.restart()
	if len(p.agent.ports) != 0 {
		t.Errorf("ports %v", p.agent.ports)
	}
	p.agent.err = nil
	p.restart() // what failed then need not now
	if len(p.agent.ports) != 1 {
		t.Errorf("ports %v", p.agent.ports)
	}
	p.agent.err = fmt.Errorf("no network namespace: %w", api.ErrNotFound)
	p.restart()
	p.agent.err = nil
	p.restart() // and by now it is not tried any more
	if len(p.agent.ports) != 0 {
		t.Errorf("ports %v", p.agent.ports)
	}
	p.asks("NetworkDriver.Leave", joinBody, "{}")
	p.refuses("NetworkDriver.Join", joinBody, "is not known")
	p.asks("NetworkDriver.CreateEndpoint", endpointBody, `{"Interface":{"MacAddress":"02:42:0a:01:00:05"}}`)
	p.post("NetworkDriver.Join", joinBody)
	delete(p.agent.ports, "42/0123456789ab")
	p.agent.events <- api.Event{Kind: api.EventPortGone, VNI: 42, Port: "0123456789ab"}
	p.agent.events <- api.Event{Kind: api.EventReloaded}
	if len(p.agent.up) != 0 {
		t.Errorf("others still know of %v", p.agent.up)
	}
	p.restart()
	if len(p.agent.ports) != 0 {
		t.Errorf("ports %v of a namespace that is gone", p.agent.ports)
	}
}

// What cannot be written down is not done.
func TestDiskFull(t *testing.T) {
	p := newPlugin(t, nil)
	p.create(`"vni": "42"`)
	full := filepath.Join(p.dir, "docker.json.new") // is in the way, as a full disk would be
	if err := os.Mkdir(full, 0o700); err != nil {
		t.Fatal(err)
	}
	p.refuses("NetworkDriver.CreateNetwork", networkBody("n2", `"vni": "43"`), "docker.json")
	p.refuses("NetworkDriver.CreateEndpoint", endpointBody, "docker.json")
	p.refuses("IpamDriver.RequestPool", `{"Pool": "10.2.0.0/24"}`, "docker.json")
	if len(p.agent.words) != 1 {
		t.Errorf("networks %v", p.agent.words)
	}
	if err := os.Remove(full); err != nil {
		t.Fatal(err)
	}
	p.asks("NetworkDriver.CreateNetwork", networkBody("n2", `"vni": "43"`), "{}")
	p.asks("IpamDriver.RequestPool", `{"Pool": "10.2.0.0/24"}`, `{"PoolID":"10.2.0.0/24","Pool":"10.2.0.0/24","Data":{}}`)
	p.driver.Close()
	for text, says := range map[string]string{
		"":                                  "docker.json is damaged",
		"{":                                 "docker.json is damaged",
		`{"Networks": {"n1": null}}`:        "network n1 is damaged",
		`{"Networks": {"n1": {}}}`:          "network n1 is damaged",
		`{"Endpoints": {"e1": null}}`:       "endpoint e1 is damaged",
		`{"Book": {"Pools": {"p1": null}}}`: "pool p1 is damaged",
	} {
		if err := os.WriteFile(filepath.Join(p.dir, "docker.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := docker.Open(p.cfg); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s is opened: %v, want %q", text, err, says)
		}
	}
}

// Two agents with one directory would each write over what the other knows, and the second
// take the first one's containers for its own.
func TestDirectoryInUse(t *testing.T) {
	p := newPlugin(t, nil)
	p.create(`"vni": "42"`)
	p.asks("NetworkDriver.CreateEndpoint", endpointBody, `{"Interface":{"MacAddress":"02:42:0a:01:00:05"}}`)
	p.post("NetworkDriver.Join", joinBody)
	other := p.cfg
	other.Agent = newAgent()
	if _, err := docker.Open(other); err == nil || !strings.Contains(err.Error(), "--state") {
		t.Errorf("opened by two: %v", err)
	}
	p.restart()
	if len(p.agent.ports) != 1 {
		t.Errorf("ports %v", p.agent.ports)
	}
}

// While the agent is down, engines cannot tell it of containers that end. Their places and
// their addresses are free again when it is back.
func TestCollected(t *testing.T) {
	p := newPlugin(t, nil)
	pool := `{"PoolID": "10.1.0.0/24"`
	p.asks("IpamDriver.RequestPool", `{"Pool": "10.1.0.0/24"}`, `{"PoolID":"10.1.0.0/24","Pool":"10.1.0.0/24","Data":{}}`)
	p.create(`"vni": "42"`)
	p.asks("IpamDriver.RequestAddress", pool+`, "Address": "10.1.0.5"}`, `{"Address":"10.1.0.5/24","Data":{}}`)
	p.asks("NetworkDriver.CreateEndpoint", endpointBody, `{"Interface":{"MacAddress":"02:42:0a:01:00:05"}}`)
	p.post("NetworkDriver.Join", joinBody)
	p.restart()
	p.refuses("IpamDriver.RequestAddress", pool+`, "Address": "10.1.0.5"}`, "taken")
	p.agent.err = fmt.Errorf("no network namespace: %w", api.ErrNotFound)
	p.restart()
	p.agent.err = nil
	if len(p.agent.up) != 0 {
		t.Errorf("others know of %v", p.agent.up)
	}
	p.asks("IpamDriver.RequestAddress", pool+`, "Address": "10.1.0.5"}`, `{"Address":"10.1.0.5/24","Data":{}}`)
}

// Of a VNI that is somebody else's by now, a network's containers are kept off, whoever they
// are and however it is sealed; and who removes the one does not take the other down.
func TestNotOurs(t *testing.T) {
	p := newPlugin(t, nil)
	p.create(`"vni": "42", "sealed": ""`)
	p.asks("NetworkDriver.CreateEndpoint", endpointBody, `{"Interface":{"MacAddress":"02:42:0a:01:00:05"}}`)
	p.post("NetworkDriver.Join", joinBody)
	other := api.Words{"vni": {"42"}}
	p.driver.Close()
	p.agent.words, p.agent.ports = map[encap.VNI]api.Words{42: other}, map[string]api.PortSpec{}
	p.open() // after a restart, with a file that has one of that VNI
	p.refuses("NetworkDriver.Join", joinBody, "exists, and is no engine's")
	if len(p.agent.ports) != 0 {
		t.Errorf("ports %v on another's network", p.agent.ports)
	}
	p.asks("NetworkDriver.DeleteNetwork", joinBody, "{}")
	if len(p.agent.words) != 1 {
		t.Error("another's network was taken down")
	}
}

// A network that is not there is made when a container joins: it may have been impossible at
// the start, or others took it down.
func TestMadeWhenNeeded(t *testing.T) {
	p := newPlugin(t, nil)
	p.create(`"vni": "42", "sealed": ""`)
	p.asks("NetworkDriver.CreateEndpoint", endpointBody, `{"Interface":{"MacAddress":"02:42:0a:01:00:05"}}`)
	joined := `{"InterfaceName":{"SrcName":"vx0123456789ab","DstPrefix":"eth"},"DisableGatewayService":false}`
	p.asks("NetworkDriver.Join", joinBody, joined)
	p.agent.upErr = errors.New("no such device")
	p.restart()
	p.refuses("NetworkDriver.Join", joinBody, "no such device")
	p.agent.upErr = nil
	p.asks("NetworkDriver.Join", joinBody, joined)
	if err := p.agent.RemoveNetwork(42); err != nil {
		t.Fatal(err)
	}
	p.asks("NetworkDriver.Join", joinBody, joined)
	if got := fmt.Sprint(p.agent.words[42]); got != "map[sealed:[true] tap:[none] vni:[42]]" {
		t.Errorf("made again with %s", got)
	}
}

// An engine that was killed while it made a network does not know it. Once somebody has taken
// that down, its VNI is free.
func TestEngineForgot(t *testing.T) {
	p := newPlugin(t, nil)
	p.create(`"vni": "42"`)
	p.refuses("NetworkDriver.CreateNetwork", networkBody("n2", `"vni": "42"`), "n1")
	if err := p.agent.RemoveNetwork(42); err != nil {
		t.Fatal(err)
	}
	p.asks("NetworkDriver.CreateNetwork", networkBody("n2", `"vni": "42"`), "{}")
	p.restart()
	if len(p.agent.words) != 1 {
		t.Errorf("networks %v", p.agent.words)
	}
	p.asks("NetworkDriver.DeleteNetwork", `{"NetworkID": "n1"}`, "{}")
	if len(p.agent.words) != 1 {
		t.Error("the network that took its place was taken down")
	}
}

// A network on which others have put ports is left to them, and what an engine forgot to take
// off it does not keep it.
func TestGuests(t *testing.T) {
	p := newPlugin(t, nil)
	for guests := range 2 {
		p.create(`"vni": "42"`)
		p.asks("NetworkDriver.CreateEndpoint", endpointBody, `{"Interface":{"MacAddress":"02:42:0a:01:00:05"}}`)
		p.asks("NetworkDriver.Join", joinBody, `{"InterfaceName":{"SrcName":"vx0123456789ab","DstPrefix":"eth"},"DisableGatewayService":false}`)
		if guests > 0 {
			if _, err := p.agent.AddPort(42, api.PortSpec{Name: "eth0@guest"}); err != nil {
				t.Fatal(err)
			}
		}
		p.asks("NetworkDriver.DeleteNetwork", joinBody, "{}")
		if len(p.agent.ports) != guests || len(p.agent.words) != guests {
			t.Errorf("ports %v and networks %v", p.agent.ports, p.agent.words)
		}
	}
}

// Docker's address manager does not know what ours gave out, nor ours what that did.
func TestTwoManagers(t *testing.T) {
	for _, oursFirst := range []bool{true, false} {
		p := newPlugin(t, nil)
		first := strings.ReplaceAll(networkBody("n1", `"vni": "42"`), "10.1.0.", "10.1.1.")
		pool := func() {
			p.asks("IpamDriver.RequestPool", `{"Pool": "10.1.0.0/16"}`, `{"PoolID":"10.1.0.0/16","Pool":"10.1.0.0/16","Data":{}}`)
		}
		second := strings.ReplaceAll(networkBody("n2", `"vni": "43"`), "10.1.0.0/24", "10.1.0.0/16")
		if oursFirst {
			pool()
			first, second = second, first
		}
		p.asks("NetworkDriver.CreateNetwork", first, "{}")
		if !oursFirst {
			pool()
		}
		p.refuses("NetworkDriver.CreateNetwork", second, "subnets overlap: the engine's network n")
	}
}
