//go:build linux && interop

package main

import (
	"fmt"
	"testing"
)

// One network of Docker's and of podman's containers, of which each runtime knows its own.
// Each has a range of addresses on each host.

// sharedHost is a host with both runtimes.
type sharedHost struct {
	docker *engine
	podman *podman
	create []string // the docker network
}

// newSharedHost gives an engine's host a podman, whose network is on the same VNI.
func newSharedHost(e *engine, number int, remote string, sealed bool) *sharedHost {
	e.t.Helper()
	words := fmt.Sprintf(`"vni":42,"remote":[%q]`, remote)
	create := []string{"network", "create", "-d", "vxtap", "--ipam-driver", "vxtap", "-o", "vni=42", "-o", "remote=10.9.0.1,10.9.0.2", "--ipv6",
		"--subnet", "192.168.77.0/24", "--ip-range", fmt.Sprintf("192.168.77.%d/26", 64*(number+1)),
		"--subnet", "fd77::/64", "--ip-range", fmt.Sprintf("fd77::%d:0/112", number)}
	if sealed {
		words += `,"sealed":true`
		create = append(create, "-o", "sealed")
	}
	return &sharedHost{
		docker: e, create: append(create, "lab"),
		podman: startPodmanThrough(e.t, e.host, e.inside(), e.vxtap, words, 10*number, 10*number+9),
	}
}

func (h *sharedHost) runDocker() {
	h.docker.t.Helper()
	h.docker.docker(h.create...)
	h.docker.run("docker", "--network", "lab")
	h.docker.serves("docker", "docker")
}

func (h *sharedHost) runPodman() {
	h.docker.t.Helper()
	h.podman.run("podman")
	h.podman.do("exec", "podman", "/bin/busybox", "sh", "-c", "echo podman > /index.html; busybox httpd -h /")
}

// dockerReaches holds that Docker's container gets echoes and a page from podman's at other.
func (h *sharedHost) dockerReaches(other *sharedHost) {
	h.docker.t.Helper()
	for _, addr := range other.podman.addresses("podman") {
		h.docker.reaches("docker", addr)
		h.docker.fetches("docker", addr, "80", "podman")
	}
}

// podmanReaches holds that podman's container gets both from Docker's at other.
func (h *sharedHost) podmanReaches(other *sharedHost) {
	h.docker.t.Helper()
	for _, addr := range []string{other.docker.address("docker", "lab"), other.docker.address6("docker", "lab")} {
		h.podman.fetches("podman", addr, "docker")
	}
}

func (h *sharedHost) endDocker() {
	h.docker.t.Helper()
	h.docker.removeAll("lab")
}

func (h *sharedHost) endPodman() {
	h.docker.t.Helper()
	h.podman.do("rm", "-f", "-t", "0", "podman")
}

// On one agent and between two, whichever runtime made the network, sealed or not; and
// whichever leaves first, the other keeps it.
func dockerPodman(t *testing.T, a, b *engine) {
	for _, sealed := range []bool{true, false} {
		ha, hb := newSharedHost(a, 1, "10.9.0.2", sealed), newSharedHost(b, 2, "10.9.0.1", sealed)
		ha.runDocker()
		ha.runPodman()
		hb.runPodman()
		hb.runDocker()
		for _, h := range []*sharedHost{ha, hb} {
			if n := h.docker.vxtap.network(); n.Sealed != sealed || len(n.Ports) != 2 {
				t.Errorf("the network is %+v", n)
			}
			for _, other := range []*sharedHost{ha, hb} {
				h.dockerReaches(other)
				h.podmanReaches(other)
			}
		}

		ha.endDocker()
		ha.podmanReaches(hb)
		hb.endPodman()
		hb.dockerReaches(ha)
		ha.runDocker() // on the network that podman has kept
		ha.dockerReaches(ha)
		ha.endPodman()
		ha.podman.expectNoLeases()
		ha.runPodman() // and the other way round
		hb.dockerReaches(ha)
		ha.endPodman()
		ha.endDocker()
		hb.endDocker()
		for _, h := range []*sharedHost{ha, hb} {
			h.docker.vxtap.expectVNIs()
			h.podman.expectNoLeases()
		}
	}
}
