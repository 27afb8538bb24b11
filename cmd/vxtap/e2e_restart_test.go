//go:build linux

package main

import (
	"encoding/binary"
	"errors"
	"os"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/dataplane/netlab"
)

// A vxtap that is killed leaves nothing that has to be cleaned by hand, and when it is
// back, what its neighbours know of it is still true.
func TestRestart(t *testing.T) {
	t.Parallel()
	a, b := newPair(t, netlab.LinkConfig{})
	silence(t, a, b)
	up := func(h *netlab.Host, socket string, local, remote, address string) *child {
		return startVXTAPOn(t, h, socket, "--vni", "42", "--local", local, "--remote", remote, "--address", address)
	}
	up(a, newSocket(t), "10.9.0.1", "10.9.0.2", innerA+"/24")
	socket := newSocket(t)
	first := up(b, socket, "10.9.0.2", "10.9.0.1", innerB+"/24")
	ping(t, a, innerB)
	mac := hardwareAddr(t, b, "vx42")

	first.kill()
	if _, err := os.Stat(socket); err != nil {
		t.Errorf("a vxtap that is killed has no time to remove its socket: %v", err)
	}
	eventually(t, "the TAP goes with its vxtap", func() bool {
		_, err := b.Netlink().LinkByName("vx42")
		return errors.As(err, &netlink.LinkNotFoundError{})
	})

	// A neighbour that nobody asks about again, whatever has happened.
	link, err := a.Netlink().LinkByName("vx42")
	check(t, err)
	before := neighbour(t, a, innerB)
	asked := capture(t, a, "vx42", func(f netlab.Frame) bool { return f.Outgoing && isARPRequest(f.Data) })

	up(b, socket, "10.9.0.2", "10.9.0.1", innerB+"/24")
	if now := hardwareAddr(t, b, "vx42"); now.String() != mac.String() {
		t.Errorf("the MAC of the TAP was %v and is %v", mac, now)
	}
	rtts, err := a.Ping(within(t), ip(innerB), 1, 56)
	if err != nil || len(rtts) != 1 {
		t.Errorf("the first ping after the restart: %v", err)
	}
	after := neighbour(t, a, innerB)
	if before.HardwareAddr.String() != mac.String() || after.HardwareAddr.String() != mac.String() || after.LinkIndex != link.Attrs().Index {
		t.Errorf("neighbour %v, then %v, with MAC %v", before, after, mac)
	}
	if n := len(asked.Frames()); n != 0 {
		t.Errorf("its neighbour asked %d times for its MAC", n)
	}
	ping(t, b, innerA)
}

// A vxtap that was killed can be started again at once, without a wait for the kernel to
// have taken down the rest of it.
func TestRestartAtOnce(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	socket := newSocket(t)
	args := []string{"--vni", "42", "--local", "10.9.0.1", "--queues", "2"}
	v := startVXTAPOn(t, a, socket, args...)
	for range 5 {
		check(t, v.cmd.Process.Kill())
		v = startVXTAPOn(t, a, socket, args...)
	}
}

// neighbour returns what a host knows of an address.
func neighbour(t *testing.T, h *netlab.Host, addr string) netlink.Neigh {
	t.Helper()
	list, err := h.Netlink().NeighList(0, netlink.FAMILY_V4)
	check(t, err)
	for _, n := range list {
		if n.IP.String() == addr {
			return n
		}
	}
	t.Fatalf("%s is no neighbour", addr)
	return netlink.Neigh{}
}

// isARPRequest recognizes the broadcasts that ask for a MAC, not the unicasts that ask
// whether it is still true.
func isARPRequest(frame []byte) bool {
	return len(frame) > ethernetHeader && frame[0] == 0xff && binary.BigEndian.Uint16(frame[12:]) == unix.ETH_P_ARP
}

func TestStopRemovesOnlyItsOwn(t *testing.T) {
	t.Parallel()
	a, _ := newPair(t, netlab.LinkConfig{})
	before := interfaces(t, a)
	v := startVXTAP(t, a, "--vni", "42", "--local", "10.9.0.1")
	if n := len(interfaces(t, a)); n != len(before)+1 {
		t.Errorf("%d interfaces, and %d before", n, len(before))
	}
	v.stop()
	after := interfaces(t, a)
	if len(after) != len(before) {
		t.Errorf("interfaces %v, and %v before", after, before)
	}
	if _, err := os.Stat(v.socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket stays: %v", err)
	}
}

func interfaces(t testing.TB, h *netlab.Host) (names []string) {
	t.Helper()
	links, err := h.Netlink().LinkList()
	check(t, err)
	for _, l := range links {
		names = append(names, l.Attrs().Name)
	}
	return names
}
