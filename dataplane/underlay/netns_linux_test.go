package underlay_test

import (
	"net/netip"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// inNamespace moves the test into a network namespace of its own, with loopback up,
// until it ends. The namespace has no name and goes with its last socket.
func inNamespace(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	home, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := netns.Set(home); err != nil {
			t.Error(err) // the thread stays locked and dies with its goroutine
			return
		}
		home.Close()
		runtime.UnlockOSThread()
	})
	own, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { own.Close() })
	up(t, "lo")
}

// peer makes a veth pair, u0 here and u0 in another namespace, both up and with the
// given addresses. It returns a function that runs another inside that namespace.
func peer(t *testing.T, here, there []string) (inside func(func())) {
	t.Helper()
	home, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { home.Close() })
	far, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { far.Close() })
	enter(t, home)
	inside = func(f func()) {
		enter(t, far)
		defer enter(t, home)
		f()
	}
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "u0"}, PeerName: "u0", PeerNamespace: netlink.NsFd(far)}
	if err := netlink.LinkAdd(veth); err != nil {
		t.Fatal(err)
	}
	inside(func() {
		up(t, "lo")
		address(t, "u0", there...)
		up(t, "u0")
	})
	address(t, "u0", here...)
	up(t, "u0")
	return inside
}

func enter(t *testing.T, ns netns.NsHandle) {
	t.Helper()
	if err := netns.Set(ns); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, name string) netlink.Link {
	t.Helper()
	l, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func up(t *testing.T, name string) {
	t.Helper()
	if err := netlink.LinkSetUp(link(t, name)); err != nil {
		t.Fatal(err)
	}
}

// address gives an interface addresses in prefix notation, without duplicate address
// detection.
func address(t *testing.T, name string, prefixes ...string) {
	t.Helper()
	for _, p := range prefixes {
		a := parseAddr(t, p)
		if err := netlink.AddrAdd(link(t, name), a); err != nil {
			t.Fatalf("adding %s: %v", p, err)
		}
	}
}

func removeAddress(t *testing.T, name, prefix string) {
	t.Helper()
	if err := netlink.AddrDel(link(t, name), parseAddr(t, prefix)); err != nil {
		t.Fatalf("removing %s: %v", prefix, err)
	}
}

func parseAddr(t *testing.T, prefix string) *netlink.Addr {
	t.Helper()
	a, err := netlink.ParseAddr(prefix)
	if err != nil {
		t.Fatal(err)
	}
	if netip.MustParsePrefix(prefix).Addr().Is6() {
		a.Flags = 0x02 // IFA_F_NODAD
	}
	return a
}
