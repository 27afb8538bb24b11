//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/invoke"
	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
	"golang.org/x/sys/unix"

	cniversion "github.com/containernetworking/cni/pkg/version"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/dataplane/netlab/faults"
)

// runtimeHost is a host with an agent and a container runtime, which is libcni as runtimes
// embed it. It runs plugins in the host's namespace.
type runtimeHost struct {
	t     testing.TB
	host  *netlab.Host
	agent *child
	cni   *libcni.CNIConfig
	exec  *hostExec
}

// newRuntime makes a runtime on a host, which looks for plugins other than vxtap in path.
func newRuntime(t testing.TB, h *netlab.Host, agent *child, path ...string) *runtimeHost {
	t.Helper()
	self, err := os.Executable()
	check(t, err)
	dir := t.TempDir()
	check(t, os.Symlink(self, filepath.Join(dir, "vxtap")))
	r := &runtimeHost{t: t, host: h, agent: agent, exec: &hostExec{host: h}}
	r.cni = libcni.NewCNIConfigWithCacheDir(append([]string{dir}, path...), t.TempDir(), r.exec)
	return r
}

// startRuntime makes one with an agent that has no network yet.
func startRuntime(t testing.TB, h *netlab.Host, local string, path ...string) *runtimeHost {
	t.Helper()
	return newRuntime(t, h, startRun(t, h, newConfigFile(t, "local: "+local+"\n")), path...)
}

// hostExec runs plugins in a host.
type hostExec struct {
	cniversion.PluginDecoder
	host   *netlab.Host
	env    []string // more of the environment
	stdout *os.File // for plugins, in the place of one that is read
	// started, unless nil, is called with each plugin that runs.
	started func(*os.Process)
	// judge, unless nil, judges a plugin's system calls, and those of what it starts.
	judge func(*os.Process, faults.Call) unix.Errno
}

var _ invoke.Exec = (*hostExec)(nil)

func (e *hostExec) FindInPath(plugin string, paths []string) (string, error) {
	return invoke.FindInPath(plugin, paths)
}

// ExecPlugin implements [invoke.Exec].
func (e *hostExec) ExecPlugin(_ context.Context, path string, stdin []byte, environ []string) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	c := exec.Command(path)
	c.Env = append(append(environ, childEnv+"=1", "GORACE=atexit_sleep_ms=0"), e.env...)
	c.Stdin, c.Stdout, c.Stderr = bytes.NewReader(stdin), &stdout, &stderr
	if e.stdout != nil {
		c.Stdout = e.stdout
	}
	if err := e.start(c); err != nil {
		return nil, err
	}
	if e.started != nil {
		e.started(c.Process)
	}
	err := c.Wait()
	if strings.Contains(stderr.String(), "DATA RACE") || strings.Contains(stderr.String(), "panic:") {
		return nil, fmt.Errorf("the plugin said %s", stderr.String())
	}
	if err == nil {
		return stdout.Bytes(), nil
	}
	said := &types.Error{}
	if json.Unmarshal(stdout.Bytes(), said) != nil {
		return nil, fmt.Errorf("the plugin ended with %w and said %q, %q", err, stdout.String(), stderr.String())
	}
	return nil, said
}

func (e *hostExec) start(c *exec.Cmd) error {
	judge := e.judge
	if judge == nil {
		return e.host.Start(c)
	}
	_, err := faults.Start(c, e.host.Start, func(call faults.Call) unix.Errno { return judge(c.Process, call) }, pluginCalls...)
	return err
}

// pluginCalls are those by which a plugin has to do with anybody else.
var pluginCalls = []int{
	unix.SYS_OPENAT, unix.SYS_READ, unix.SYS_WRITE, unix.SYS_SOCKET, unix.SYS_CONNECT, unix.SYS_BIND, unix.SYS_SENDTO,
	unix.SYS_RECVFROM, unix.SYS_SETNS, unix.SYS_FCNTL, unix.SYS_CLONE, unix.SYS_EXECVE, unix.SYS_PIPE2, unix.SYS_WAITID,
	unix.SYS_EXIT_GROUP,
}

// conflist makes a network of the plugins, each in JSON, "vxtap" being given its type and the
// agent's socket.
func (r *runtimeHost) conflist(version, name, vxtap string, more ...string) *libcni.NetworkConfigList {
	r.t.Helper()
	return r.conflistAt(r.agent.socket, version, name, vxtap, more...)
}

// conflistAt is conflist with another socket.
func (r *runtimeHost) conflistAt(socket, version, name, vxtap string, more ...string) *libcni.NetworkConfigList {
	r.t.Helper()
	plugins := []string{fmt.Sprintf(`{"type":"vxtap","socket":%q,"capabilities":{"ips":true,"mac":true,"aliases":true,"dns":true},%s}`, socket, vxtap)}
	text := fmt.Sprintf(`{"cniVersion":%q,"name":%q,"plugins":[%s]}`, version, name, strings.Join(append(plugins, more...), ","))
	list, err := libcni.ConfListFromBytes([]byte(text))
	if err != nil {
		r.t.Fatalf("%v: %s", err, text)
	}
	return list
}

// container is one that a runtime would start: a namespace and an identifier.
func container(id string, ns *netlab.Host, ips ...string) *libcni.RuntimeConf {
	rt := &libcni.RuntimeConf{ContainerID: id, IfName: "eth0", CapabilityArgs: map[string]any{}}
	if ns != nil {
		rt.NetNS = ns.Path()
	}
	if len(ips) > 0 {
		rt.CapabilityArgs["ips"] = ips
	}
	return rt
}

func (r *runtimeHost) add(list *libcni.NetworkConfigList, rt *libcni.RuntimeConf) *current.Result {
	r.t.Helper()
	result, err := r.cni.AddNetworkList(within(r.t), list, rt)
	if err != nil {
		r.t.Fatalf("ADD %s: %v", rt.ContainerID, err)
	}
	if got := result.Version(); got != list.CNIVersion {
		r.t.Errorf("ADD %s: a result of version %s, want %s", rt.ContainerID, got, list.CNIVersion)
	}
	now, err := current.NewResultFromResult(result)
	check(r.t, err)
	return now
}

func (r *runtimeHost) del(list *libcni.NetworkConfigList, rt *libcni.RuntimeConf) {
	r.t.Helper()
	if err := r.cni.DelNetworkList(within(r.t), list, rt); err != nil {
		r.t.Errorf("DEL %s: %v", rt.ContainerID, err)
	}
}

func (r *runtimeHost) check(list *libcni.NetworkConfigList, rt *libcni.RuntimeConf) error {
	r.t.Helper()
	return r.cni.CheckNetworkList(within(r.t), list, rt)
}

// refusedBy expects an error of a code that says something.
func refusedBy(t testing.TB, err error, code uint, says string) {
	t.Helper()
	var said *types.Error
	if !errors.As(err, &said) || said.Code != code || !strings.Contains(said.Msg, says) || strings.Contains(said.Msg, "\n") {
		t.Errorf("error %v, want code %d and one line with %q", err, code, says)
		if said != nil {
			t.Errorf("its code is %d", said.Code)
		}
	}
}

// expectPorts holds what the ports of the agent's networks are called.
func (r *runtimeHost) expectPorts(want ...string) {
	r.t.Helper()
	var names []string
	for _, n := range r.networks() {
		for _, p := range n.Ports {
			names = append(names, p.Name)
		}
	}
	slices.Sort(names)
	if !slices.Equal(names, want) {
		r.t.Errorf("ports %q, want %q", names, want)
	}
}

func (r *runtimeHost) networks() (list []api.Network) {
	r.t.Helper()
	r.agent.ask(func(ctx context.Context) error {
		node, err := r.agent.api.Node(ctx)
		list = node.Networks
		return err
	})
	return list
}

// expectNothing holds that nothing is left of any container: no network, no interface in the
// namespaces, and on the host what was there at the beginning.
func (r *runtimeHost) expectNothing(namespaces ...*netlab.Host) {
	r.t.Helper()
	if list := r.networks(); len(list) > 0 {
		r.t.Errorf("networks %+v are left", list)
	}
	for _, ns := range namespaces {
		if names := interfaces(r.t, ns); !slices.Equal(names, []string{"lo"}) {
			r.t.Errorf("interfaces %q are left", names)
		}
	}
	if names := interfaces(r.t, r.host); !slices.Equal(names, []string{"lo", "eth0"}) {
		r.t.Errorf("interfaces %q are left on the host", names)
	}
}

// transfer carries some bytes between two containers over TCP.
func transfer(t testing.TB, from, to *netlab.Host, addr string) {
	t.Helper()
	_, err := netlab.Transfer(within(t), from, to, netip.AddrPortFrom(ip(addr), 0), netlab.TransferConfig{Bytes: 1 << 20, Verify: true})
	check(t, err)
}
