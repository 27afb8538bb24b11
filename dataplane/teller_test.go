package dataplane_test

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

// stuck is a listener that takes nothing more after the first event until it is let go.
type stuck struct {
	heard
	letGo chan struct{}
}

func (s *stuck) event(e dataplane.Event) {
	s.heard.event(e)
	<-s.letGo
}

// While a listener does not return from an event, MACs are learned and age, paths are kept,
// and ports that fail are taken out. When it does, it hears of failures, and how much else there
// was.
func TestStuckListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stuck{letGo: make(chan struct{})}
		wire, paths := newWire(), mem.NewPaths()
		a := newNode(t, wire, localVTEP, setup{network: flooding(remoteVTEP), paths: paths, events: s.event})
		extra := a.addPort(t, "extra", station(7), mem.PortConfig{})
		b := newStranger(t, wire, remoteVTEP)
		remote := b.Addr()
		const lowerings = 400
		for i := range lowerings {
			paths.Report(encap.PathReport{Local: a.addr, Remote: remote, Size: 1500, MTU: 1499 - i})
			if i%50 == 49 {
				pass(time.Second) // or they are too many
			}
		}
		must(t, extra.close())
		synctest.Wait()
		b.say(t, a, encap.Datagram{Data: vxlan(toAll(station(1)))})
		if n := a.network.Stats().Learned; n != 1 || len(s.events()) != 1 {
			t.Errorf("%d MACs learned, %d events heard", n, len(s.events()))
		}
		if a.network.HasPort("extra") {
			t.Error("a port that failed is still there")
		}
		pass(6 * time.Minute)
		if n := a.network.Stats().Learned; n != 0 {
			t.Errorf("%d MACs left", n)
		}
		close(s.letGo)
		synctest.Wait()
		var missed, told, last int
		failed := ""
		for _, e := range s.events() {
			if e.Port != "" {
				failed += e.Port
				continue
			}
			told++
			missed += int(e.Missed)
			last = e.PathMTU
		}
		if told+missed != lowerings || missed == 0 || last != 1500-lowerings || failed != "extra" {
			t.Errorf("%d told, %d missed of %d, the last %d; %q failed", told, missed, lowerings, last, failed)
		}
	})
}

// Close does not wait for such a listener, and others hear all that there is.
func TestCloseWithStuckListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stuck{letGo: make(chan struct{})}
		a, _, paths := lowered(t, setup{events: s.event})
		paths.Report(encap.PathReport{Local: a.addr, Remote: netip.MustParseAddrPort("10.9.0.2:4789"), Size: 1500, MTU: 1300})
		synctest.Wait()
		began := time.Now() // in virtual time
		must(t, a.vtep.Close())
		if took := time.Since(began); took > time.Minute {
			t.Errorf("Close took %v", took)
		}
		if n := len(s.events()); n != 1 {
			t.Errorf("%d events heard", n)
		}
		close(s.letGo)

		var slow heard
		c, _, paths := lowered(t, setup{events: func(e dataplane.Event) {
			time.Sleep(100 * time.Millisecond)
			slow.event(e)
		}})
		paths.Report(encap.PathReport{Local: c.addr, Remote: netip.MustParseAddrPort("10.9.0.2:4789"), Size: 1500, MTU: 1300})
		paths.Report(encap.PathReport{Local: c.addr, Remote: netip.MustParseAddrPort("10.9.0.2:4789"), Size: 1500, MTU: 1200})
		must(t, c.vtep.Close())
		mtus := ""
		for _, e := range slow.events() {
			mtus += fmt.Sprint(e.PathMTU, " ")
		}
		if mtus != "1400 1300 1200 " && mtus != "1400 1300 " { // the last may come too late
			t.Errorf("heard of %s", mtus)
		}
	})
}
