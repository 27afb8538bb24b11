//go:build linux

package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/vxtap/vxtap/dataplane/netlab"
)

// What the host does not have, or others have taken.

func TestNoSuchLocalAddress(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	for _, driver := range []string{"auto", "off"} {
		for _, local := range []string{"10.9.0.9", "fd09::9"} {
			refused(t, a, newSocket(t), exitFailed, local+"|no interface has|--local",
				"up", "--vni", "42", "--local", local, "--offload", driver)
		}
	}
}

func TestUDPPortTaken(t *testing.T) {
	t.Parallel()
	up := []string{"up", "--vni", "42", "--local", "10.9.0.1", "--tap", "vxtest"}
	portable := append(up[:len(up):len(up)], "--offload", "off")

	t.Run("process", func(t *testing.T) {
		t.Parallel()
		a, _ := newPair(t, netlab.LinkConfig{})
		for _, at := range []string{"10.9.0.1:4789", "0.0.0.0:4789"} {
			taken, err := a.ListenPacket("udp4", at)
			check(t, err)
			words := fmt.Sprintf("10.9.0.1:4789|taken by process %d|--port", os.Getpid())
			refused(t, a, newSocket(t), exitFailed, words, up...)
			refused(t, a, newSocket(t), exitFailed, words, portable...)
			taken.Close()
		}
	})
	t.Run("vxtap", func(t *testing.T) {
		t.Parallel()
		a, _ := newPair(t, netlab.LinkConfig{})
		first := startVXTAP(t, a, "--vni", "42", "--local", "10.9.0.1")
		words := fmt.Sprintf("10.9.0.1:4789|taken by process %d|--port", first.cmd.Process.Pid)
		refused(t, a, newSocket(t), exitFailed, words, up...)
	})
	t.Run("kernel", func(t *testing.T) {
		t.Parallel()
		a, _ := newPair(t, netlab.LinkConfig{})
		check(t, a.KernelVXLAN(netlab.VXLANConfig{Name: "kvx7", VNI: 7, Local: ip("10.9.0.1"), MTU: 1450}))
		words := "10.9.0.1:4789|taken by kernel VXLAN interface kvx7|--port"
		refused(t, a, newSocket(t), exitFailed, words, up...)
		refused(t, a, newSocket(t), exitFailed, words, portable...)
	})
}

// A TAP of somebody else's, even one that nobody uses at the moment, is not ours.
func TestTAPNameTaken(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	addTAP(t, a, "theirs")
	for _, driver := range []string{"auto", "off"} {
		for _, name := range []string{"theirs", "eth0", "lo"} {
			refused(t, a, newSocket(t), exitFailed, name+" already exists|--tap",
				"up", "--vni", "42", "--local", "10.9.0.1", "--tap", name, "--offload", driver)
		}
	}
}

// addTAP makes a persistent TAP that no process has open.
func addTAP(t *testing.T, h *netlab.Host, name string) {
	t.Helper()
	check(t, h.Do(func() error {
		tap := &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: name}, Mode: netlink.TUNTAP_MODE_TAP}
		return netlink.LinkAdd(tap)
	}))
}

func TestNoTUN(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	// An empty directory over /dev/net, in a mount namespace of vxtap's own.
	hide := []string{"unshare", "-m", "sh", "-c", `mount -t tmpfs none /dev/net && exec "$0" "$@"`}
	for _, driver := range []string{"auto", "off"} {
		refusedThrough(t, a, hide, newSocket(t), exitFailed, "/dev/net/tun|modprobe tun|--device",
			"up", "--vni", "42", "--local", "10.9.0.1", "--offload", driver)
	}
}

func TestNoCapability(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	drop := []string{"setpriv", "--bounding-set=-net_admin"}
	for _, driver := range []string{"auto", "off"} {
		refusedThrough(t, a, drop, newSocket(t), exitFailed, "not allowed|CAP_NET_ADMIN|root",
			"up", "--vni", "42", "--local", "10.9.0.1", "--offload", driver)
	}
}

func TestNoSuchNamespace(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	up := []string{"up", "--vni", "42", "--local", "10.9.0.1", "--netns"}
	socket := newSocket(t)
	file := filepath.Join(t.TempDir(), "file")
	check(t, os.WriteFile(file, nil, 0o600))
	refused(t, a, socket, exitFailed, "no network namespace /run/netns/vxtap-nosuch|ip netns add", append(up, "vxtap-nosuch")...)
	refused(t, a, socket, exitFailed, "no network namespace /proc/self/nosuch", append(up, "/proc/self/nosuch")...)
	refused(t, a, socket, exitFailed, file+" is no network namespace|/run/netns", append(up, file)...)
	refused(t, a, socket, exitFailed, "/proc/self/ns/mnt is no network namespace", append(up, "/proc/self/ns/mnt")...)
}

// An underlay that is too narrow for what was asked of the overlay.
func TestUnderlayTooNarrow(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{MTU: 1300})
	refused(t, a, newSocket(t), exitFailed, "1300|1250|fd77::1/64|1280",
		"up", "--vni", "42", "--local", "10.9.0.1", "--address", "fd77::1/64")

	v := startVXTAP(t, a, "--vni", "42", "--local", "10.9.0.1", "--mtu", "1500")
	v.waitLog(`"mtu": 1500, "fits": 1250`)
}

func TestSocketPath(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	up := []string{"up", "--vni", "42", "--local", "10.9.0.1"}

	t.Run("live agent", func(t *testing.T) {
		first := startVXTAP(t, a, "--vni", "41", "--local", "10.9.0.1")
		words := "--port 8472 contradicts the agent that runs at 10.9.0.1:4789|--socket"
		refused(t, a, first.socket, exitFailed, words, append(up, "--port", "8472")...)
		if first.network().VNI != 41 {
			t.Error("the first agent has other networks now")
		}
		first.stop()
	})
	t.Run("dead agent", func(t *testing.T) {
		first := startVXTAP(t, a, "--vni", "41", "--local", "10.9.0.1")
		first.kill()
		second := startVXTAPOn(t, a, first.socket, up[1:]...)
		if second.network().VNI != 42 {
			t.Error("another network answers")
		}
		second.stop()
		if left := filesBeside(t, first.socket); left != nil {
			t.Errorf("files %q are left", left)
		}
	})
	t.Run("somebody else", func(t *testing.T) {
		path := newSocket(t)
		ln, err := net.Listen("unix", path)
		check(t, err)
		defer ln.Close()
		refused(t, a, path, exitFailed, fmt.Sprintf("%s (pid %d)|--socket", path, os.Getpid()), up...)
	})
	t.Run("file", func(t *testing.T) {
		path := newSocket(t)
		check(t, os.WriteFile(path, []byte("precious"), 0o600))
		refused(t, a, path, exitFailed, path+" exists and is no socket|--socket", up...)
		if b, err := os.ReadFile(path); string(b) != "precious" {
			t.Errorf("the file is now %q: %v", b, err)
		}
	})
	t.Run("no directory", func(t *testing.T) {
		path := filepath.Join(newSocket(t), "vxtap.sock")
		check(t, os.WriteFile(filepath.Dir(path), nil, 0o600))
		refused(t, a, filepath.Dir(path), exitFailed, filepath.Dir(path), append(up, "--socket", path)...)
	})
	t.Run("too long", func(t *testing.T) {
		path := filepath.Join(filepath.Dir(newSocket(t)), fmt.Sprintf("%0100d", 1))
		refused(t, a, path, exitFailed, path+"|at most", up...)
	})
}
