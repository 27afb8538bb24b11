package tap_test

import (
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/vxtap/vxtap/dataplane/tap"
	"github.com/vxtap/vxtap/encap"
)

// A device does not keep its namespace alive, which ends with the last that uses it, and
// the device with it. Whoever waits for frames is told.
func TestNamespaceEnds(t *testing.T) {
	for _, c := range []tap.Config{{}, {Queues: 2}, {Portable: true}} {
		h := newHost(t)
		d := h.open(c)
		r := newReader(t, d)
		if err := h.ns.Close(); err != nil {
			t.Fatal(err)
		}
		// Until then the kernel may have something to say for itself.
		if err := r.until(func(*encap.Frame) bool { return false }); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%+v: reading ends with %v", c, err)
		}
	}
}

// A device can be given the name of one that is where it is only made, and nobody finds
// anything there later.
func TestOpenElsewhere(t *testing.T) {
	for _, c := range []tap.Config{{}, {Queues: 2}, {Portable: true}} {
		here, there := newHost(t), newHost(t)
		other := func(name string) netlink.Link {
			return &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: name}}
		}
		here.do(func() error { return netlink.LinkAdd(other("vx42")) })
		there.do(func() error { return netlink.LinkAdd(other("vxtap0")) })
		c.Name, c.NetNS, c.Addresses, c.MAC = "vx42", there.path(), kernelIPs, kernelMAC
		here.do(func() error {
			d, err := tap.Open(c)
			if err != nil {
				return err
			}
			t.Cleanup(func() { d.Close() })
			checkReceives(t, there, d)
			return nil
		})
		here.wantLinks("lo", "vx42")
		there.wantLinks("lo", "vxtap0", "vx42")
		there.wantAddresses("vx42")

		c.Name, c.Addresses = "", nil // the system's choice
		here.do(func() error {
			d, err := tap.Open(c)
			if err != nil {
				return err
			}
			if !strings.HasPrefix(d.Name(), "tap") || !there.hasLink(d.Name()) {
				t.Errorf("%+v: it is called %s", c, d.Name())
			}
			return d.Close()
		})
	}
}

// What the system refuses there leaves nothing behind, neither there nor here.
func TestOpenElsewhereFails(t *testing.T) {
	for _, portable := range []bool{false, true} {
		here, there := newHost(t), newHost(t)
		there.do(func() error {
			return netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "vx42"}})
		})
		here.do(func() error {
			_, err := tap.Open(tap.Config{Name: "vx42", NetNS: there.path(), Portable: portable})
			if !errors.Is(err, tap.ErrExists) {
				t.Errorf("portable %v: %v", portable, err)
			}
			return nil
		})
		here.wantLinks("lo")
		there.wantLinks("lo", "vx42")
	}
}
