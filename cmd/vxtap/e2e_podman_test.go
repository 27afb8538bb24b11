//go:build linux && interop

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vxtap/vxtap/dataplane/netlab"
)

// podman with its CNI back end, as a runtime that people use: two hosts, each with an agent
// and a podman whose files are its own.

// podman runs containers on a host.
type podman struct {
	t      testing.TB
	host   *netlab.Host
	agent  *child
	dir    string
	leases string   // where host-local keeps its addresses
	way    []string // what to begin commands with
}

const containersConf = `[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[network]
network_backend = "cni"
network_config_dir = "%[1]s/net.d"
cni_plugin_dirs = ["%[1]s/bin", "` + referencePlugins + `"]
[engine]
cgroup_manager = "cgroupfs"
runtime = "runc"
events_logger = "file"
`

// startPodman gives a host with an agent a podman and a network named lab.
func startPodman(t testing.TB, h *netlab.Host, agent *child, vxtap string, first, last int) *podman {
	t.Helper()
	return startPodmanThrough(t, h, nil, agent, vxtap, first, last)
}

// startPodmanThrough is startPodman for an agent whose mounts are others, to which way leads.
func startPodmanThrough(t testing.TB, h *netlab.Host, way []string, agent *child, vxtap string, first, last int) *podman {
	t.Helper()
	p := &podman{t: t, host: h, agent: agent, dir: t.TempDir(), way: way}
	p.leases = filepath.Join(p.dir, "leases")
	for _, dir := range []string{"bin", "net.d", "rootfs/bin"} {
		check(t, os.MkdirAll(filepath.Join(p.dir, dir), 0o755))
	}
	self, err := os.Executable()
	check(t, err)
	// Not a link: who cleans up after a container has not the environment that makes this
	// binary be vxtap.
	p.write("bin/vxtap", 0o755, fmt.Sprintf("#!/bin/sh\n%s=1 GORACE=atexit_sleep_ms=0 exec %s\n", childEnv, self))
	p.write("containers.conf", 0o644, fmt.Sprintf(containersConf, p.dir))
	p.write("net.d/lab.conflist", 0o644, fmt.Sprintf(`{"cniVersion":"1.0.0","name":"lab","plugins":[
		{"type":"vxtap","socket":%q,"capabilities":{"ips":true,"mac":true,"aliases":true},%s,%s},
		{"type":"portmap","capabilities":{"portMappings":true}},{"type":"tuning","capabilities":{"mac":true}}]}`,
		agent.socket, vxtap, hostLocal(p.leases, first, last)))
	busybox, err := os.ReadFile("/bin/busybox")
	check(t, err)
	p.write("rootfs/bin/busybox", 0o755, string(busybox))
	t.Cleanup(func() { // the mounts of containers, too, which would keep the directory
		if said, err := p.command(context.Background(), "rm", "-fa", "-t", "0"); err != nil {
			t.Errorf("podman rm: %v: %s", err, said)
		}
	})
	return p
}

func (p *podman) write(name string, mode os.FileMode, text string) {
	p.t.Helper()
	check(p.t, os.WriteFile(filepath.Join(p.dir, name), []byte(text), mode))
}

// command runs podman, and returns what it says.
func (p *podman) command(ctx context.Context, args ...string) (string, error) {
	in := func(name string) string { return filepath.Join(p.dir, name) }
	args = append([]string{"--root", in("root"), "--runroot", in("runroot"), "--tmpdir", in("tmp"), "--storage-driver", "vfs"}, args...)
	var stdout, stderr bytes.Buffer
	line := slices.Concat(p.way, []string{"podman"}, args)
	c := exec.CommandContext(ctx, line[0], line[1:]...)
	c.Env = append(os.Environ(), "CONTAINERS_CONF="+in("containers.conf"))
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := p.host.Start(c); err != nil {
		return "", err
	}
	if err := c.Wait(); err != nil {
		return stdout.String(), fmt.Errorf("podman %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSpace(stdout.String()), nil
}

func (p *podman) do(args ...string) string {
	p.t.Helper()
	said, err := p.command(within(p.t), args...)
	check(p.t, err)
	return said
}

// run starts a container that stays until it is stopped.
func (p *podman) run(name string, flags ...string) {
	p.t.Helper()
	args := append([]string{"run", "-d", "--name", name, "--network", "lab"}, flags...)
	p.do(append(args, "--rootfs", filepath.Join(p.dir, "rootfs"), "/bin/busybox", "sleep", "1000000")...)
}

// addresses returns those of a container, IPv4 and IPv6.
func (p *podman) addresses(name string) [2]string {
	p.t.Helper()
	const of = `{{(index .NetworkSettings.Networks "lab").IPAddress}} {{(index .NetworkSettings.Networks "lab").GlobalIPv6Address}}`
	var list [2]string
	copy(list[:], strings.Fields(p.do("inspect", "-f", of, name)))
	return list
}

// fetches holds that a container gets echoes and a page with that text from an address.
func (p *podman) fetches(name, addr, text string) {
	p.t.Helper()
	const script = `busybox ping -c 1 -W 5 $0 >/dev/null && printf 'GET /index.html HTTP/1.0\r\n\r\n' | busybox nc -w 5 $0 80`
	eventually(p.t, name+" fetches from "+addr, func() bool {
		said, err := p.command(within(p.t), "exec", name, "/bin/busybox", "sh", "-c", script, addr)
		return err == nil && strings.HasSuffix(said, text)
	})
}

// expectNoLeases holds that no address is given out any more.
func (p *podman) expectNoLeases() {
	p.t.Helper()
	if got := leases(p.t, p.leases, "lab"); len(got) != 0 {
		p.t.Errorf("leases %v are left", got)
	}
}

// expectGone holds that nothing is left of any container.
func (p *podman) expectGone() {
	p.t.Helper()
	p.agent.expectVNIs()
	p.expectNoLeases()
	if names := interfaces(p.t, p.host); strings.Join(names, " ") != "lo eth0" {
		p.t.Errorf("interfaces %q are left", names)
	}
}

func TestPodman(t *testing.T) {
	t.Parallel()
	a, b := newPair(t, netlab.LinkConfig{})
	check(t, a.Do(func() error { return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0) }))
	pa := startPodman(t, a, startRun(t, a, newConfigFile(t, "local: 10.9.0.1\n")), toTwo+`,"address":["192.168.77.1/24","fd77::1/64"]`, 10, 19)
	pb := startPodman(t, b, startRun(t, b, newConfigFile(t, "local: 10.9.0.2\n")), `"vni":42,"remote":["10.9.0.1"]`, 20, 29)
	pa.run("one", "-p", "8080:80")
	pb.run("two", "--ip", "192.168.77.25", "--mac-address", macB.String(), "--network-alias", "db")

	var inspected []struct {
		NetworkSettings struct {
			SandboxKey string
			Networks   map[string]struct{ IPAddress, MacAddress string }
		}
	}
	check(t, json.Unmarshal([]byte(pb.do("inspect", "two")), &inspected))
	if got := inspected[0].NetworkSettings.Networks["lab"]; got.IPAddress != "192.168.77.25" || got.MacAddress != macB.String() {
		t.Errorf("podman inspect says %+v", got)
	}
	if ports := pb.agent.network().Ports; len(ports) != 1 || strings.Join(ports[0].Aliases, " ") == "" || ports[0].Aliases[0] != "db" {
		t.Errorf("ports %+v", ports)
	}
	for _, dst := range []string{"192.168.77.25", "192.168.77.1", "fd77::20"} {
		pa.do("exec", "one", "/bin/busybox", "ping", "-c", "3", dst)
	}
	for _, c := range []struct {
		at   *podman
		host string
		port string
	}{{pb, "192.168.77.10", "80"}, {pb, "10.9.0.1", "8080"}} {
		pa.do("exec", "-d", "one", "/bin/busybox", "sh", "-c", "echo hello | /bin/busybox nc -l -p 80")
		eventually(t, "a container answers at "+c.host, func() bool {
			from := []string{"exec", "two", "/bin/busybox", "nc", "-w", "5", c.host, c.port}
			if c.host == "10.9.0.1" { // published, to those on the underlay
				conn, err := b.DialContext(within(t), "tcp", c.host+":"+c.port)
				if err != nil {
					return false
				}
				defer conn.Close()
				said := make([]byte, 5)
				n, _ := conn.Read(said)
				return string(said[:n]) == "hello"
			}
			said, err := c.at.command(within(t), from...)
			return err == nil && said == "hello"
		})
	}
	pa.do("restart", "-t", "0", "one")
	pb.do("exec", "two", "/bin/busybox", "ping", "-c", "3", "192.168.77.1")
	pa.do("rm", "-f", "-t", "0", "one")
	pa.expectGone()

	// Without an agent podman says so; what ran can be removed.
	pb.agent.kill()
	_, err := pb.command(within(t), "run", "--rm", "--network", "lab", "--rootfs", filepath.Join(pb.dir, "rootfs"), "/bin/busybox", "true")
	if err == nil || !strings.Contains(err.Error(), "no vxtap agent answers on "+pb.agent.socket) {
		t.Errorf("without an agent: %v", err)
	}
	pb.do("rm", "-f", "-t", "0", "two")
	if got := leases(t, pb.leases, "lab"); len(got) != 0 {
		t.Errorf("leases %v are left", got)
	}
}
