package dataplane_test

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/dataplane/mem"
)

var everywhere = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}

// A path that was narrow is forgotten once its route is another, and only then.
func TestRerouted(t *testing.T) {
	for _, sealed := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var told []string
			events := func(e dataplane.Event) { told = append(told, fmt.Sprintf("%d %v", e.PathMTU, e.Rerouted)) }
			a, b, paths := lowered(t, setup{events: events, network: networkConfig{Sealed: sealed}})
			narrow := "10.9.0.2:1400 "
			expect := func(what, want string) {
				t.Helper()
				synctest.Wait()
				if got := mtus(a); got != want {
					t.Errorf("sealed %v, %s: %q, not %q", sealed, what, got, want)
				}
			}
			expect("at first", narrow)
			a.vtep.RoutesChanged(everywhere)
			expect("the same way", narrow)
			paths.SetWay(b.addr.Addr(), "via another")
			a.vtep.RoutesChanged([]netip.Prefix{netip.MustParsePrefix("10.9.1.0/24")})
			expect("other destinations", narrow)
			a.vtep.RoutesChanged([]netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("10.9.0.0/24")})
			expect("another way", "")
			big := ofSize(t, a, b, false, 1400)
			a.port.send(t, big)
			b.port.expect(t, big)

			paths.Report(refused(a, b, 1300))
			expect("a router there", "10.9.0.2:1300 ")
			a.vtep.RoutesChanged(everywhere)
			expect("the same way again", "10.9.0.2:1300 ")
			paths.SetWay(b.addr.Addr(), "via a narrow interface")
			paths.SetMTU(b.addr.Addr(), 1250)
			a.vtep.RoutesChanged(everywhere)
			expect("what the system knows of the way", "10.9.0.2:1250 ")
			if got, want := fmt.Sprint(told), "[1400 false 0 true 1300 false 0 true 1250 false]"; got != want {
				t.Errorf("told %s, not %s", got, want)
			}
			a.conserved(t)
			b.conserved(t)
		})
	}
}

// The MTU of the interface can change: SYNs announce what fits it now, and reports of paths
// are plausible below it.
func TestSetMTU(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire, paths := newWire(), mem.NewPaths()
		cfg := flooding(remoteVTEP)
		cfg.MSSClamp = true
		a := newNode(t, wire, localVTEP, setup{network: cfg, paths: paths})
		b := newNode(t, wire, remoteVTEP, setup{network: flooding(localVTEP)})
		for _, mtu := range []int{1500, 9000, 1300, 1500} {
			a.vtep.SetMTU(mtu)
			a.port.send(t, synOf(t, a, b, false, true))
			synctest.Wait()
			checkMSS(t, b.port.received(), min(mtu-50-40, 8960))
		}
		a.vtep.SetMTU(9000)
		paths.Report(refused(a, b, 1500))
		synctest.Wait()
		if got := mtus(a); got != "10.9.0.2:1500 " {
			t.Errorf("paths %q", got)
		}
	})
}
