//go:build linux && interop

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/dataplane/netlab"
)

// engine is a Docker engine on a host of a lab, with mounts and data of its own, and the
// vxtap that it has for a plugin.
type engine struct {
	t     testing.TB // the part that runs
	all   testing.TB // of which it is one; processes end with it
	host  *netlab.Host
	local string
	dir   string
	psk   string

	mounts  *exec.Cmd // holds the mount namespace
	dockerd *exec.Cmd
	exited  chan struct{} // closed when dockerd has
	vxtap   *child
}

// newEngines makes two, at 10.9.0.1 and 10.9.0.2, with an image of busybox, bb:1.
func newEngines(t testing.TB) (a, b *engine) {
	t.Helper()
	return newEnginesWith(t, netlab.LinkConfig{}, (*engine).startVXTAP)
}

// newEnginesWith is newEngines with a cable between the hosts that is as link says, and a step
// that each takes before its dockerd is started.
func newEnginesWith(t testing.TB, link netlab.LinkConfig, before func(*engine)) (a, b *engine) {
	t.Helper()
	ha, hb := newPair(t, link)
	psk := secretFile(t, crypto.PrivateKey{9}.Base64())
	a = &engine{t: t, all: t, host: ha, local: "10.9.0.1", psk: psk}
	b = &engine{t: t, all: t, host: hb, local: "10.9.0.2", psk: psk}
	for _, e := range []*engine{a, b} {
		e.prepare()
		before(e)
		e.startDockerd()
	}
	image := busybox(t)
	for _, e := range []*engine{a, b} {
		e.docker("import", image, "bb:1")
	}
	return a, b
}

// prepare makes the engine's directories, and a process in whose mount namespace /run is the
// engine's own.
func (e *engine) prepare() {
	e.t.Helper()
	var err error
	e.dir, err = os.MkdirTemp("", "vxtap-docker")
	check(e.t, err)
	e.t.Cleanup(func() {
		if err := os.RemoveAll(e.dir); err != nil {
			e.t.Error(err)
		}
	})
	for _, d := range []string{"run/docker/plugins", "run/lock", "data"} {
		check(e.t, os.MkdirAll(filepath.Join(e.dir, d), 0o755))
	}
	e.mounts = exec.Command("unshare", "-m", "--propagation", "private", "sh", "-c",
		"mount --bind "+e.dir+"/run /run && echo mounted && exec cat")
	in, err := e.mounts.StdinPipe()
	check(e.t, err)
	out, err := e.mounts.StdoutPipe()
	check(e.t, err)
	check(e.t, e.host.Start(e.mounts))
	e.t.Cleanup(func() {
		e.killAll()
		in.Close()
		_ = e.mounts.Wait()
	})
	said := make([]byte, len("mounted\n"))
	if _, err := io.ReadFull(out, said); err != nil {
		e.t.Fatal("the engine has no mounts of its own")
	}
}

// inside is what to begin a command with that is to see the engine's mounts.
func (e *engine) inside() []string {
	return []string{"nsenter", fmt.Sprintf("--mount=/proc/%d/ns/mnt", e.mounts.Process.Pid)}
}

// startVXTAP starts the plugin and waits until it is ready.
func (e *engine) startVXTAP() {
	e.t.Helper()
	e.vxtap = launchThrough(e.all, e.host, e.inside(), newSocket(e.all), "run", "--docker", "--local", e.local, "--psk-file", e.psk,
		"--state", e.dir+"/state")
	e.vxtap.waitLog("\tready\t")
}

// startDockerd starts the engine, perhaps with more flags, and waits until it answers.
func (e *engine) startDockerd(flags ...string) {
	e.t.Helper()
	line := append(e.inside(), "dockerd", "--data-root", e.dir+"/data", "--exec-root", "/run/docker",
		"--pidfile", e.dir+"/run/dockerd.pid", "-H", "unix://"+e.dir+"/docker.sock", "--bip", "10.201.0.1/24", "--ip6tables=false")
	line = append(line, flags...)
	log, err := os.OpenFile(e.dir+"/dockerd.log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	check(e.t, err)
	defer log.Close()
	e.dockerd = exec.Command(line[0], line[1:]...)
	e.dockerd.Stdout, e.dockerd.Stderr = log, log
	check(e.t, e.host.Start(e.dockerd))
	exited := make(chan struct{})
	e.exited = exited
	go func(cmd *exec.Cmd) {
		defer close(exited)
		_ = cmd.Wait()
	}(e.dockerd)
	eventually(e.t, "the engine answers", func() bool {
		_, err := e.try("version")
		return err == nil
	})
}

// stopDockerd ends the engine as a service manager does.
func (e *engine) stopDockerd() {
	e.t.Helper()
	check(e.t, e.dockerd.Process.Signal(syscall.SIGTERM))
	<-e.exited
}

// killDockerd ends the engine without a chance to clean up.
func (e *engine) killDockerd() {
	e.t.Helper()
	check(e.t, e.dockerd.Process.Kill())
	<-e.exited
	// Or the next one takes what has the number by now, or a zombie, for a live one.
	_ = os.Remove(e.dir + "/run/dockerd.pid")
	_ = os.Remove(e.dir + "/run/docker/containerd/containerd.pid")
}

// try runs a command of the engine's client, that of the same package, and returns what it says.
func (e *engine) try(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/usr/bin/docker", append([]string{"-H", "unix://" + e.dir + "/docker.sock"}, args...)...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("docker %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(errs.String()))
	}
	return strings.TrimSpace(string(out)), err
}

// docker is try for what is bound to succeed.
func (e *engine) docker(args ...string) string {
	e.t.Helper()
	out, err := e.try(args...)
	check(e.t, err)
	return out
}

// refused is try for what must not succeed, and wants each of some words in what it says.
func (e *engine) refused(words string, args ...string) {
	e.t.Helper()
	_, err := e.try(args...)
	for w := range strings.SplitSeq(words, "|") {
		if err == nil || !strings.Contains(err.Error(), w) {
			e.t.Errorf("docker %s: %v, want %q", strings.Join(args, " "), err, w)
		}
	}
}

// run starts a container that does nothing until it is removed.
func (e *engine) run(name string, args ...string) {
	e.t.Helper()
	e.docker(slices.Concat([]string{"run", "-d", "--name", name}, args, []string{"bb:1", "/bin/sleep", "100000"})...)
}

// in runs a command in a container.
func (e *engine) in(name string, command ...string) (string, error) {
	return e.try(append([]string{"exec", name}, command...)...)
}

// reaches holds that a container gets answers from an address.
func (e *engine) reaches(name, addr string) {
	e.t.Helper()
	eventually(e.t, name+" reaches "+addr, func() bool { // neighbours may have to be found first
		_, err := e.in(name, "/bin/ping", "-c", "1", "-W", "5", addr)
		return err == nil
	})
}

// serves has a container answer HTTP with a text.
func (e *engine) serves(name, text string) {
	e.t.Helper()
	e.docker("exec", name, "/bin/sh", "-c", "echo "+text+" > /index.html; httpd -h /")
}

// fetches holds that a container gets that text from there.
func (e *engine) fetches(name, addr, port, text string) {
	e.t.Helper()
	eventually(e.t, name+" fetches from "+addr, func() bool {
		out, err := e.in(name, "/bin/sh", "-c", "printf 'GET /index.html HTTP/1.0\\r\\n\\r\\n' | nc -w 5 "+addr+" "+port)
		return err == nil && strings.HasSuffix(out, text)
	})
}

// address returns the address of a container on a network.
func (e *engine) address(name, network string) string {
	e.t.Helper()
	return e.docker("inspect", "-f", fmt.Sprintf(`{{(index .NetworkSettings.Networks %q).IPAddress}}`, network), name)
}

// address6 returns its IPv6 address.
func (e *engine) address6(name, network string) string {
	e.t.Helper()
	return e.docker("inspect", "-f", fmt.Sprintf(`{{(index .NetworkSettings.Networks %q).GlobalIPv6Address}}`, network), name)
}

// removeAll removes containers and the networks of some names.
func (e *engine) removeAll(networks ...string) {
	e.t.Helper()
	if ids := strings.Fields(e.docker("ps", "-aq")); len(ids) > 0 {
		e.docker(append([]string{"rm", "-f"}, ids...)...)
	}
	for _, n := range networks {
		_, err := e.try("network", "rm", n)
		if err != nil && strings.Contains(err.Error(), "active endpoints") && e.ports() == 0 {
			// Docker 20.10 may miscount endpoints that come and go at the same time, and
			// counts anew when it starts ("Fixing inconsistent endpoint_cnt").
			e.t.Logf("the engine is started anew, as it has miscounted: %v", err)
			e.stopDockerd()
			e.startDockerd()
			_, err = e.try("network", "rm", n)
		}
		check(e.t, err)
	}
}

// ports returns how many ports the plugin has.
func (e *engine) ports() (n int) {
	e.t.Helper()
	e.vxtap.ask(func(ctx context.Context) error {
		node, err := e.vxtap.api.Node(ctx)
		for _, network := range node.Networks {
			n += len(network.Ports)
		}
		return err
	})
	return n
}

// killAll ends the engine and whatever it started, which has the engine's mounts or is a
// child of such. What is left of a container is not its shim's child any more once that is
// gone, so all are found first.
func (e *engine) killAll() {
	if e.t.Failed() {
		log, _ := os.ReadFile(e.dir + "/dockerd.log")
		e.t.Logf("log of dockerd at %s:\n%s", e.local, log[max(0, len(log)-8000):])
	}
	if e.vxtap != nil && !e.vxtap.hasExited() {
		e.vxtap.stop()
	}
	ns, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", e.mounts.Process.Pid))
	if err != nil {
		e.t.Errorf("find the engine's processes: %v", err)
		return
	}
	for round := range 20 {
		found := processesIn(ns, e.mounts.Process.Pid)
		if len(found) == 0 {
			break
		}
		for _, pid := range found {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if round == 19 {
			e.t.Errorf("processes %v of the engine do not end", found)
		}
	}
	if e.exited != nil {
		<-e.exited
	}
}

// processesIn lists the live processes with a mount namespace, and their descendants, but for
// the one that holds it.
func processesIn(ns string, holder int) (list []int) {
	entries, _ := os.ReadDir("/proc")
	parents, ours := map[int]int{}, map[int]bool{}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if len(fields) < 2 || fields[0] == "Z" {
			continue
		}
		parents[pid], _ = strconv.Atoi(fields[1])
		its, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", pid))
		ours[pid] = its == ns
	}
	for pid := range parents {
		for p := pid; p > 1 && pid != holder; p = parents[p] {
			if ours[p] && p != holder {
				list = append(list, pid)
				break
			}
		}
	}
	return list
}

// busybox makes an image of it, and returns the archive's path.
func busybox(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	check(t, os.MkdirAll(dir+"/root/bin", 0o755))
	program, err := os.ReadFile("/bin/busybox")
	check(t, err)
	check(t, os.WriteFile(dir+"/root/bin/busybox", program, 0o755))
	for _, name := range []string{"sh", "sleep", "ping", "nc", "ip", "cat", "httpd", "wget"} {
		check(t, os.Symlink("busybox", dir+"/root/bin/"+name))
	}
	check(t, exec.Command("tar", "-C", dir+"/root", "-cf", dir+"/bb.tar", ".").Run())
	return dir + "/bb.tar"
}
