package underlay_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/dataplane/underlay"
	"github.com/vxtap/vxtap/encap"
)

// Underlay addresses of both ends, and groups that are there for such uses (RFC 2365
// section 6.1; RFC 4291 section 2.7, with site-local and link-local scope).
var groupCases = []struct{ here, there, group string }{
	{"10.7.0.1", "10.7.0.2", "239.1.1.1"},
	{"fd07::1", "fd07::2", "ff05::42"},
	{"fd07::1", "fd07::2", "ff02::42"},
}

// everything collects what a socket receives until it is closed.
func everything(s *underlay.Socket) <-chan string {
	heard := make(chan string, 1000)
	go func() {
		defer close(heard)
		for {
			one := []encap.Datagram{{Data: make([]byte, 1<<16)}}
			if _, err := s.Recv(one); err != nil {
				return
			}
			heard <- string(one[0].Data)
		}
	}()
	return heard
}

// A group is heard once, by those who are in it and while they are, beside what comes to
// the VTEP's own address; who sends does not hear itself. A receiver that waits notices.
func TestGroup(t *testing.T) {
	for _, c := range groupCases {
		t.Run(c.group, func(t *testing.T) {
			inNamespace(t)
			inside := peer(t, []string{"10.7.0.1/24", "fd07::1/64"}, []string{"10.7.0.2/24", "fd07::2/64"})
			at := func(a string) underlay.Config {
				return underlay.Config{Local: netip.AddrPortFrom(netip.MustParseAddr(a), 4789)}
			}
			a := open(t, at(c.here))
			var b *underlay.Socket
			var there *underlay.Membership
			var err error
			inside(func() {
				b = open(t, at(c.there))
				there, err = b.Join(netip.MustParseAddr(c.group), "u0")
			})
			if err != nil {
				t.Fatal(err)
			}
			hereHears, thereHears := everything(a), everything(b)
			to := netip.AddrPortFrom(netip.MustParseAddr(c.group), 4789)
			say := func(from *underlay.Socket, text string, to netip.AddrPort) {
				send(t, from, encap.Datagram{Data: []byte(text), Remote: to, Interface: there.Interface, Source: 3, TTL: 1})
			}
			next := func(heard <-chan string, want string) {
				t.Helper()
				select {
				case got := <-heard:
					if got != want {
						t.Errorf("heard %q, not %q", got, want)
					}
				case <-time.After(patience):
					t.Fatalf("never heard %q", want)
				}
			}
			deliverFirst(t, a, encap.Datagram{Remote: to, Interface: there.Interface}, thereHears)
			deliverFirst(t, b, encap.Datagram{Remote: a.Local()}, hereHears)

			// Not in it yet, then once although joined twice, then not any more.
			say(b, "early", to)
			say(b, "unicast", a.Local())
			next(hereHears, "unicast")
			var here [2]*underlay.Membership
			for i := range here {
				if here[i], err = a.Join(netip.MustParseAddr(c.group), "u0"); err != nil {
					t.Fatal(err)
				}
			}
			deliverFirst(t, b, encap.Datagram{Remote: to, Interface: there.Interface}, hereHears)
			for i := range 3 {
				say(b, fmt.Sprint("group ", i), to)
				next(hereHears, fmt.Sprint("group ", i))
				say(b, "unicast", a.Local())
				next(hereHears, "unicast")
			}
			say(a, "mine", to)
			next(thereHears, "mine")
			if err := errors.Join(here[0].Leave(), here[0].Leave()); err != nil {
				t.Error(err)
			}
			say(b, "one is left", to)
			next(hereHears, "one is left")
			if err := here[1].Leave(); err != nil {
				t.Error(err)
			}
			say(b, "late", to)
			say(b, "last", a.Local())
			next(hereHears, "last")
		})
	}
}

// deliverFirst sends to an address until something arrives, and then reads to the end of
// it: a kernel may lose the first datagrams on an interface that has just come up.
func deliverFirst(t *testing.T, from *underlay.Socket, d encap.Datagram, heard <-chan string) {
	t.Helper()
	limit := time.After(patience)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	sent, arrived := 0, false
	for {
		if !arrived {
			sent++
			d.Data = fmt.Append(nil, "first ", sent)
			_, _ = from.Send([]encap.Datagram{d}) // there may be no route yet
		}
		select {
		case got := <-heard:
			arrived = true
			if got == fmt.Sprint("first ", sent) {
				return
			}
		case <-again.C:
		case <-limit:
			t.Fatalf("%v is not reached", d.Remote)
		}
	}
}

func TestGroupRefusals(t *testing.T) {
	inNamespace(t)
	local := netip.MustParseAddrPort("127.0.0.1:0")
	s := open(t, underlay.Config{Local: local})
	for _, device := range []string{"nosuch0", "lo"} {
		if _, err := s.Join(netip.MustParseAddr("239.1.1.1"), device); err == nil {
			t.Errorf("joined on %s", device)
		}
	}
	portable := open(t, underlay.Config{Local: local, Portable: true})
	if err := portable.AllowNoChecksum(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("the portable driver without checksums: %v", err)
	}
	s.Close()
	if err := s.AllowNoChecksum(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// Datagrams without a checksum leave from ports of their own, beside those that have one.
func TestNoChecksum(t *testing.T) {
	for _, c := range groupCases[:2] {
		inNamespace(t)
		inside := peer(t, []string{"10.7.0.1/24", "fd07::1/64"}, []string{"10.7.0.2/24", "fd07::2/64"})
		a := open(t, underlay.Config{Local: netip.AddrPortFrom(netip.MustParseAddr(c.here), 4789)})
		var b *underlay.Socket
		inside(func() { b = open(t, underlay.Config{Local: netip.AddrPortFrom(netip.MustParseAddr(c.there), 4789)}) })
		bare := encap.Datagram{Data: []byte("bare"), Remote: b.Local(), NoChecksum: true, Source: 2}
		if _, err := a.Send([]encap.Datagram{bare}); !errors.Is(err, unix.EINVAL) {
			t.Errorf("sent without a checksum before it was allowed: %v", err)
		}
		for range 2 {
			if err := a.AllowNoChecksum(); err != nil {
				t.Fatal(err)
			}
		}
		var bareSums, fullSums atomic.Int64
		watchChecksums(t, inside, func(sum uint16) {
			if sum == 0 {
				bareSums.Add(1)
			} else {
				fullSums.Add(1)
			}
		})
		deliver(t, a, b, encap.Datagram{Data: []byte("summed"), Remote: b.Local(), Source: 2})
		got := deliver(t, a, b, bare)
		for _, port := range a.SourcePorts() {
			if got.Remote.Port() == port {
				t.Errorf("%s: without a checksum it came from %v", c.here, got.Remote)
			}
		}
		limit := time.Now().Add(patience)
		for bareSums.Load() == 0 || fullSums.Load() == 0 {
			if time.Now().After(limit) {
				t.Fatalf("%s: %d datagrams without a checksum on the wire, %d with one", c.here, bareSums.Load(), fullSums.Load())
			}
		}
		bare.SegmentSize, bare.Data = 2, []byte("train")
		if n, err := a.Send([]encap.Datagram{bare}); n != 0 || err == nil {
			t.Errorf("%s: a train without checksums was sent", c.here)
		}
	}
}

// watchChecksums tells the UDP checksum of every datagram to port 4789 that comes in on
// the far side.
func watchChecksums(t *testing.T, inside func(func()), tell func(uint16)) {
	t.Helper()
	var fd int
	var err error
	inside(func() {
		all := uint16(unix.ETH_P_ALL)
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, int(all<<8|all>>8))
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop); <-done; unix.Close(fd) })
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 50_000}); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(done)
		packet := make([]byte, 1<<16)
		for {
			select {
			case <-stop:
				return
			default:
			}
			n, _, err := unix.Recvfrom(fd, packet, 0)
			header := 20
			if err != nil || n < 28 {
				continue
			}
			if packet[0]>>4 == 6 {
				header = min(40, n)
			}
			if udp := packet[header:n]; len(udp) >= 8 && udp[2] == 4789>>8 && udp[3] == 4789&0xff {
				tell(uint16(udp[6])<<8 | uint16(udp[7]))
			}
		}
	}()
}
