package underlay_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/dataplane/netlab/faults"
	"github.com/vxtap/vxtap/dataplane/underlay"
)

// scenarios open all that there is of an underlay, in a child of this test binary.
var scenarios = map[string]func() (faults.Scenario, error){
	"v4": func() (faults.Scenario, error) { return openAll(v4, netip.MustParseAddr("239.1.1.1")), withDevices() },
	"v6": func() (faults.Scenario, error) { return openAll(v6, netip.MustParseAddr("ff05::1")), withDevices() },
}

// withDevices brings lo up in this thread's namespace, and br0, which takes multicast.
func withDevices() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	br := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}}
	return errors.Join(netlink.LinkSetUp(lo), netlink.LinkAdd(br), netlink.LinkSetUp(br))
}

func openAll(local, group netip.Addr) faults.Scenario {
	return func() (says string, err error) {
		queues, err := underlay.OpenQueues(underlay.Config{Local: netip.AddrPortFrom(local, 4789), Sources: 2}, 2)
		if err != nil {
			return "", err
		}
		defer func() {
			for _, q := range queues {
				err = errors.Join(err, q.Close())
			}
		}()
		paths, err := underlay.OpenPaths(queues)
		if err != nil {
			return "", err
		}
		defer paths.Close()
		watch, err := underlay.OpenWatch(queues, paths)
		if err != nil {
			return "", err
		}
		defer watch.Close()
		member, err := queues[0].Join(group, "br0")
		if err != nil {
			return "", err
		}
		defer func() { err = errors.Join(err, member.Leave()) }()
		for _, q := range queues {
			if err := q.AllowNoChecksum(); err != nil {
				return "", err
			}
		}
		return describe(queues, paths) + fmt.Sprintf("\nstate %+v", watch.State()), nil
	}
}

// describe is what vxtap show would say.
func describe(queues []*underlay.Socket, paths *underlay.Paths) string {
	var said []string
	for _, q := range queues {
		got, wanted := q.ReceiveBuffer()
		said = append(said, fmt.Sprint("port ", q.Local().Port(), " sources ", q.Sources(), " buffer ", got, " of ", wanted))
		for _, f := range q.Features() {
			said = append(said, fmt.Sprintf("%s %v", f.Name, f.Err))
		}
	}
	f := paths.Feature()
	return strings.Join(append(said, fmt.Sprintf("%s %v", f.Name, f.Err)), "\n")
}

// quiet reports whether nothing need be said when a call fails.
func quiet(c faults.Call) bool {
	for _, o := range quietOptions {
		if c.Option(o.level, o.option) {
			return true
		}
	}
	const remove = 2                    // EPOLL_CTL_DEL, by the runtime, of what is closed next
	return c.Number == unix.SYS_BIND || // of a source port: another is taken
		c.Number == unix.SYS_SENDTO || c.Number == unix.SYS_RECVFROM || // of listings, which are asked for again
		c.Number == unix.SYS_GETSOCKNAME || // by package net, which can do without
		c.Number == unix.SYS_EPOLL_CTL && c.Args[1] == remove
}

var quietOptions = []struct{ level, option int }{
	// Falls back to what anybody may have, which is told.
	{unix.SOL_SOCKET, unix.SO_SNDBUFFORCE}, {unix.SOL_SOCKET, unix.SO_SNDBUF}, {unix.SOL_SOCKET, unix.SO_RCVBUFFORCE},
	// Datagrams of our own come back, and are refused.
	{unix.IPPROTO_IP, unix.IP_MULTICAST_LOOP}, {unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_LOOP},
	// A VRF that the sockets are in is then said to be one that they are not in.
	{unix.SOL_SOCKET, unix.SO_BINDTODEVICE},
	// Of nexthops, of which older kernels do not tell.
	{unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP},
	// Read for the last time when a socket is closed.
	{unix.SOL_SOCKET, unix.SO_MEMINFO}, {unix.SOL_SOCKET, unix.SO_RCVBUF},
}

// Whichever system call fails of those that open sockets, either nothing is opened and
// one line says why, or all but one feature works, which says so. Nothing is left behind.
func TestEveryCallFailsOnce(t *testing.T) {
	for name := range scenarios {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			outcomes, err := faults.Sweep(t.Context(), name, faults.Plausible, faults.Opening...)
			if err != nil {
				t.Fatal(err)
			}
			whole := outcomes[0]
			if whole.Err != "" || whole.Left != nil {
				t.Fatalf("without a fault: %q, left %q", whole.Err, whole.Left)
			}
			for _, o := range outcomes[1:] {
				if o.Err == "" && !strings.HasPrefix(o.Says, "port 4789 ") {
					t.Errorf("%v: says\n%s", o, o.Says)
				}
				if fault := o.Fault(whole, quiet); fault != "" {
					t.Errorf("%v: %s", o, fault)
				}
			}
			if len(outcomes) < 200 {
				t.Errorf("%d calls: there must be more", len(outcomes)-1)
			}
			t.Logf("%d faults", len(outcomes)-1)
		})
	}
}

// serveFaults makes this process a scenario's if it is to be one.
func serveFaults() { faults.Serve(scenarios) }
