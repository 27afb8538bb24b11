package dataplane_test

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

// fragmented notes of what an underlay sends whether it may be fragmented.
type fragmented struct {
	mu   sync.Mutex
	list []bool
}

type fragmenting struct {
	*mem.Underlay
	to *fragmented
}

func (r *fragmented) wrap(u dataplane.Underlay) dataplane.Underlay {
	return &fragmenting{u.(*mem.Underlay), r}
}

func (r *fragmenting) Send(dgrams []encap.Datagram) (int, error) {
	r.to.mu.Lock()
	defer r.to.mu.Unlock()
	for i := range dgrams {
		r.to.list = append(r.to.list, dgrams[i].MayFragment)
	}
	return r.Underlay.Send(dgrams)
}

// expect compares with what was sent since the last time.
func (r *fragmented) expect(t testing.TB, want ...bool) {
	t.Helper()
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if fmt.Sprint(r.list) != fmt.Sprint(want) {
		t.Errorf("may be fragmented: %v, want %v", r.list, want)
	}
	r.list = nil
}

// However narrow a path is, or is said to be: what hosts need not make smaller passes, in
// fragments if it must, and of larger packets they are told what does.
func TestNarrowestPathCarries(t *testing.T) {
	for _, least := range []struct {
		ipv6  bool
		bytes int
	}{{false, encap.MinTold}, {true, encap.MinMTU6}} {
		for _, sealed := range []bool{false, true} {
			for tags := range 3 {
				t.Run(fmt.Sprintf("IPv6 %v/sealed %v/%d tags", least.ipv6, sealed, tags), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { carriesLeast(t, least.ipv6, sealed, tags, least.bytes) })
				})
			}
		}
	}
}

func carriesLeast(t *testing.T, ipv6, sealed bool, tags, least int) {
	var sent fragmented
	a, b, paths := lowered(t, setup{network: networkConfig{Sealed: sealed}, wrap: sent.wrap})
	a.port.send(t, ofSize(t, a, b, ipv6, 100))
	pass(time.Second) // for the session
	b.port.received()
	paths.Report(refused(a, b, 0))
	synctest.Wait()
	sent.list = nil
	small, good, big := ofSize(t, a, b, ipv6, 400), ofSize(t, a, b, ipv6, least), ofSize(t, a, b, ipv6, least+1)
	for range tags {
		for _, f := range []*[]byte{&small, &good, &big} {
			*f = append(append(append([]byte{}, (*f)[:12]...), 0x81, 0, 0, 5), (*f)[12:]...)
		}
	}
	a.port.send(t, small)
	a.port.send(t, good)
	b.port.expect(t, small, good)
	sent.expect(t, false, true)
	a.port.send(t, big)
	b.port.expect(t)
	if mtu := answerMTU(t, a.port.received()); mtu != least {
		t.Errorf("told of an MTU of %d, want %d", mtu, least)
	}
	f := flowOf(a.mac, b.mac, ipv6)
	f.tcp = true
	mss := least - 40
	if ipv6 {
		mss -= 20
	}
	if tags == 0 {
		super := f.frame(t, pattern(5*mss))
		a.port.inject(t, super, partial(super, mss))
		synctest.Wait()
		if n := len(b.port.received()); n == 0 {
			t.Error("a superframe did not pass")
		}
	}
	a.conserved(t)
}

// Of plain frames that leave from ports of their own, a report that quotes the listening
// port tells nothing: that port can be guessed.
func TestReportsOfTheListeningPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen recorder
		wire, paths := newWire(), mem.NewPaths()
		a := newNode(t, wire, localVTEP, setup{network: flooding(remoteVTEP), paths: paths, underlay: mem.UnderlayConfig{Sources: 4}, wrap: seen.wrap})
		r := encap.PathReport{Local: a.addr, Remote: mustAddrPort("10.9.0.2:4789"), Size: 1500, MTU: narrowMTU}
		paths.Report(r)
		synctest.Wait()
		if got := mtus(a); got != "" {
			t.Errorf("believed of the listening port: %s", got)
		}
		r.Local = netip.AddrPortFrom(a.addr.Addr(), mem.SourcePortBase)
		paths.Report(r)
		synctest.Wait()
		if got := mtus(a); got != "10.9.0.2:1400 " {
			t.Errorf("not believed of another: %s", got)
		}
		pass(10*time.Minute + time.Second)
		r.Local, r.MTU, r.Head = a.addr, 1420, [encap.PathReportHead]byte(seen.all()[0])
		paths.Report(r)
		synctest.Wait()
		if got := mtus(a); got != "10.9.0.2:1420 " {
			t.Errorf("not believed of a probe: %s", got)
		}
	})
}
