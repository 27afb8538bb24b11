package station_test

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/vxtap/vxtap/dataplane/station"
	"github.com/vxtap/vxtap/encap"
)

// Nobody gets into the table who was not asked and did not ask us.
func TestJunkIsNotLearned(t *testing.T) {
	eachFamily(t, 1, func(b *bench, f family) {
		for _, said := range [][]byte{
			tells(t, theirMAC, f.their, f.ours, false),
			tells(t, theirMAC, f.their, f.ours, true),
			asks(t, theirMAC, f.their, f.other, encap.Broadcast),
			asks(t, encap.MAC{1}, f.their, f.ours, encap.Broadcast), // a group's
			asks(t, theirMAC, f.away, f.ours, encap.Broadcast),      // not on the link
			asks(t, theirMAC, f.ours, f.ours, encap.Broadcast),      // it has our address
		} {
			if err := b.receive(said); err != nil {
				t.Fatal(err)
			}
		}
		b.readAll(0)
		b.send(0, f.ours, f.their, "x")
		b.want(0, "a question", question(f, f.ours, f.their))
	})
}

// Who asks us is a neighbour: it need not be asked.
func TestWhoAsksIsKnown(t *testing.T) {
	eachFamily(t, 1, func(b *bench, f family) {
		if err := b.receive(asks(t, theirMAC, f.their, f.ours, encap.Broadcast)); err != nil {
			t.Fatal(err)
		}
		b.readAll(0)
		b.send(0, f.ours, f.their, "x")
		b.want(0, "sent at once", theirMAC.String()+": x")
	})
}

// Questions about our addresses are answered to who asked, and probes for duplicates; about
// others nothing is said.
func TestAnswers(t *testing.T) {
	inVirtualTime(t, 1, func(b *bench) {
		v4, v6 := families[0], families[1]
		local := ip("fe80::1")
		for _, c := range []struct {
			what string
			said []byte
			want []string
		}{
			{"IPv4", asks(t, theirMAC, v4.their, v4.ours, encap.Broadcast), []string{"02:00:00:00:00:02: ARP 2 192.168.77.1 > 192.168.77.2"}},
			{"IPv4, to us alone", asks(t, theirMAC, v4.their, v4.ours, ourMAC), []string{"02:00:00:00:00:02: ARP 2 192.168.77.1 > 192.168.77.2"}},
			{"IPv4, probe", asks(t, theirMAC, netip.Addr{}, v4.ours, encap.Broadcast), []string{"02:00:00:00:00:02: ARP 2 192.168.77.1 > 0.0.0.0"}},
			{"IPv4, of another", asks(t, theirMAC, v4.their, v4.other, encap.Broadcast), nil},
			{"IPv4, probe of another", asks(t, theirMAC, netip.Addr{}, v4.other, encap.Broadcast), nil},
			{"IPv4, announced", asks(t, theirMAC, v4.their, v4.their, encap.Broadcast), nil},
			{"IPv6", asks(t, theirMAC, v6.their, v6.ours, encap.Broadcast), []string{"02:00:00:00:00:02: NA fd77::1 > fd77::2: fd77::1 60"}},
			{"IPv6, to us alone", asks(t, theirMAC, v6.their, v6.ours, ourMAC), []string{"02:00:00:00:00:02: NA fd77::1 > fd77::2: fd77::1 60 without a MAC"}},
			{"IPv6, probe", asks(t, theirMAC, netip.Addr{}, v6.ours, encap.Broadcast), []string{"33:33:00:00:00:01: NA fd77::1 > ff02::1: fd77::1 20"}},
			{"IPv6, link-local", asks(t, theirMAC, ip("fe80::2"), local, encap.Broadcast), []string{"02:00:00:00:00:02: NA fe80::1 > fe80::2: fe80::1 60"}},
			{"IPv6, of another", asks(t, theirMAC, v6.their, v6.other, encap.Broadcast), nil},
			{"IPv6, probe of another", asks(t, theirMAC, netip.Addr{}, v6.other, encap.Broadcast), nil},
		} {
			if err := b.receive(c.said); err != nil {
				t.Errorf("%s: %v", c.what, err)
			}
			b.want(0, c.what, c.want...)
		}
		b.move(func(a *station.Addressing) { a.Router6 = true })
		elapse(time.Second)
		if err := b.receive(asks(t, theirMAC, v6.their, v6.ours, ourMAC)); err != nil {
			t.Fatal(err)
		}
		b.want(0, "a router", "02:00:00:00:00:02: NA fd77::1 > fd77::2: fd77::1 e0 without a MAC")
		if got := b.arrivals(); got != nil {
			t.Errorf("the device saw %q", got)
		}
	})
}

// A station that has nothing to say says nothing: it announces nothing when it comes.
func TestSilence(t *testing.T) {
	inVirtualTime(t, 1, func(b *bench) {
		elapse(time.Hour)
		b.want(0, "nothing")
	})
}

// Frames from the wire: packets for us and for groups reach the device, in their order; the
// rest is refused by name.
func TestWire(t *testing.T) {
	inVirtualTime(t, 1, func(b *bench) {
		f := families[0]
		to := func(mac encap.MAC, payload string) encap.Frame {
			data := packet(t, f.their, f.ours, payload)
			encap.Ethernet(data).SetDst(mac)
			encap.Ethernet(data).SetSrc(theirMAC)
			return encap.Frame{Data: data}
		}
		other := to(ourMAC, "")
		encap.Ethernet(other.Data).SetType(0x88cc)
		tagged := to(ourMAC, "")
		encap.Ethernet(tagged.Data).SetType(encap.EtherTypeVLAN)
		frames := []encap.Frame{
			to(ourMAC, "1"), to(encap.Broadcast, "2"), to(otherMAC, "3"), to(encap.MAC{1, 0, 0x5e}, "4"), other, tagged,
			{Data: asks(t, theirMAC, f.their, f.ours, encap.Broadcast)}, to(ourMAC, "5"), to(ourMAC, "6"), {Data: make([]byte, 5)},
		}
		var refused []error
		q := b.Queues()[0]
		for at := 0; at < len(frames); {
			n, err := q.Write(frames[at:])
			if at += n; err != nil {
				refused = append(refused, fmt.Errorf("%d: %w", at, err))
				at++
			}
		}
		want := []error{fmt.Errorf("2: %w", encap.RefusalOtherStation), fmt.Errorf("4: %w", encap.RefusalNotIP), fmt.Errorf("5: %w", encap.RefusalNotIP), fmt.Errorf("9: %w", encap.RefusalNotIP)}
		if fmt.Sprint(refused) != fmt.Sprint(want) {
			t.Errorf("refused %v", refused)
		}
		if got := fmt.Sprint(b.arrivals()); got != "[1 2 4 5 6]" {
			t.Errorf("the device has %v", got)
		}
		b.devices[0].Close()
		if n, err := q.Write(frames[:1]); n != 0 || err == nil {
			t.Errorf("took %d of a device that is gone", n)
		}
	})
}

// More letters than the clerk has room for are refused, while nobody reads its answers.
func TestLettersAreBounded(t *testing.T) {
	inVirtualTime(t, 1, func(b *bench) {
		f := families[0]
		busy := 0
		for range 1000 {
			if err := b.receive(asks(t, theirMAC, f.their, f.ours, encap.Broadcast)); err != nil {
				if !errors.Is(err, encap.RefusalBusy) {
					t.Fatal(err)
				}
				busy++
			}
		}
		answers := len(b.saying(0))
		if busy == 0 || busy+answers != 1000 {
			t.Errorf("%d refused, %d answered", busy, answers)
		}
	})
}

// Groups and broadcasts need no neighbour.
func TestGroups(t *testing.T) {
	inVirtualTime(t, 1, func(b *bench) {
		v4, v6 := families[0], families[1]
		for dst, want := range map[string]string{
			"255.255.255.255": "ff:ff:ff:ff:ff:ff", "192.168.77.255": "ff:ff:ff:ff:ff:ff", "224.0.0.251": "01:00:5e:00:00:fb", "239.129.2.3": "01:00:5e:01:02:03",
		} {
			b.send(0, v4.ours, ip(dst), "x")
			b.want(0, dst, want+": x")
		}
		for dst, want := range map[string]string{"ff02::1": "33:33:00:00:00:01", "ff05::1:2:3": "33:33:00:02:00:03"} {
			b.send(0, v6.ours, ip(dst), "x")
			b.want(0, dst, want+": x")
		}
	})
}

// What no packet can be made of is refused, and keeps nothing else from its way.
func TestNoPackets(t *testing.T) {
	inVirtualTime(t, 1, func(b *bench) {
		short := packet(t, ip("fd77::1"), ip("fd77::2"), "")[:encap.EthernetSize+39]
		none := make([]byte, 60)
		for _, data := range [][]byte{short, none} {
			if !b.devices[0].Inject(data, encap.Offload{}) {
				t.Fatal("the device has no room")
			}
		}
		b.send(0, ip("192.168.77.1"), ip("224.0.0.1"), "x")
		var got []encap.Refusal
		for _, f := range b.readAll(0) {
			got = append(got, f.refusal)
		}
		if fmt.Sprint(got) != fmt.Sprint([]encap.Refusal{encap.RefusalNotIP, encap.RefusalNotIP, encap.RefusalNone}) {
			t.Errorf("refusals %v", got)
		}
	})
}

// A packet for one host in a frame for all of them, or for a group, is taken by that host alone:
// whoever forwards it, or tells its sender of it, multiplies it.
func TestPacketsOfOthersInFramesForAll(t *testing.T) {
	eachFamily(t, 1, func(b *bench, f family) {
		frame := func(mac encap.MAC, dst netip.Addr) []byte {
			data := packet(t, f.their, dst, dst.String())
			encap.Ethernet(data).SetDst(mac)
			encap.Ethernet(data).SetSrc(theirMAC)
			return data
		}
		group := map[string]encap.MAC{"IPv4": {1, 0, 0x5e}, "IPv6": {0x33, 0x33}}[f.name]
		for _, dst := range []netip.Addr{f.other, f.away, f.their} {
			for _, mac := range []encap.MAC{encap.Broadcast, group} {
				if err := b.receive(frame(mac, dst)); !errors.Is(err, encap.RefusalOtherStation) {
					t.Errorf("to %v at %v: %v", dst, mac, err)
				}
			}
		}
		ours := []netip.Addr{f.ours, ip("192.168.77.255"), ip("255.255.255.255"), ip("224.0.0.1")}
		if f.name == "IPv6" {
			ours = []netip.Addr{f.ours, ip("ff02::1")}
		}
		for _, dst := range ours {
			if err := b.receive(frame(encap.Broadcast, dst)); err != nil {
				t.Errorf("to %v: %v", dst, err)
			}
		}
		if err := b.receive(frame(ourMAC, f.away)); err != nil { // who sends to us alone wants it forwarded
			t.Errorf("to us: %v", err)
		}
		b.arrivals()
		// An address that the interface has got is taken up after the first such frame.
		b.move(func(a *station.Addressing) {
			a.Addresses = append(a.Addresses, netip.PrefixFrom(f.away, f.away.BitLen()))
		})
		if err := b.receive(frame(encap.Broadcast, f.away)); err == nil {
			t.Error("a station knows of an address that nobody told it of: this test is to be looked at")
		}
		elapse(time.Second)
		if err := b.receive(frame(encap.Broadcast, f.away)); err != nil {
			t.Errorf("to a new address: %v", err)
		}
		if got := fmt.Sprint(b.arrivals()); got != fmt.Sprintf("[%v]", f.away) {
			t.Errorf("the device saw %s", got)
		}
		b.want(0, "nothing to say")
	})
}
