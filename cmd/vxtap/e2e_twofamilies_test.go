//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vxtap/vxtap/crypto"
	"github.com/vxtap/vxtap/dataplane/netlab"
)

// twoFamilies is a file of a node with an address of each family, and of each a plain and a
// sealed network.
func twoFamilies(host int, secret string) string {
	other := 3 - host
	text := fmt.Sprintf("local: [10.9.0.%d, \"fd09::%[1]d\"]\npsk-file: %s\nnetworks:\n", host, secret)
	for vni, words := range map[int]string{
		42: fmt.Sprintf("remote: 10.9.0.%d", other),
		43: fmt.Sprintf(`remote: "fd09::%d"`, other),
		44: fmt.Sprintf("sealed: true, remote: 10.9.0.%d", other),
		45: fmt.Sprintf(`sealed: true, remote: "fd09::%d"`, other),
	} {
		text += fmt.Sprintf("- {vni: %d, %s, address: 192.168.%[1]d.%[3]d/24}\n", vni, words, host)
	}
	return text
}

// One agent has networks over IPv4 and over IPv6, plain and sealed, each with the MTU that
// its underlay leaves. What looks at the agent sees both.
func TestTwoFamilies(t *testing.T) {
	t.Parallel()
	a, b := newPair(t, netlab.LinkConfig{})
	silence(t, a, b)
	secret := secretFile(t, crypto.PrivateKey{0, 1}.Base64())
	c := startRun(t, a, newConfigFile(t, twoFamilies(1, secret)))
	startRun(t, b, newConfigFile(t, twoFamilies(2, secret)))

	file := filepath.Join(t.TempDir(), "wire.pcapng")
	capture := c.startCapture(a, "--stage", "wire", "-w", file)
	for vni, mtu := range map[int]int{42: 1450, 43: 1430, 44: 1418, 45: 1398} {
		ping(t, a, fmt.Sprintf("192.168.%d.2", vni))
		link, err := a.Netlink().LinkByName(fmt.Sprintf("vx%d", vni))
		check(t, err)
		if got := link.Attrs().MTU; got != mtu {
			t.Errorf("network %d has MTU %d, not %d", vni, got, mtu)
		}
	}
	capture.interrupt()
	data, err := os.ReadFile(file)
	check(t, err)
	seen := map[string]int{}
	for _, p := range readCapture(t, data) {
		seen[p.NetworkLayer().NetworkFlow().Src().String()]++
	}
	if seen["10.9.0.1"] == 0 || seen["10.9.0.2"] == 0 || seen["fd09::1"] == 0 || seen["fd09::2"] == 0 {
		t.Errorf("packets from %v were captured", seen)
	}

	shown := vxtap(t.Context(), c.socket, "show").stdout
	for _, line := range []string{"node 10.9.0.1 and fd09::1 port 4789", "\nunderlay linux", "\nunderlay of fd09::1 linux"} {
		if !strings.Contains(shown, line) {
			t.Errorf("%q is not in\n%s", line, shown)
		}
	}
	keys := vxtap(t.Context(), c.socket, "keys", "show").stdout
	for _, peer := range []string{"peer 10.9.0.2 ", "peer fd09::2 "} {
		if !strings.Contains(keys, peer) {
			t.Errorf("%q is not in\n%s", peer, keys)
		}
	}
	if r := vxtap(t.Context(), c.socket, "keys", "rotate"); r.code != exitDone {
		t.Errorf("keys rotate: %+v", r)
	}
	for vni := range 4 {
		ping(t, b, fmt.Sprintf("192.168.%d.1", 42+vni))
	}
}

// vxtap up may name either address, or both, of an agent that has two; and the network goes
// where its remotes are.
func TestTwoFamiliesUp(t *testing.T) {
	t.Parallel()
	a, b := newPair(t, netlab.LinkConfig{})
	silence(t, a, b)
	first := startVXTAP(t, a, "--vni", "42", "--local", "10.9.0.1", "--local", "fd09::1", "--remote", "10.9.0.2")
	startVXTAP(t, b, "--vni", "43", "--local", "fd09::2", "--remote", "fd09::1", "--address", "192.168.43.2/24")
	for _, local := range [][]string{nil, {"--local", "fd09::1"}, {"--local", "10.9.0.1"}, {"--local", "10.9.0.1", "--local", "fd09::1"}} {
		c := launch(t, a, first.socket, append([]string{"up", "--vni", "43", "--remote", "fd09::2", "--address", "192.168.43.1/24"}, local...)...)
		c.waitLog("\tready\t")
		ping(t, a, "192.168.43.2")
		c.stop()
	}
	for _, tt := range []struct {
		code int
		says string
		args []string
	}{
		{exitFailed, "--local fd09::7 contradicts the agent", []string{"--vni", "43", "--local", "fd09::7"}},
		{exitFailed, "network 42: already exists", []string{"--vni", "42", "--tap", "other", "--remote", "fd09::2"}},
		{exitUsage, "remote fd09::2 and local 10.9.0.1 are of different address families", []string{"--vni", "43", "--remote", "10.9.0.2", "--remote", "fd09::2"}},
		{exitUsage, "10.9.0.3 beside 10.9.0.1: give one IPv4 and one IPv6 address at most", []string{"--vni", "43", "--local", "10.9.0.1", "--local", "10.9.0.3"}},
	} {
		refused(t, a, first.socket, tt.code, tt.says, append([]string{"up"}, tt.args...)...)
	}
	first.expectVNIs(42)
}
