//go:build linux

package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/dataplane/netlab/faults"
)

// The end-to-end tests run vxtap as a user does, in a process of its own in a host of a
// lab, and look at it from outside: at the wire, the devices, the kernel's counters, and
// the agent's API.

// childEnv makes this test binary be vxtap, so that the race detector and the tests
// themselves watch what the tests start.
const childEnv = "VXTAP_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		if err := faults.Obey(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(exitFailed)
		}
		main() // does not return
	}
	goleak.VerifyTestMain(m)
}

// limit is how long anything may take that is bound to happen: minutes on a machine
// that is busy with other things, and still no reason to fail.
const limit = 2 * time.Minute

// within returns a context for something that is bound to happen.
func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually asks until the answer is yes, for what nobody announces.
func eventually(t testing.TB, what string, yes func() bool) {
	t.Helper()
	ctx := within(t)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !yes() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("never happened: %s", what)
		}
	}
}

func newLab(t testing.TB) *netlab.Lab {
	t.Helper()
	lab, err := netlab.New("vxtap")
	check(t, err)
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	})
	return lab
}

func newHost(t testing.TB, lab *netlab.Lab, name string) *netlab.Host {
	t.Helper()
	h, err := lab.Host(name)
	check(t, err)
	return h
}

// newPair makes two hosts with a cable between their interfaces eth0, which have
// 10.9.0.1 and fd09::1, and 10.9.0.2 and fd09::2.
func newPair(t testing.TB, cfg netlab.LinkConfig) (a, b *netlab.Host) {
	t.Helper()
	lab := newLab(t)
	a, b = newHost(t, lab, "a"), newHost(t, lab, "b")
	cfg.A = prefixes("10.9.0.1/24", "fd09::1/64")
	cfg.B = prefixes("10.9.0.2/24", "fd09::2/64")
	check(t, lab.Link(a, "eth0", b, "eth0", cfg))
	return a, b
}

// newSegment makes hosts with an eth0 each on one switch, which have 10.9.0.1, 10.9.0.2
// and so on.
func newSegment(t testing.TB, n int) []*netlab.Host {
	t.Helper()
	lab := newLab(t)
	hosts := make([]*netlab.Host, n)
	for i := range hosts {
		hosts[i] = newHost(t, lab, string(rune('a'+i)))
	}
	_, err := lab.Segment(hosts, netip.MustParsePrefix("10.9.0.0/24"))
	check(t, err)
	return hosts
}

// silence turns IPv6 off for interfaces that are yet to come, so that a host sends
// nothing that the test did not ask for. The kernel's multicast would refresh what is
// learned of it at times of its own.
func silence(t testing.TB, hosts ...*netlab.Host) {
	t.Helper()
	for _, h := range hosts {
		check(t, h.Do(func() error {
			return os.WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", []byte("1"), 0)
		}))
	}
}

func prefixes(list ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

func hardwareAddr(t testing.TB, h *netlab.Host, ifname string) net.HardwareAddr {
	t.Helper()
	link, err := h.Netlink().LinkByName(ifname)
	check(t, err)
	return link.Attrs().HardwareAddr
}

// ping sends a few echo requests, of which each must be answered.
func ping(t testing.TB, from *netlab.Host, dst string) {
	t.Helper()
	const count = 3
	rtts, err := from.Ping(within(t), ip(dst), count, 56)
	if err != nil || len(rtts) != count {
		t.Errorf("%d of %d echo requests were answered: %v", len(rtts), count, err)
	}
}

// capture records what match likes on an interface until the test ends.
func capture(t testing.TB, h *netlab.Host, ifname string, match func(netlab.Frame) bool) *netlab.Capture {
	t.Helper()
	c, err := h.Capture(ifname, match)
	check(t, err)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}
