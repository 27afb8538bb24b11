package tap_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/dataplane/netlab/faults"
	"github.com/vxtap/vxtap/dataplane/tap"
	"github.com/vxtap/vxtap/encap"
)

// scenarios make a TAP or TUN and what watches it, in a child of this test binary.
var scenarios = map[string]func() (faults.Scenario, error){
	"here":  func() (faults.Scenario, error) { return makeDevice("", false), nil },
	"there": func() (faults.Scenario, error) { ns, err := otherNamespace(); return makeDevice(ns, false), err },
	"TUN":   func() (faults.Scenario, error) { return makeDevice("", true), nil },
}

// otherNamespace makes a network namespace that lives as long as this process, and returns
// its path.
func otherNamespace() (string, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	if err != nil {
		return "", err
	}
	defer home.Close()
	other, err := netns.New()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), other), netns.Set(home)
}

func makeDevice(ns string, tun bool) faults.Scenario {
	return func() (says string, err error) {
		d, err := tap.Open(tap.Config{
			Name: "vx42", MTU: 1450, MAC: encap.MAC{0x02, 0x42, 10, 9, 0, 1}, NetNS: ns, TUN: tun, Queues: 2,
			Addresses: []netip.Prefix{netip.MustParsePrefix("192.168.77.1/24"), netip.MustParsePrefix("192.168.78.1/24")},
		})
		if err != nil {
			return "", err
		}
		defer func() { err = errors.Join(err, d.Close()) }()
		p, err := tap.NewPoller()
		if err != nil {
			return "", err
		}
		defer p.Close()
		for i, q := range d.Queues() {
			if err := p.Add(q.FD(), i); err != nil {
				return "", err
			}
		}
		if err := d.SetMTU(1400); err != nil {
			return "", err
		}
		drops, dropsErr := d.Drops()
		said := []string{fmt.Sprint(d.Name(), " ", d.MAC(), " ", d.MTU(), " drops ", drops, " ", dropsErr)}
		for _, f := range d.Features() {
			said = append(said, fmt.Sprintf("%s %v", f.Name, f.Err))
		}
		return strings.Join(said, "\n"), nil
	}
}

// Whichever system call fails of those that make a device, either there is none and one
// line says why, or all but one feature works, which says so. Nothing is left behind: no
// device, descriptor, goroutine, or thread in the device's namespace.
func TestEveryCallFailsOnce(t *testing.T) {
	for name := range scenarios {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			outcomes, err := faults.Sweep(t.Context(), name, waysToFail, faults.Opening...)
			if err != nil {
				t.Fatal(err)
			}
			whole := outcomes[0]
			if whole.Err != "" || whole.Left != nil {
				t.Fatalf("without a fault: %q, left %q", whole.Err, whole.Left)
			}
			if len(outcomes) < 100 {
				t.Errorf("%d faults: there must be more", len(outcomes)-1)
			}
			unsaid := map[string]int{}
			for _, o := range outcomes[1:] {
				switch fault := o.Fault(whole, quiet); {
				case fault == "nothing is said" && isNetlink(o.Call):
					unsaid[o.String()]++
				case fault != "":
					t.Errorf("%v: %s", o, fault)
				}
			}
			for o, n := range unsaid {
				if n > mayBeUnsaid[name] { // of the hundred that there are
					t.Errorf("%s: %d times nothing is said: want some for each address that is waited for", o, n)
				}
			}
		})
	}
}

// mayBeUnsaid is how many netlink requests, about, may fail without a word: those that look
// whether an address can be used yet and, of a TUN, those by which it gets a link-local address
// and joins groups of solicitations, where the kernel lets it.
var mayBeUnsaid = map[string]int{"here": 6, "there": 6, "TUN": 15}

// waysToFail is one for each of the many calls that netlink needs, and all for the rest.
func waysToFail(c faults.Call) []unix.Errno {
	ways := faults.Plausible(c)
	if isNetlink(c) {
		return ways[:1]
	}
	return ways
}

// quiet reports whether nothing need be said when a call fails.
func quiet(c faults.Call) bool {
	const remove = 2                     // EPOLL_CTL_DEL, by the runtime, of what is closed next
	return c.Number == unix.SYS_SETNS || // on the way back: the thread ends then
		c.Number == unix.SYS_EPOLL_CTL && c.Args[1] == remove
}

// isNetlink reports whether a call may be one of those that look whether an address can be
// used yet. They only cut the wait short.
func isNetlink(c faults.Call) bool {
	switch c.Number {
	case unix.SYS_SOCKET, unix.SYS_BIND, unix.SYS_GETSOCKNAME, unix.SYS_EPOLL_CTL, unix.SYS_SENDTO, unix.SYS_RECVFROM:
		return true
	}
	return false
}

// serveFaults makes this process a scenario's if it is to be one.
func serveFaults() { faults.Serve(scenarios) }
