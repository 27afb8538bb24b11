//go:build linux

package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/types"

	"github.com/vxtap/vxtap/dataplane/netlab"
)

// Plugins that are killed, and namespaces that go away, between any two steps: a door before
// the agent's lets each request through in three steps, at any of which it can do harm.

// door passes requests on to an agent's socket.
type door struct {
	t      testing.TB
	socket string // that it listens on
	agent  string

	mu   sync.Mutex
	step func(request string) (on bool) // asked before each step
}

// newDoor makes one that lets everything through.
func newDoor(t testing.TB, agent string) *door {
	t.Helper()
	d := &door{t: t, socket: newSocket(t), agent: agent}
	ln, err := net.Listen("unix", d.socket)
	check(t, err)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { d.serve(c) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		serving.Wait()
	})
	return d
}

// at has a function asked before each step from now on; nil lets everything through.
func (d *door) at(step func(string) bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.step = step
}

func (d *door) passes(step string, r *http.Request) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.step == nil || d.step(fmt.Sprintf("%s %s %s", step, r.Method, r.URL.Path))
}

// serve passes one request on, and its answer back. Clients of the agent make a connection
// for each.
func (d *door) serve(c net.Conn) {
	defer c.Close()
	r, err := http.ReadRequest(bufio.NewReader(c))
	if err != nil || !d.passes("to", r) {
		return
	}
	agent, err := net.Dial("unix", d.agent)
	if err != nil {
		return // as if there were none
	}
	defer agent.Close()
	if r.Write(agent) != nil || !d.passes("at", r) {
		return
	}
	answer, err := http.ReadResponse(bufio.NewReader(agent), r)
	if err != nil {
		return
	}
	defer answer.Body.Close()
	if d.passes("from", r) {
		_ = answer.Write(c)
	}
}

// killedAt has whatever plugin is running killed at step n, and tells at which.
func (r *runtimeHost) killedAt(d *door, n int) (where func() string) {
	var mu sync.Mutex
	var running *os.Process
	var at string
	r.exec.started = func(p *os.Process) {
		mu.Lock()
		defer mu.Unlock()
		running = p
	}
	d.at(func(step string) bool {
		mu.Lock()
		defer mu.Unlock()
		n--
		if n >= 0 {
			return true
		}
		at = step
		_ = running.Kill()
		d.step = nil // what comes next is let through; mu is held by who asks
		return false
	})
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		return at
	}
}

// An ADD that is killed at any step leaves nothing that DEL, at once, or GC does not remove;
// nor does a DEL.
func TestCNIKilled(t *testing.T) {
	t.Parallel()
	for _, remedy := range []string{"DEL", "GC"} {
		t.Run(remedy, func(t *testing.T) {
			t.Parallel()
			a, _ := newPair(t, netlab.LinkConfig{})
			in := containers(t, 1)
			r := startRuntime(t, a, "10.9.0.1")
			d := newDoor(t, r.agent.socket)
			list := r.conflistAt(d.socket, "1.1.0", "lab", toTwo+`,"address":"192.168.77.1/24"`)
			one := container("one", in[0], "192.168.77.5/24")
			clean := func(at string) {
				t.Helper()
				if remedy == "GC" {
					check(t, r.gc(list))
				} else {
					r.del(list, one)
				}
				// A request that was under way is answered to nobody, and what it made goes.
				eventually(t, "nothing is left of what was killed "+at, func() bool { return len(r.networks()) == 0 })
				r.expectNothing(in[0])
			}
			steps := 0
			for ; ; steps++ {
				where := r.killedAt(d, steps)
				_, err := r.cni.AddNetworkList(within(t), list, one)
				d.at(nil)
				if where() == "" {
					check(t, err)
					clean("after ADD")
					break
				}
				if err == nil {
					t.Errorf("ADD succeeded though it was killed %s", where())
				}
				clean(where())
			}
			if steps < 6 {
				t.Errorf("ADD has %d steps", steps)
			}
			for steps = 0; remedy == "DEL"; steps++ {
				r.add(list, one)
				where := r.killedAt(d, steps)
				_ = r.cni.DelNetworkList(within(t), list, one)
				d.at(nil)
				if where() == "" {
					break
				}
				clean(where())
			}
			r.expectNothing(in[0])
		})
	}
}

// A namespace that goes away while a container is added, or an agent that is killed then,
// fails it with a line that says so, and leaves nothing.
func TestCNIGoneBetween(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	r := startRuntime(t, a, "10.9.0.1")
	d := newDoor(t, r.agent.socket)
	list := r.conflistAt(d.socket, "1.1.0", "lab", toTwo)
	for _, step := range []string{"to POST", "at POST"} {
		in := containers(t, 1)[0]
		link := filepath.Join(t.TempDir(), "ns")
		check(t, os.Symlink(in.Path(), link))
		one := container("one", in, "192.168.77.5/24")
		one.NetNS = link
		d.at(func(s string) bool {
			if s[:len(step)] == step {
				_ = os.Remove(link)
			}
			return true
		})
		_, err := r.cni.AddNetworkList(within(t), list, one)
		if step == "to POST" {
			refusedBy(t, err, types.ErrUnknownContainer, "there is no network namespace "+link)
		}
		d.at(nil)
		r.del(list, one)
		r.expectNothing(in)
	}

	in := containers(t, 1)[0]
	one := container("one", in, "192.168.77.5/24")
	d.at(func(s string) bool {
		if s[:7] == "at POST" {
			r.agent.kill()
		}
		return true
	})
	_, err := r.cni.AddNetworkList(within(t), list, one)
	refusedBy(t, err, types.ErrTryAgainLater, "no vxtap agent answers on")
	if names := interfaces(t, in); len(names) != 1 {
		t.Errorf("interfaces %q are left", names)
	}
	d.at(nil)
	r.del(list, one)
}

// Fifty containers come and go at once.
func TestCNICrowd(t *testing.T) {
	t.Parallel()
	const crowd = 50
	a, _ := newPair(t, netlab.LinkConfig{})
	in := containers(t, crowd)
	r := startRuntime(t, a, "10.9.0.1")
	list := r.conflist("1.1.0", "lab", toTwo)
	var all sync.WaitGroup
	for i, ns := range in {
		rt := container(fmt.Sprintf("c%d", i), ns, fmt.Sprintf("192.168.77.%d/24", i+1))
		all.Go(func() { r.comeAndGo(list, rt, i%2 == 0) })
	}
	all.Wait()
	if got := len(r.networks()[0].Ports); got != crowd/2 {
		t.Errorf("%d ports, want %d", got, crowd/2)
	}
	ping(t, in[0], "192.168.77.49")
	check(t, r.gc(list))
	r.expectNothing(in...)
}

func (r *runtimeHost) comeAndGo(list *libcni.NetworkConfigList, rt *libcni.RuntimeConf, stays bool) {
	if _, err := r.cni.AddNetworkList(within(r.t), list, rt); err != nil {
		r.t.Errorf("ADD %s: %v", rt.ContainerID, err)
		return
	}
	if !stays {
		r.del(list, rt)
	}
}
