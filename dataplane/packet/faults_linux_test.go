package packet_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/dataplane/netlab/faults"
	"github.com/vxtap/vxtap/dataplane/packet"
)

// scenarios make a port of an interface, in a child of this test binary.
var scenarios = map[string]func() (faults.Scenario, error){
	"whole": func() (faults.Scenario, error) { return makePort("br0"), addBridge("br0") },
	"VLAN":  func() (faults.Scenario, error) { return makePort("br0.100"), addBridge("br0") },
}

func addBridge(name string) error {
	b := &netlink.Bridge{LinkAttrs: linkAttrs(name)}
	return errors.Join(netlink.LinkAdd(b), netlink.LinkSetUp(b))
}

func makePort(device string) faults.Scenario {
	return func() (says string, err error) {
		d, err := packet.Open(packet.Config{Interface: device, Locals: []netip.Addr{hostIP.Addr()}, Queues: 2})
		if err != nil {
			return "", err
		}
		defer func() { err = errors.Join(err, d.Close()) }()
		drops, dropsErr := d.Drops()
		said := append(d.Notes(), fmt.Sprint(d.Name(), " ", d.MTU(), " drops ", drops, " ", dropsErr))
		for _, f := range d.Features() {
			said = append(said, fmt.Sprintf("%s %v", f.Name, f.Err))
		}
		return strings.Join(said, "\n"), nil
	}
}

// Whichever system call fails of those that make a port, either there is none and one line
// says why, or all but one thing works, which is said. Nothing is left behind.
func TestEveryCallFailsOnce(t *testing.T) {
	for name := range scenarios {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			outcomes, err := faults.Sweep(t.Context(), name, faults.Plausible, faults.Opening...)
			must(t, err)
			whole := outcomes[0]
			if whole.Err != "" || whole.Left != nil {
				t.Fatalf("without a fault: %q, left %q", whole.Err, whole.Left)
			}
			if len(outcomes) < 40 {
				t.Errorf("%d faults: there must be more", len(outcomes)-1)
			}
			for _, o := range outcomes[1:] {
				if fault := o.Fault(whole, quiet); fault != "" {
					t.Errorf("%v: %s", o, fault)
				}
			}
		})
	}
}

// quiet reports whether nothing need be said when a call fails.
func quiet(c faults.Call) bool {
	return c.Option(unix.SOL_SOCKET, unix.SO_RCVBUFFORCE) || // what came of it is read back
		c.Option(unix.SOL_SOCKET, unix.SO_SNDBUFFORCE) || // the kernel's own will do
		c.Option(unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING) || // the filter does the same
		c.Number == unix.SYS_EPOLL_CTL // by the runtime, of files that it cannot wait for
}

// serveFaults makes this process a scenario's if it is to be one.
func serveFaults() { faults.Serve(scenarios) }
