//go:build linux && interop

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/encap"
)

// Two Docker engines stand for two hosts, whose containers share networks. One test after
// another uses them, each with networks of its own.
func TestDocker(t *testing.T) {
	t.Parallel()
	a, b := newEngines(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, *engine, *engine)
	}{
		{"Reach", dockerReach},
		{"Described", dockerDescribed},
		{"Addresses", dockerAddresses},
		{"Outside", dockerOutside},
		{"Connect", dockerConnect},
		{"Rate", dockerRate},
		{"Podman", dockerPodman},
		{"Mistakes", dockerMistakes},
		{"Fifty", dockerFifty},
		{"AgentKilled", dockerAgentKilled},
		{"EndedMeanwhile", dockerEndedMeanwhile},
		{"EngineKilled", dockerEngineKilled},
		{"LiveRestore", dockerLiveRestore},
		{"BothKilled", dockerBothKilled},
	} {
		t.Run(test.name, func(t *testing.T) {
			a.t, b.t = t, t
			defer func() { a.t, b.t = a.all, b.all }()
			test.run(t, a, b)
		})
		if t.Failed() {
			return // what is left of it would be in the way of the next
		}
	}
}

// lab makes a network with that VNI on both engines, each with a range of its own.
func labNetwork(a, b *engine, vni int, args ...string) {
	for i, e := range []*engine{a, b} {
		e.t.Helper()
		line := []string{"network", "create", "-d", "vxtap", "--ipam-driver", "vxtap", "-o", fmt.Sprint("vni=", vni), "-o", "remote=10.9.0.1,10.9.0.2",
			"--subnet", fmt.Sprintf("10.%d.0.0/16", vni), "--ip-range", fmt.Sprintf("10.%d.%d.0/24", vni, i+1)}
		e.docker(slices.Concat(line, args, []string{"lab"})...)
	}
}

// guest puts a namespace on an engine's network as vxtap cni does, which brings the words of
// the network along, and holds that it reaches a container.
func (e *engine) guest(address, container string) {
	e.t.Helper()
	c := newHost(e.t, newLab(e.t), "guest")
	process := exec.Command("cat") // names the namespace, as /run is another where the agent is
	in, err := process.StdinPipe()
	check(e.t, err)
	check(e.t, c.Start(process))
	defer func() { in.Close(); _ = process.Wait() }()
	e.vxtap.ask(func(ctx context.Context) error {
		_, err := e.vxtap.api.AddPort(ctx, 42, api.PortSpec{
			Name: "guest", Device: "eth0", PID: process.Process.Pid, Addresses: prefixes(address),
			Network: api.Words{"remote": {"10.9.0.2"}, "sealed": {"true"}},
		})
		return err
	})
	ping(e.t, c, container)
	e.vxtap.ask(func(ctx context.Context) error { return e.vxtap.api.RemovePort(ctx, 42, "guest") })
}

// On a sealed network: ping and TCP, IPv4 and IPv6, between hosts and on one.
func dockerReach(t *testing.T, a, b *engine) {
	labNetwork(a, b, 42, "-o", "encrypted", "--ipv6", "--subnet", "fd42::/64", "--attachable")
	a.run("one", "--network", "lab")
	a.run("two", "--network", "lab")
	b.run("three", "--network", "lab")
	if n := a.vxtap.network(); !n.Sealed || n.MTU != 1418 {
		t.Errorf("the network is %+v", n)
	}
	for _, addr := range []string{b.address("three", "lab"), b.address6("three", "lab"), a.address("two", "lab"), a.address6("two", "lab")} {
		a.reaches("one", addr)
	}
	b.serves("three", "hello")
	a.fetches("one", b.address("three", "lab"), "80", "hello")
	a.fetches("one", b.address6("three", "lab"), "80", "hello")
	a.guest("10.42.3.1/16", b.address("three", "lab"))
	if s := a.vxtap.stats(); s.In.Drops["clear_text"] != 0 || s.Out.Forwarded == 0 {
		t.Errorf("counted %+v", s)
	}
	a.removeAll("lab")
	b.removeAll("lab")
	if n := a.ports() + b.ports(); n != 0 || len(a.vxtap.vnis()) != 0 {
		t.Errorf("%d ports and networks %v stay", n, a.vxtap.vnis())
	}
}

// What was asked for is what the container has, and what docker says of it.
func dockerDescribed(t *testing.T, a, b *engine) {
	labNetwork(a, b, 42, "-o", "com.docker.network.driver.mtu=1400", "--gateway", "10.42.0.1", "--aux-address", "x=10.42.1.5")
	a.run("one", "--network", "lab", "--ip", "10.42.1.77", "--mac-address", "02:00:00:00:00:77")
	if got := a.address("one", "lab"); got != "10.42.1.77" {
		t.Errorf("address %s", got)
	}
	var out string
	eventually(t, "what the move undid is done again", func() bool {
		var err error
		out, err = a.in("one", "/bin/ip", "addr", "show", "eth0")
		return err == nil && strings.Contains(out, "qdisc noqueue")
	})
	for _, want := range []string{"mtu 1350", "10.42.1.77/16", "02:00:00:00:00:77"} {
		if !strings.Contains(out, want) {
			t.Errorf("eth0 has no %s:\n%s", want, out)
		}
	}
	var inspected []struct {
		Driver     string
		Options    map[string]string
		IPAM       struct{ Config []map[string]any }
		Containers map[string]struct{ Name, IPv4Address, MacAddress string }
	}
	check(t, json.Unmarshal([]byte(a.docker("network", "inspect", "lab")), &inspected))
	n := inspected[0]
	if n.Driver != "vxtap" || n.Options["vni"] != "42" || n.IPAM.Config[0]["Subnet"] != "10.42.0.0/16" || n.IPAM.Config[0]["Gateway"] != "10.42.0.1" {
		t.Errorf("inspected %+v", n)
	}
	for _, c := range n.Containers {
		if c.Name != "one" || c.IPv4Address != "10.42.1.77/16" || c.MacAddress != "02:00:00:00:00:77" {
			t.Errorf("inspected %+v", c)
		}
	}
	// The addresses that were named for others are not given out; the range is walked through.
	given := map[string]bool{}
	for i := range 6 {
		name := fmt.Sprint("c", i)
		a.run(name, "--network", "lab")
		given[a.address(name, "lab")] = true
	}
	if len(given) != 6 || given["10.42.1.5"] || given["10.42.1.77"] || given["10.42.0.1"] {
		t.Errorf("given out: %v", given)
	}
	b.run("other", "--network", "lab", "--ip", "10.42.9.9") // out of the range, as it was named
	b.reaches("other", "10.42.1.77")
	a.removeAll("lab")
	b.removeAll("lab")
}

// waitBehind waits until an engine's plugin has learned that a MAC is behind the other.
func (e *engine) waitBehind(mac, remote string) {
	e.t.Helper()
	m, err := encap.ParseMAC(mac)
	check(e.t, err)
	e.vxtap.waitLearned(m, remote)
}

// Without ranges, the addresses that were seen behind a remote are not given out here.
func dockerAddresses(t *testing.T, a, b *engine) {
	create := []string{"network", "create", "-d", "vxtap", "-o", "vni=43", "-o", "remote=10.9.0.1,10.9.0.2", "--subnet", "10.43.0.0/24"}
	ours := slices.Concat(create, []string{"--ipam-driver", "vxtap", "lab"})
	a.docker(ours...)
	b.docker(ours...)
	a.run("one", "--network", "lab")
	taken := a.address("one", "lab")
	_, _ = a.in("one", "/bin/ping", "-c", "1", "-W", "1", "10.43.0.250") // asks everybody, and is seen
	b.waitBehind(encap.MACFromAddr(ip(taken)).String(), "10.9.0.1")
	b.refused("in use on another host|"+taken, "run", "--network", "lab", "--ip", taken, "bb:1", "/bin/sleep", "1")
	b.run("two", "--network", "lab")
	if got := b.address("two", "lab"); got == taken {
		t.Errorf("both hosts have %s", got)
	}
	b.reaches("two", taken)
	b.removeAll("lab")

	b.docker(append(create, "lab")...) // with Docker's own address manager it can only be refused
	b.waitBehind(macOfPeer(a, taken), "10.9.0.1")
	b.refused("in use on another host|--ip-range|"+taken, "run", "--network", "lab", "--ip", taken, "bb:1", "/bin/sleep", "1")
	b.run("two", "--network", "lab", "--ip", "10.43.0.99")
	b.reaches("two", taken)
	a.removeAll("lab")
	b.removeAll("lab")
}

// macOfPeer has the container one of e speak, and returns its MAC.
func macOfPeer(e *engine, addr string) string {
	_, _ = e.in("one", "/bin/ping", "-c", "1", "-W", "1", "10.43.0.251")
	return encap.MACFromAddr(ip(addr)).String()
}

// The way out, and in: Docker's own bridge beside ours, unless the network is internal.
func dockerOutside(t *testing.T, a, b *engine) {
	labNetwork(a, b, 42)
	a.run("one", "--network", "lab", "-p", "8080:80")
	a.serves("one", "published")
	a.reaches("one", "10.9.0.2") // on the underlay, by the bridge
	b.run("client", "--network", "lab")
	b.fetches("client", "10.9.0.1", "8080", "published")
	a.removeAll("lab")
	b.removeAll("lab")

	labNetwork(a, b, 42, "--internal")
	a.run("one", "--network", "lab", "-p", "8080:80")
	b.run("client", "--network", "lab")
	routes, err := a.in("one", "/bin/ip", "route")
	check(t, err)
	links, err := a.in("one", "/bin/ip", "link")
	check(t, err)
	if strings.Contains(routes, "default") || strings.Contains(links, "eth1") {
		t.Errorf("on an internal network there is a way out:\n%s\n%s", routes, links)
	}
	a.reaches("one", b.address("client", "lab"))
	a.removeAll("lab")
	b.removeAll("lab")
}

// Networks come and go while a container runs.
func dockerConnect(t *testing.T, a, b *engine) {
	labNetwork(a, b, 42)
	a.run("one") // on Docker's bridge
	b.run("two", "--network", "lab")
	a.docker("network", "connect", "lab", "one")
	a.reaches("one", b.address("two", "lab"))
	links, err := a.in("one", "/bin/ip", "link")
	check(t, err)
	if a.ports() != 1 || !strings.Contains(links, "eth1") {
		t.Errorf("%d ports; in the container\n%s", a.ports(), links)
	}
	a.refused("active endpoints", "network", "rm", "lab")
	a.docker("network", "disconnect", "lab", "one")
	links, err = a.in("one", "/bin/ip", "link")
	check(t, err)
	if a.ports() != 0 || strings.Contains(links, "eth1") {
		t.Errorf("%d ports after it was disconnected; in the container\n%s", a.ports(), links)
	}
	a.docker("network", "connect", "--ip", "10.42.1.9", "lab", "one")
	b.reaches("two", "10.42.1.9")
	a.docker("restart", "-t", "0", "one")
	b.reaches("two", "10.42.1.9")
	a.removeAll("lab")
	b.removeAll("lab")
}

func dockerMistakes(t *testing.T, a, b *engine) {
	create := func(args ...string) []string {
		return slices.Concat([]string{"network", "create", "-d", "vxtap"}, args, []string{"bad"})
	}
	for words, args := range map[string][]string{
		`unknown option "vnii"`:                {"-o", "vnii=42"},
		"option vni|bad VNI":                   {"-o", "vni=0"},
		"remote|10.9.0.300":                    {"-o", "remote=10.9.0.300"},
		"mtu|67":                               {"-o", "mtu=67"},
		"option sealed|maybe":                  {"-o", "sealed=maybe"},
		"from which nothing is heard":          {"-o", "sealed"},
		"this host has a route to 10.9.0.0/24": {"--subnet", "10.9.0.0/16"},
		"has a route to 10.9.0.0/24|overlap":   {"--ipam-driver", "vxtap", "--subnet", "10.9.0.0/25"},
		"10.1.0.0/16|10.2.0.0/24":              {"--ipam-driver", "vxtap", "--subnet", "10.1.0.0/16", "--ip-range", "10.2.0.0/24"},
	} {
		a.refused(words, create(args...)...)
	}
	a.docker("network", "create", "-d", "vxtap", "-o", "vni=7", "good")
	a.refused("network 7|exists", create("-o", "vni=7")...)
	if got := a.vxtap.vnis(); len(got) != 1 || got[0] != 7 {
		t.Errorf("networks %v", got)
	}
	a.removeAll("good")
	_ = b
}

// Many at once, on both hosts; nothing stays of them.
func dockerFifty(t *testing.T, a, b *engine) {
	const each = 25
	labNetwork(a, b, 42)
	var all sync.WaitGroup
	for _, e := range []*engine{a, b} {
		for i := range each {
			all.Go(func() {
				if _, err := e.try("run", "-d", "--name", fmt.Sprint("c", i), "--network", "lab", "bb:1", "/bin/sleep", "100000"); err != nil {
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	if t.Failed() {
		return
	}
	if a.ports() != each || b.ports() != each {
		t.Errorf("%d and %d ports", a.ports(), b.ports())
	}
	given := map[string]bool{}
	for _, e := range []*engine{a, b} {
		for i := range each {
			given[e.address(fmt.Sprint("c", i), "lab")] = true
		}
	}
	if len(given) != 2*each {
		t.Errorf("%d addresses were given to %d containers", len(given), 2*each)
	}
	a.reaches("c0", b.address("c24", "lab"))
	b.reaches("c3", a.address("c7", "lab"))
	for _, e := range []*engine{a, b} {
		for i := range each {
			all.Go(func() {
				if _, err := e.try("rm", "-f", fmt.Sprint("c", i)); err != nil {
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	if n := a.ports() + b.ports(); n != 0 {
		t.Errorf("%d ports stay", n)
	}
	a.removeAll("lab")
	b.removeAll("lab")
	expectNothingKept(t, a, b)
}

// An agent that was killed puts the containers on their networks again that still run.
func dockerAgentKilled(t *testing.T, a, b *engine) {
	labNetwork(a, b, 42, "--ipv6", "--subnet", "fd42::/64")
	a.run("one", "--network", "lab")
	a.run("ends", "--network", "lab")
	b.run("two", "--network", "lab")
	a.reaches("one", b.address("two", "lab"))
	eventually(t, "the interface's name is kept", func() bool {
		text, _ := os.ReadFile(a.dir + "/state/docker.json")
		return strings.Count(string(text), `"Device": "eth0"`) == 2
	})
	ends, err := strconv.Atoi(a.docker("inspect", "-f", "{{.State.Pid}}", "ends"))
	check(t, err)
	a.vxtap.kill()
	if _, err := a.in("one", "/bin/ip", "link", "show", "eth0"); err == nil {
		t.Error("the interface outlives its agent")
	}
	check(t, syscall.Kill(ends, syscall.SIGKILL)) // of which the agent may hear, or not
	a.startVXTAP()
	a.reaches("one", b.address("two", "lab"))
	b.reaches("two", a.address6("one", "lab"))
	eventually(t, "there is one port for one container", func() bool { return a.ports() == 1 })
	a.run("three", "--network", "lab")
	b.reaches("two", a.address("three", "lab"))
	a.docker("network", "disconnect", "lab", "one")
	a.docker("network", "connect", "lab", "one")
	a.reaches("one", b.address("two", "lab"))
	a.removeAll("lab")
	b.removeAll("lab")
	if n := a.ports(); n != 0 {
		t.Errorf("%d ports stay", n)
	}
}

// An engine that was killed takes its containers along when it is back, and what was theirs
// is free again.
func dockerEngineKilled(t *testing.T, a, b *engine) {
	labNetwork(a, b, 42)
	a.run("one", "--network", "lab", "--ip", "10.42.1.9")
	b.run("two", "--network", "lab")
	b.reaches("two", "10.42.1.9")
	a.killDockerd()
	a.startDockerd()
	eventually(t, "the port of a container that ended is gone", func() bool { return a.ports() == 0 })
	a.docker("start", "one")
	b.reaches("two", "10.42.1.9")
	a.run("three", "--network", "lab")
	b.reaches("two", a.address("three", "lab"))

	// A network that others took down here is none that anybody waits for.
	a.vxtap.ask(func(ctx context.Context) error { return a.vxtap.api.RemoveNetwork(ctx, 42) })
	a.removeAll("lab")
	b.removeAll("lab")
	var n api.Node
	a.vxtap.ask(func(ctx context.Context) (err error) {
		n, err = a.vxtap.api.Node(ctx)
		return err
	})
	if len(n.Networks) != 0 {
		t.Errorf("networks %+v stay", n.Networks)
	}
}

// A container that is removed while the agent is down leaves nothing, though its engine cannot
// tell: its address is free, and the network can be removed.
func dockerEndedMeanwhile(t *testing.T, a, b *engine) {
	labNetwork(a, b, 42)
	a.run("one", "--network", "lab", "--ip", "10.42.1.9")
	b.run("two", "--network", "lab")
	b.reaches("two", "10.42.1.9")
	a.vxtap.kill()
	a.docker("rm", "-f", "one")
	a.startVXTAP()
	a.run("three", "--network", "lab", "--ip", "10.42.1.9")
	b.reaches("two", "10.42.1.9")
	a.removeAll("lab")
	b.removeAll("lab")
	expectNothingKept(t, a, b)
}

// expectNothingKept holds that nothing of any network is kept for later.
func expectNothingKept(t *testing.T, engines ...*engine) {
	t.Helper()
	for _, e := range engines {
		var left struct {
			Networks, Endpoints map[string]any
			Book                struct{ Pools map[string]any }
		}
		text, err := os.ReadFile(e.dir + "/state/docker.json")
		check(t, err)
		check(t, json.Unmarshal(text, &left))
		if len(left.Networks)+len(left.Endpoints)+len(left.Book.Pools) != 0 {
			t.Errorf("kept is\n%s", text)
		}
	}
}

// An engine that is restarted, or killed, under live containers leaves them on the network, and
// so does the agent while there is no engine.
func dockerLiveRestore(t *testing.T, a, b *engine) {
	a.stopDockerd()
	a.startDockerd("--live-restore")
	labNetwork(a, b, 42)
	a.run("one", "--network", "lab", "--ip", "10.42.1.9")
	b.run("two", "--network", "lab")
	b.reaches("two", "10.42.1.9")
	for _, end := range []func(){a.stopDockerd, a.killDockerd} {
		end()
		b.reaches("two", "10.42.1.9")
		a.vxtap.kill()
		a.startVXTAP()
		b.reaches("two", "10.42.1.9")
		a.startDockerd("--live-restore")
		b.reaches("two", "10.42.1.9")
		a.reaches("one", b.address("two", "lab"))
		a.refused("taken", "run", "--network", "lab", "--ip", "10.42.1.9", "bb:1", "/bin/sleep", "1")
	}
	a.removeAll("lab")
	b.removeAll("lab")
	expectNothingKept(t, a, b)
	a.stopDockerd()
	a.startDockerd()
}

// A host that lost power: agent and engine were killed, and no container runs.
func dockerBothKilled(t *testing.T, a, b *engine) {
	labNetwork(a, b, 42)
	a.run("one", "--network", "lab", "--ip", "10.42.1.9")
	pid, err := strconv.Atoi(a.docker("inspect", "-f", "{{.State.Pid}}", "one"))
	check(t, err)
	a.killDockerd()
	a.vxtap.kill()
	check(t, syscall.Kill(pid, syscall.SIGKILL))
	a.startVXTAP()
	a.startDockerd()
	a.docker("start", "one")
	b.run("two", "--network", "lab")
	b.reaches("two", "10.42.1.9")
	a.removeAll("lab")
	b.removeAll("lab")
	expectNothingKept(t, a, b)
}
