//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/dataplane/netlab"
)

// Containers of one host on one network: each has its TAP, in a namespace of its own and
// under the name it asks for.

func (c *child) addPort(spec api.PortSpec) (p api.Port) {
	c.t.Helper()
	vni := c.network().VNI
	c.ask(func(ctx context.Context) (err error) {
		p, err = c.api.AddPort(ctx, vni, spec)
		return err
	})
	return p
}

// expectPorts holds what the network's ports are called, as the API lists them and as
// vxtap show does.
func (c *child) expectPorts(want ...string) {
	c.t.Helper()
	var names []string
	c.ask(func(ctx context.Context) error {
		list, err := c.api.Ports(ctx, c.network().VNI)
		for _, p := range list {
			names = append(names, p.Name)
		}
		return err
	})
	if !slices.Equal(names, want) {
		c.t.Errorf("ports %q, want %q", names, want)
	}
	shown := vxtap(c.t.Context(), c.socket, "show").stdout
	for _, name := range want {
		if !strings.Contains(shown, "\n  "+name+" ") {
			c.t.Errorf("port %s is not shown:\n%s", name, shown)
		}
	}
}

// containers makes a namespace for each that would run on a host.
func containers(t *testing.T, n int) (list []*netlab.Host) {
	t.Helper()
	lab := newLab(t)
	for i := range n {
		list = append(list, newHost(t, lab, fmt.Sprintf("c%d", i)))
	}
	return list
}

// Two ports in two namespaces, both named eth0, reach each other without the underlay, and
// a kernel VXLAN beyond it; with the MTU, the MAC, the addresses and the routes asked for.
func TestPorts(t *testing.T) {
	t.Parallel()
	for _, driver := range []string{"auto", "off"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			a, b := newPair(t, netlab.LinkConfig{})
			in := containers(t, 2)
			silence(t, a)
			check(t, b.KernelVXLAN(netlab.VXLANConfig{
				Name: "vx42", VNI: 42, Local: ip("10.9.0.2"), Remotes: []netip.Addr{ip("10.9.0.1")},
				Addresses: prefixes("192.168.77.9/24", "fd77::9/64"), MTU: 1450,
			}))
			v := startVXTAP(t, a, "--vni", "42", "--local", "10.9.0.1", "--remote", "10.9.0.2", "--tap", "none", "--offload", driver)
			v.expectPorts()
			one := v.addPort(api.PortSpec{
				Name: "one", Device: "eth0", NetNS: in[0].Path(), Addresses: prefixes("192.168.77.1/24", "fd77::1/64"),
				Routes: []api.Route{{To: netip.MustParsePrefix("0.0.0.0/0"), Via: ip("192.168.77.9")}, {To: netip.MustParsePrefix("fd78::/64")}},
			})
			two := v.addPort(api.PortSpec{
				Name: "two", Device: "eth0", NetNS: in[1].Path(), Addresses: prefixes("192.168.77.2/24", "fd77::2/64"),
				MAC: macB, MTU: 1400,
			})
			v.expectPorts("one", "two")
			v.early = v.drops() // of what the other host said to nobody
			if one.MTU != 1450 || two.MTU != 1400 || two.MAC != macB || one.Device != "eth0" {
				t.Errorf("made %+v and %+v", one, two)
			}
			link, err := in[1].Netlink().LinkByName("eth0")
			check(t, err)
			if got := link.Attrs(); got.MTU != 1400 || got.HardwareAddr.String() != macB.String() {
				t.Errorf("eth0 has MTU %d and MAC %v", got.MTU, got.HardwareAddr)
			}
			for _, dst := range []string{"192.168.77.2", "fd77::2", "192.168.77.9", "fd77::9"} {
				ping(t, in[0], dst)
			}
			ping(t, b, "192.168.77.1")
			ping(t, b, "fd77::2")
			_, err = netlab.Transfer(within(t), in[0], in[1], netip.MustParseAddrPort("192.168.77.2:0"), netlab.TransferConfig{Bytes: 4 << 20, Verify: true})
			check(t, err)
			if names := interfaces(t, a); slices.ContainsFunc(names, func(s string) bool { return s != "lo" && s != "eth0" }) {
				t.Errorf("interfaces %q where the agent runs", names)
			}
			leavesBy(t, in[0], "1.2.3.4", "192.168.77.9")
			leavesBy(t, in[0], "fd78::1", "<nil>")
			nothingLost(t, v)
			v.ask(func(ctx context.Context) error { return v.api.RemovePort(ctx, 42, "two") })
			v.expectPorts("one")
			if names := interfaces(t, in[1]); len(names) != 1 {
				t.Errorf("interfaces %q stay of a port that was removed", names)
			}
			ping(t, in[0], "192.168.77.9")
			v.kill()
			if names := interfaces(t, in[0]); len(names) != 1 {
				t.Errorf("interfaces %q stay of an agent that was killed", names)
			}
		})
	}
}

// leavesBy holds that packets for dst leave a host by eth0 and a gateway.
func leavesBy(t *testing.T, h *netlab.Host, dst, gateway string) {
	t.Helper()
	routes, err := h.Netlink().RouteGet(ip(dst).AsSlice())
	if err != nil || len(routes) == 0 || routes[0].Gw.String() != gateway {
		t.Errorf("the route to %s is %v, %v; want one by %s", dst, routes, err, gateway)
	}
}

// An interface that is handed over is down until somebody has taken it and brought it up,
// which the agent tells, with the name that it has there.
func TestPortHandedOver(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	in := containers(t, 2)
	v := startVXTAP(t, a, "--vni", "42", "--local", "10.9.0.1", "--tap", "none")
	v.addPort(api.PortSpec{Name: "there", Device: "eth0", NetNS: in[1].Path(), Addresses: prefixes("192.168.77.2/24")})
	v.addPort(api.PortSpec{Name: "one", Device: "vxone", Handover: true})
	link, err := a.Netlink().LinkByName("vxone")
	check(t, err)
	if link.Attrs().Flags&net.FlagUp != 0 {
		t.Error("the interface is up")
	}
	if _, err := v.api.AddPort(t.Context(), 42, api.PortSpec{Device: "x", Handover: true, Addresses: prefixes("192.168.77.1/24")}); !errors.Is(err, api.ErrInvalid) {
		t.Errorf("with addresses: %v", err)
	}
	events := v.listen()
	check(t, in[0].Do(func() error {
		there, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			return err
		}
		defer there.Close()
		return a.Netlink().LinkSetNsFd(link, int(there.Fd()))
	}))
	link, err = in[0].Netlink().LinkByName("vxone")
	check(t, err)
	check(t, in[0].Netlink().LinkSetName(link, "eth0"))
	check(t, in[0].AddAddress("eth0", netip.MustParsePrefix("192.168.77.1/24")))
	check(t, in[0].Netlink().LinkSetUp(link))
	if e := nextEvent(t, events, api.EventPortMoved); e.Port != "one" || e.Device != "eth0" {
		t.Errorf("told %+v", e)
	}
	ping(t, in[0], "192.168.77.2")
	v.ask(func(ctx context.Context) error { return v.api.RemovePort(ctx, 42, "one") })
	if names := interfaces(t, in[0]); len(names) != 1 {
		t.Errorf("interfaces %q stay", names)
	}
}

// listen returns the agent's events from now on, until the test ends.
func (c *child) listen() <-chan api.Event {
	c.t.Helper()
	events := make(chan api.Event, 64)
	ready := make(chan struct{})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.api.Events(ctx, func() { close(ready) }, func(e api.Event) error { events <- e; return nil })
	}()
	c.t.Cleanup(func() { stop(); <-done })
	<-ready
	return events
}

// A port that cannot be made as asked leaves nothing, whatever the step that fails.
func TestPortHalfMade(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	c := containers(t, 1)[0]
	outside, inside := interfaces(t, a), interfaces(t, c)
	v := startVXTAP(t, a, "--vni", "42", "--local", "10.9.0.1", "--tap", "none")
	fifo := filepath.Join(t.TempDir(), "fifo") // who opens it waits for a writer
	check(t, syscall.Mkfifo(fifo, 0o600))
	for says, spec := range map[string]api.PortSpec{
		"lo already exists":        {Device: "lo", NetNS: c.Path()},
		"fifo is no":               {Device: "eth0", NetNS: fifo},
		"no network namespace":     {Device: "eth0", NetNS: c.Path() + "x"},
		"/etc/passwd is no":        {Device: "eth0", NetNS: "/etc/passwd"},
		"/proc/999999999":          {Device: "eth0", PID: 999999999},
		"interface name":           {Device: "a/b", NetNS: c.Path()},
		"gateway is on no network": {Device: "eth0", NetNS: c.Path(), Routes: []api.Route{{To: netip.MustParsePrefix("0.0.0.0/0"), Via: ip("10.1.1.1")}}},
		"same destinations": {Device: "eth0", NetNS: c.Path(), Addresses: prefixes("192.168.77.1/24"), Routes: []api.Route{
			{To: netip.MustParsePrefix("192.168.78.0/24")}, {To: netip.MustParsePrefix("192.168.78.0/24"), Via: ip("192.168.77.9")},
			{To: netip.MustParsePrefix("192.168.78.0/24"), Via: ip("192.168.77.8")},
		}},
	} {
		_, err := v.api.AddPort(t.Context(), 42, spec)
		var refused *api.Error
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v, want %q", spec, err, says)
		}
		if now := interfaces(t, a); !slices.Equal(now, outside) {
			t.Errorf("%s: interfaces %q", says, now)
		}
		if now := interfaces(t, c); !slices.Equal(now, inside) {
			t.Errorf("%s: interfaces %q in the namespace", says, now)
		}
	}
	v.expectPorts()
	if _, err := v.api.AddPort(t.Context(), 42, api.PortSpec{Device: "lo", NetNS: c.Path()}); !errors.Is(err, api.ErrExists) {
		t.Errorf("a name that is taken: %v", err)
	}
	if _, err := v.api.AddPort(t.Context(), 42, api.PortSpec{Device: "x", NetNS: "nowhere"}); !errors.Is(err, api.ErrNotFound) {
		t.Errorf("a namespace that is not there: %v", err)
	}
}

// A port goes with its namespace, be that one with a name or a process, and with its
// interface; the others, and the agent, go on.
func TestPortGone(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	in := containers(t, 2)
	name := fmt.Sprintf("vxtap-%d-port", os.Getpid())
	check(t, exec.Command("ip", "netns", "add", name).Run())
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", name).Run() })
	process := exec.Command("unshare", "-n", "cat")
	hold, err := process.StdinPipe()
	check(t, err)
	check(t, process.Start())
	defer func() { hold.Close(); _ = process.Wait() }()
	eventually(t, "the process is in a namespace of its own", func() bool {
		own, _ := os.Readlink("/proc/self/ns/net")
		its, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", process.Process.Pid))
		return err == nil && its != own
	})

	v := startVXTAP(t, a, "--vni", "42", "--local", "10.9.0.1", "--address", "192.168.77.1/24")
	events := v.listen()

	v.addPort(api.PortSpec{Device: "eth0", NetNS: name, Addresses: prefixes("192.168.77.2/24")})
	v.addPort(api.PortSpec{Device: "eth0", PID: process.Process.Pid, Addresses: prefixes("192.168.77.3/24")})
	v.addPort(api.PortSpec{Name: "c0", Device: "eth0", NetNS: in[0].Path(), Addresses: prefixes("192.168.77.4/24")})
	v.addPort(api.PortSpec{Name: "c1", Device: "eth0", NetNS: in[1].Path(), Addresses: prefixes("192.168.77.5/24")})
	byPID := fmt.Sprintf("eth0@%d", process.Process.Pid)
	v.expectPorts("vx42", "eth0@"+name, byPID, "c0", "c1")
	ping(t, in[0], "192.168.77.3")
	ping(t, a, "192.168.77.2")
	v.stats() // a look at the devices, which must not hold the namespaces either

	check(t, exec.Command("ip", "netns", "del", name).Run())
	if e := nextEvent(t, events, api.EventPortGone); e.Port != "eth0@"+name || e.VNI != 42 || !strings.Contains(e.Message, "with its network namespace") {
		t.Errorf("told %+v", e)
	}
	hold.Close()
	if e := nextEvent(t, events, api.EventPortGone); e.Port != byPID {
		t.Errorf("told %+v", e)
	}
	check(t, in[1].DeleteLink("eth0"))
	if e := nextEvent(t, events, api.EventPortGone); e.Port != "c1" {
		t.Errorf("told %+v", e)
	}
	v.expectPorts("vx42", "c0")
	ping(t, in[0], "192.168.77.1")
	v.addPort(api.PortSpec{Name: "c1", Device: "eth0", NetNS: in[1].Path(), Addresses: prefixes("192.168.77.5/24")})
	ping(t, in[1], "192.168.77.4")
}

// The commands put a namespace on a network that has no device of its own, say so, and take it
// off again. What cannot be is said in one line.
func TestPortCommands(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	in := containers(t, 2)
	v := startVXTAP(t, a, "--vni", "42", "--local", "10.9.0.1", "--tap", "none")
	port := func(args ...string) result {
		return vxtap(t.Context(), v.socket, append([]string{"port"}, args...)...)
	}
	var names []string
	for i, c := range in {
		r := port("add", "--netns", c.Path(), "--device", "eth0", "--address", fmt.Sprintf("192.168.77.%d/24", i+1), "--route", "default=192.168.77.9", "--name", fmt.Sprint("c", i))
		names = append(names, strings.TrimSpace(r.stdout))
		if r.code != exitDone || names[i] != fmt.Sprint("c", i) {
			t.Fatalf("exit code %d, %q, %q", r.code, r.stdout, r.stderr)
		}
	}
	ping(t, in[0], "192.168.77.2")
	var shown []struct {
		VNI         int
		Name, NetNS string
		Added       bool
	}
	r := port("show", "--network", "42", "--json")
	if err := json.Unmarshal([]byte(r.stdout), &shown); err != nil || len(shown) != 2 || shown[1].NetNS != in[1].Path() || !shown[1].Added {
		t.Errorf("%v: shown are %s", err, r.stdout)
	}
	for says, args := range map[string][]string{
		"eth0 already exists":             {"add", "--netns", in[0].Path(), "--device", "eth0", "--name", "other"},
		"there is no network namespace":   {"add", "--netns", "nowhere", "--device", "eth0"},
		"port x on network 42: not found": {"del", "x"},
		"network 43: not found":           {"del", "x", "--network", "43"},
		"no network 43":                   {"show", "--network", "43"},
	} {
		if r := port(args...); r.code != exitFailed || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, says) {
			t.Errorf("port %s: exit code %d, %q, want %q", strings.Join(args, " "), r.code, r.stderr, says)
		}
	}
	for i, name := range names {
		if r := port("del", name); r.code != exitDone {
			t.Errorf("port del %s: %q", name, r.stderr)
		}
		if left := interfaces(t, in[i]); slices.Contains(left, "eth0") {
			t.Errorf("interfaces %q stay", left)
		}
	}
	v.expectPorts()
}

// What somebody makes of a port's interface is what is shown.
func TestPortAsItIs(t *testing.T) {
	t.Parallel()
	for _, kind := range []api.PortKind{api.KindTAP, api.KindTUN} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			a, _ := newPair(t, netlab.LinkConfig{})
			in := containers(t, 1)[0]
			v := startVXTAP(t, a, "--vni", "42", "--local", "10.9.0.1", "--remote", "10.9.0.2", "--tap", "none")
			v.addPort(api.PortSpec{Name: "one", Kind: kind, Device: "eth0", NetNS: in.Path(), MAC: macA})
			link, err := in.Netlink().LinkByName("eth0")
			check(t, err)
			want := macA
			check(t, in.Netlink().LinkSetMTU(link, 1399))
			if kind == api.KindTAP {
				want = macB
				check(t, in.Netlink().LinkSetHardwareAddr(link, want[:]))
			}
			if p := v.network().Ports[0]; p.MTU != 1399 || p.MAC != want {
				t.Errorf("shown with MTU %d and MAC %v", p.MTU, p.MAC)
			}
		})
	}
}
