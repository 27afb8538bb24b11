package station_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/dataplane/station"
	"github.com/vxtap/vxtap/encap"
)

// Packets for elsewhere go to the router; a route that was given a moment ago holds, also
// for packets that wait; nobody is asked for an address beyond a router.
func TestRoutes(t *testing.T) {
	eachFamily(t, 1, func(b *bench, f family) {
		b.send(0, f.ours, f.away, "x")
		b.want(0, "the router is asked for", question(f, f.ours, f.router))
		if err := b.receive(tells(t, theirMAC, f.router, f.ours, true)); err != nil {
			t.Fatal(err)
		}
		b.want(0, "sent to it", theirMAC.String()+": x")
		b.move(func(a *station.Addressing) {
			a.Routes[0].Via, a.Routes[1].Via = ip("192.168.77.3"), ip("fd77::3")
		})
		elapse(6 * time.Second)
		b.send(0, f.ours, f.away, "y")
		b.want(0, "the new router is asked for", question(f, f.ours, f.other))
	})
	eachFamily(t, 1, func(b *bench, f family) {
		b.move(func(a *station.Addressing) { a.Routes = a.Routes[2:] })
		elapse(2 * time.Second)
		b.send(0, f.ours, f.other, "now it knows")
		b.readAll(0)
		if err := b.receive(tells(t, otherMAC, f.other, f.ours, true)); err != nil {
			t.Fatal(err)
		}
		b.readAll(0)
		elapse(2 * time.Second)
		b.move(func(*station.Addressing) {})
		b.send(0, f.ours, f.away, "x")
		b.send(0, f.ours, f.away, "y")
		b.want(0, "the router is asked for", question(f, f.ours, f.router))
		if err := b.receive(tells(t, theirMAC, f.router, f.ours, true)); err != nil {
			t.Fatal(err)
		}
		b.want(0, "both are sent to it", theirMAC.String()+": x", theirMAC.String()+": y")
	})
}

// An address that came a moment ago is answered for, and one that went is not. What cannot
// be read leaves all as it was.
func TestAddressesChange(t *testing.T) {
	eachFamily(t, 1, func(b *bench, f family) {
		ask := func(target netip.Addr) int {
			elapse(time.Second)
			if err := b.receive(asks(t, theirMAC, f.their, target, encap.Broadcast)); err != nil {
				t.Fatal(err)
			}
			return len(b.saying(0))
		}
		added := netip.PrefixFrom(f.other, f.other.BitLen())
		b.move(func(a *station.Addressing) { a.Addresses = append(a.Addresses, added) })
		if ask(f.other) != 1 {
			t.Error("nothing is said of a new address")
		}
		b.move(func(a *station.Addressing) { a.Addresses = nil }) // an error
		if ask(f.other) != 1 {
			t.Error("what was known is forgotten")
		}
		b.move(func(*station.Addressing) {})
		if ask(f.other) != 0 {
			t.Error("an address that went is answered for")
		}
	})
}

// Addresses are not read more than once a second, whoever asks how often.
func TestReadingsArePaced(t *testing.T) {
	inVirtualTime(t, 1, func(b *bench) {
		f := families[0]
		for range 100 {
			if err := b.receive(asks(t, theirMAC, f.their, f.other, encap.Broadcast)); err != nil {
				t.Fatal(err)
			}
			elapse(50 * time.Millisecond)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.readings < 4 || b.readings > 6 {
			t.Errorf("read %d times in five seconds", b.readings)
		}
	})
}

// The sender of a packet is the one who asks, if it is ours; for others' packets, an address
// of ours that its neighbour can answer.
func TestWhoAsks(t *testing.T) {
	inVirtualTime(t, 1, func(b *bench) {
		v4, v6 := families[0], families[1]
		b.send(0, v4.away, v4.their, "forwarded")
		b.want(0, "IPv4", question(v4, v4.ours, v4.their))
		b.send(0, v6.away, v6.their, "forwarded")
		b.want(0, "IPv6", question(v6, v6.ours, v6.their))
		b.send(0, v6.ours, ip("fe80::9"), "x")
		b.want(0, "link-local", question(v6, v6.ours, ip("fe80::9")))
		b.send(0, ip("fd99::1"), ip("fe80::8"), "x")
		b.want(0, "link-local, forwarded", question(v6, ip("fe80::1"), ip("fe80::8")))
		b.move(func(a *station.Addressing) { a.Addresses = []netip.Prefix{netip.MustParsePrefix("fe80::1/64")} })
		elapse(time.Second)
		b.send(0, v4.away, v4.other, "x")
		var asked string
		for _, s := range b.saying(0) {
			if strings.HasSuffix(s, "> 192.168.77.3") {
				asked = s
			}
		}
		if want := question(v4, netip.IPv4Unspecified(), v4.other); asked != want {
			t.Errorf("without an address: %q, want %q", asked, want)
		}
	})
}

// Offloads cross as they are, also where a packet has to wait.
func TestOffloadsCross(t *testing.T) {
	inVirtualTime(t, 1, func(b *bench) {
		f := families[0]
		o := encap.Offload{NeedsCSUM: true, CSUMStart: 34, CSUMOffset: 6}
		for range 2 {
			if !b.devices[0].Inject(packet(t, f.ours, f.their, "x"), o) {
				t.Fatal("the device has no room")
			}
			b.readAll(0)
			if err := b.receive(tells(t, theirMAC, f.their, f.ours, true)); err != nil {
				t.Fatal(err)
			}
		}
		if !b.devices[0].Inject(packet(t, f.ours, f.their, "x"), o) {
			t.Fatal("the device has no room")
		}
		for _, g := range b.readAll(0) {
			if g.offload != o {
				t.Errorf("offload %+v", g.offload)
			}
		}
		if got := b.Queues()[0].Offloads(); got != encap.OffloadCSUM|encap.OffloadTSO {
			t.Errorf("takes %v", got)
		}
	})
}

// A station that cannot be is refused in one line.
func TestNewRefuses(t *testing.T) {
	for _, c := range []station.Config{{}, {MAC: encap.Broadcast}, {MAC: ourMAC}} {
		if _, err := station.New(c); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1, mem.Refuse)
		q := []station.Packets{b.devices[0]}
		nobody := func() (station.Addressing, error) { return station.Addressing{}, errors.New("nobody tells") }
		if _, err := station.New(station.Config{MAC: ourMAC, Queues: q, Addressing: nobody}); err == nil {
			t.Error("a station without addressing is taken")
		}
	})
}

// A system that does not say for long which routes there are keeps nobody waiting for more
// than a moment: neighbours are asked for, and answers taken. Questions wait for it.
func TestBusySystem(t *testing.T) {
	eachFamily(t, 1, func(b *bench, f family) {
		elapse(2 * time.Second)
		busy := make(chan struct{})
		b.mu.Lock()
		b.busy = busy
		b.mu.Unlock()
		b.send(0, f.ours, f.their, "first")
		b.want(0, "it waits for a moment")
		elapse(100 * time.Millisecond)
		b.want(0, "a question", question(f, f.ours, f.their))
		if err := b.receive(tells(t, theirMAC, f.their, f.ours, true)); err != nil {
			t.Fatal(err)
		}
		b.want(0, "what waited", theirMAC.String()+": first")
		if err := b.receive(asks(t, otherMAC, f.other, f.ours, encap.Broadcast)); err != nil {
			t.Fatal(err)
		}
		b.want(0, "the question waits")
		close(busy)
		if got := b.saying(0); len(got) != 1 {
			t.Errorf("then it is answered with %q", got)
		}
	})
}
