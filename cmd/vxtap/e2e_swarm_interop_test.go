//go:build linux && interop

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/dataplane/netlab"
)

// managed gives an engine the managed plugin that make docker-plugin builds.
func (e *engine) managed(dir string) {
	e.t.Helper()
	e.docker("plugin", "create", "vxtap", dir)
	e.docker("plugin", "set", "vxtap", "args=--local "+e.local+" --psk-file /etc/vxtap/psk")
	e.docker("plugin", "enable", "vxtap")
}

// A swarm of two engines, for which sockets are no plugins: its nodes find each other, and a
// service of two replicas has its containers on one sealed network, whose secret is the plugins'.
func TestDockerSwarm(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", dir+"/vxtap", ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build vxtap: %v: %s", err, out)
	}
	secrets := filepath.Dir(secretFile(t, crypto.PrivateKey{9}.Base64()))
	check(t, os.Rename(filepath.Join(secrets, "secret"), filepath.Join(secrets, "psk")))
	if out, err := exec.Command(filepath.Join("dockerplugin", "build"), dir+"/vxtap", dir+"/plugin", secrets).CombinedOutput(); err != nil {
		t.Fatalf("lay the plugin out: %v: %s", err, out)
	}
	a, b := newEnginesWith(t, netlab.LinkConfig{}, func(*engine) {})
	for _, e := range []*engine{a, b} {
		e.managed(dir + "/plugin")
	}
	// The engines' own overlays want another port: 4789 is ours.
	a.docker("swarm", "init", "--advertise-addr", a.local, "--data-path-port", "7789")
	b.docker("swarm", "join", "--advertise-addr", b.local, "--token", a.docker("swarm", "join-token", "-q", "worker"), a.local+":2377")
	a.docker("network", "create", "-d", "vxtap:latest", "--attachable", "--subnet", "10.44.0.0/24", "-o", "encrypted", "lab")
	a.docker("service", "create", "--detach", "--no-resolve-image", "--name", "pair", "--network", "lab", "--replicas", "2",
		"--replicas-max-per-node", "1", "--endpoint-mode", "dnsrr", "bb:1", "/bin/sleep", "100000")
	one, two := a.replica(), b.replica()
	if one == "" || two == "" {
		t.Fatalf("the service does not run:\n%s", a.docker("service", "ps", "--no-trunc", "pair"))
	}
	a.reaches(one, b.address(two, "lab"))
	b.reaches(two, a.address(one, "lab"))
	if x, y := a.address(one, "lab"), b.address(two, "lab"); x == y || !strings.HasPrefix(x, "10.44.0.") {
		t.Errorf("addresses %s and %s", x, y)
	}
	mtu, err := a.in(one, "/bin/cat", "/sys/class/net/eth0/mtu")
	if err != nil || mtu != "1418" {
		t.Errorf("MTU %s of a sealed network, %v", mtu, err)
	}
	// The plugin is started anew under the containers.
	a.docker("plugin", "disable", "-f", "vxtap")
	a.docker("plugin", "enable", "vxtap")
	a.reaches(one, b.address(two, "lab"))
	a.docker("service", "rm", "pair")
	eventually(t, "the network is removed", func() bool {
		_, err := a.try("network", "rm", "lab")
		return err == nil
	})
}

// replica waits for the container of a service on this engine.
func (e *engine) replica() (id string) {
	e.t.Helper()
	eventually(e.t, "a replica runs at "+e.local, func() bool {
		id = e.docker("ps", "-q", "--filter", "status=running")
		return id != ""
	})
	return id
}
