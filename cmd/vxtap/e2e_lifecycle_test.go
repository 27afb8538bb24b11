//go:build linux

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/encap"
)

// signal sends vxtap a signal.
func (c *child) signal(s syscall.Signal) {
	c.t.Helper()
	check(c.t, c.cmd.Process.Signal(s))
}

// endedWith expects vxtap to end with an exit code.
func (c *child) endedWith(code int) {
	c.t.Helper()
	c.waitExit()
	if got := c.cmd.ProcessState.ExitCode(); got != code {
		c.t.Errorf("vxtap ended with %v, want exit code %d", c.cmd.ProcessState, code)
	}
}

// Each signal removes what vxtap made, and nothing that looks like it.
func TestSignals(t *testing.T) {
	t.Parallel()
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			a, _ := newPair(t, netlab.LinkConfig{})
			addTAP(t, a, "vx41")
			socket := newSocket(t)
			theirs, err := net.Listen("unix", filepath.Join(filepath.Dir(socket), "theirs.sock"))
			check(t, err)
			defer theirs.Close()
			links, files := interfaces(t, a), filesBeside(t, socket)

			v := startVXTAPOn(t, a, socket, "--vni", "42", "--local", "10.9.0.1")
			v.signal(s)
			v.endedWith(exitDone)
			if now := interfaces(t, a); !slices.Equal(now, links) {
				t.Errorf("interfaces %q, before there were %q", now, links)
			}
			if now := filesBeside(t, socket); !slices.Equal(now, files) {
				t.Errorf("files %q, before there were %q", now, files)
			}
			if why := v.waitLog("\tstopping\t"); !strings.Contains(why, s.String()) {
				t.Errorf("does not say why it stops: %s", why)
			}
		})
	}
}

// What the TAP holds when the signal comes still goes out.
func TestSignalDrains(t *testing.T) {
	t.Parallel()
	a, b := newPair(t, netlab.LinkConfig{})
	silence(t, a)
	v := startVXTAP(t, a, "--vni", "42", "--local", "10.9.0.1", "--remote", "10.9.0.2")
	// The neighbour is known, so that the kernel has nothing to wait for.
	setNeighbour(t, a, "eth0", "10.9.0.2", hardwareAddr(t, b, "eth0"))
	sent := wire(t, a)

	const frames = 2000 // almost what the TAP's ring holds: the signal is there before they are read
	v.signal(syscall.SIGSTOP)
	v.waitState('T')
	var all [][]byte
	for i := range frames {
		all = append(all, frame(broadcast, encap.MAC{2, 0, 0, 0, 0, 8}, label(fmt.Sprintf("#%d#", i))))
	}
	injectAll(t, a, "vx42", all)
	v.signal(syscall.SIGTERM)
	v.signal(syscall.SIGCONT)
	v.endedWith(exitDone)
	carrying(t, sent, label(fmt.Sprintf("#%d#", frames-1)), 1)
	if n := len(sent.Frames()); n != frames {
		t.Errorf("%d of %d frames went out", n, frames)
	}
}

// injectAll is inject for many frames.
func injectAll(t *testing.T, h *netlab.Host, ifname string, frames [][]byte) {
	t.Helper()
	link, err := h.Netlink().LinkByName(ifname)
	check(t, err)
	check(t, h.Do(func() error {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		for _, f := range frames {
			if err := unix.Sendto(fd, f, 0, &unix.SockaddrLinklayer{Ifindex: link.Attrs().Index}); err != nil {
				return err
			}
		}
		return nil
	}))
}

// waitState waits until the process is in a state of proc(5), as R, S, T or Z.
func (c *child) waitState(state byte) {
	c.t.Helper()
	eventually(c.t, fmt.Sprintf("vxtap is in state %c", state), func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.cmd.Process.Pid))
		check(c.t, err)
		_, after, _ := strings.Cut(string(stat), ") ")
		return after[0] == state
	})
}

// A second signal does not wait for what the first one waits for: here, for a client
// that never finishes its request.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	socket := newSocket(t)
	// It waits for two seconds only, which a busy machine may let pass between our
	// signals. So there are some tries.
	for range 10 {
		v := startVXTAPOn(t, a, socket, "--vni", "42", "--local", "10.9.0.1")
		slow, err := net.Dial("unix", socket)
		check(t, err)
		_, err = slow.Write([]byte("POST /v1/networks/42/fdb HTTP/1.1\r\nHost: vxtap\r\nContent-Length: 1000\r\n\r\n{"))
		check(t, err)
		v.stats() // the one before it has been accepted, too
		v.signal(syscall.SIGINT)
		v.waitLog("\tstopping\t")
		v.signal(syscall.SIGINT)
		v.waitExit()
		slow.Close()
		if status := v.cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signaled() && status.Signal() == syscall.SIGINT {
			if slices.Contains(interfaces(t, a), "vx42") {
				t.Error("the TAP stays")
			}
			return
		}
	}
	t.Error("a second SIGINT does not end vxtap")
}

// A signal may come at any moment of the start.
func TestSignalWhileStarting(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	socket := newSocket(t)
	links := interfaces(t, a)
	for _, moment := range []string{"\tunderlay open\t", "\tnetwork up\t", "\tready\t"} {
		v := launch(t, a, socket, "up", "--vni", "42", "--local", "10.9.0.1")
		v.waitLog(moment)
		v.signal(syscall.SIGTERM)
		v.endedWith(exitDone)
		if now := interfaces(t, a); !slices.Equal(now, links) {
			t.Errorf("after %q: interfaces %q, before there were %q", moment, now, links)
		}
		if left := filesBeside(t, socket); left != nil {
			t.Errorf("after %q: files %q are left", moment, left)
		}
	}
}

// Agents with sockets, ports and names of their own do not know of each other.
func TestTwoAgents(t *testing.T) {
	t.Parallel()
	a, b := newPair(t, netlab.LinkConfig{})
	start := func(h *netlab.Host, local, remote, port, name, address string) *child {
		return startVXTAP(t, h, "--vni", "42", "--local", local, "--remote", remote, "--port", port, "--tap", name, "--address", address)
	}
	one := start(a, "10.9.0.1", "10.9.0.2", "4789", "one", "192.168.1.1/24")
	two := start(a, "10.9.0.1", "10.9.0.2", "8472", "two", "192.168.2.1/24")
	start(b, "10.9.0.2", "10.9.0.1", "4789", "one", "192.168.1.2/24")
	start(b, "10.9.0.2", "10.9.0.1", "8472", "two", "192.168.2.2/24")
	ping(t, a, "192.168.1.2")
	ping(t, a, "192.168.2.2")
	for v, name := range map[*child]string{one: "one", two: "two"} {
		if ports := v.network().Ports; len(ports) != 1 || ports[0].Name != name {
			t.Errorf("agent %s has ports %v", name, ports)
		}
	}
	one.stop()
	ping(t, a, "192.168.2.2")
	two.kill()
	if left := interfaces(t, a); slices.Contains(left, "one") || slices.Contains(left, "two") {
		t.Errorf("interfaces %q", left)
	}
}

// An agent whose TAP is taken away has nothing left to do.
func TestTAPRemoved(t *testing.T) {
	t.Parallel()
	for _, driver := range []string{"auto", "off"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			a, _ := newPair(t, netlab.LinkConfig{})
			socket := newSocket(t)
			v := startVXTAPOn(t, a, socket, "--vni", "42", "--local", "10.9.0.1", "--offload", driver)
			check(t, a.DeleteLink("vx42"))
			v.endedWith(exitFailed)
			v.saysWhy("vx42|network 42|removed by someone else")
			if line := v.waitLog("\tERROR\t"); !strings.Contains(line, "vx42") {
				t.Errorf("the log says %s", line)
			}
			if left := filesBeside(t, socket); left != nil {
				t.Errorf("files %q are left", left)
			}
			startVXTAPOn(t, a, socket, "--vni", "42", "--local", "10.9.0.1", "--offload", driver)
		})
	}
}

// An agent does not keep the namespace of its TAP alive: when it ends, the TAP is gone.
func TestNamespaceRemoved(t *testing.T) {
	t.Parallel()
	for _, driver := range []string{"auto", "off"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			a, _ := newPair(t, netlab.LinkConfig{})
			name := fmt.Sprintf("vxtap-%d-%s", os.Getpid(), driver)
			check(t, exec.Command("ip", "netns", "add", name).Run())
			gone := false
			t.Cleanup(func() {
				if !gone {
					_ = exec.Command("ip", "netns", "del", name).Run()
				}
			})
			v := startVXTAP(t, a, "--vni", "42", "--local", "10.9.0.1", "--netns", name, "--address", innerA+"/24", "--offload", driver)
			if got := interfaces(t, a); slices.Contains(got, "vx42") {
				t.Errorf("interfaces %q outside", got)
			}
			v.stats() // a look at the TAP, which must not hold the namespace either
			check(t, exec.Command("ip", "netns", "del", name).Run())
			gone = true
			v.endedWith(exitFailed)
			v.saysWhy("vx42|network 42|with its network namespace")
		})
	}
}

// A client does not wait for ever for an agent that was stopped, and says which it is.
func TestStoppedAgent(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	v := startVXTAP(t, a, "--vni", "42", "--local", "10.9.0.1")
	v.signal(syscall.SIGSTOP)
	v.waitState('T')
	words := fmt.Sprintf("%s (pid %d) does not answer", v.socket, v.cmd.Process.Pid)
	refused(t, a, v.socket, exitFailed, words, "show")
	refused(t, a, v.socket, exitFailed, fmt.Sprintf("%s (pid %d)", v.socket, v.cmd.Process.Pid),
		"up", "--vni", "43", "--local", "10.9.0.1", "--port", "8472")
	v.signal(syscall.SIGCONT)
}
