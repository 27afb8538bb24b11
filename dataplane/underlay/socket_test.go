package underlay_test

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/vxtap/vxtap/dataplane/underlay"
	"github.com/vxtap/vxtap/encap"
)

// pattern is n bytes of which no two stretches are the same for long.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i) ^ byte(i>>8)*31
	}
	return b
}

func TestPayloadArrivesUnchanged(t *testing.T) {
	each(t, func(t *testing.T, s setup) {
		a, b := open(t, s.config()), open(t, s.config())
		rapid.Check(t, func(r *rapid.T) {
			var dgrams []encap.Datagram
			var want [][]byte
			for range rapid.IntRange(1, 3).Draw(r, "datagrams") {
				payload := pattern(rapid.IntRange(0, 20000).Draw(r, "size"))
				d := encap.Datagram{Remote: b.Local(), Source: encap.SourceListen}
				cut := rapid.IntRange(0, len(payload)).Draw(r, "first")
				d.Data = payload[:cut]
				for rest := payload[cut:]; len(rest) > 0; {
					cut := rapid.IntRange(min(len(rest), 500), len(rest)).Draw(r, "slice")
					d.More = append(d.More, rest[:cut])
					rest = rest[cut:]
				}
				dgrams, want = append(dgrams, d), append(want, payload)
			}
			send(t, a, dgrams...)
			for i, got := range receive(t, b, len(dgrams)) {
				if !bytes.Equal(got.Data, want[i]) {
					r.Fatalf("datagram %d: %d bytes arrived of %d, or others", i, len(got.Data), len(want[i]))
				}
				if got.Remote != a.Local() || got.Truncated || got.SegmentSize != 0 || got.More != nil {
					r.Fatalf("datagram %d arrived as %+v", i, got)
				}
			}
		})
	})
}

// More datagrams than a batch, from sources in turn, arrive once each and in order.
func TestManyDatagrams(t *testing.T) {
	each(t, func(t *testing.T, s setup) {
		a, b := open(t, s.config()), open(t, s.config())
		dgrams := make([]encap.Datagram, 3*underlay.Batch+1)
		for i := range dgrams {
			dgrams[i] = encap.Datagram{Data: []byte{byte(i)}, Remote: b.Local(), Source: uint8(i / 3 % a.Sources())}
		}
		send(t, a, dgrams...)
		for i, got := range receive(t, b, len(dgrams)) {
			if !bytes.Equal(got.Data, dgrams[i].Data) || got.Remote.Port() != a.SourcePorts()[dgrams[i].Source] {
				t.Fatalf("datagram %d is %x from port %d", i, got.Data, got.Remote.Port())
			}
		}
	})
}

func TestSourcePorts(t *testing.T) {
	each(t, func(t *testing.T, s setup) {
		a, b := open(t, s.config()), open(t, s.config())
		ports := a.SourcePorts()
		if a.Sources() != 4 || len(ports) != 4 {
			t.Fatalf("%d sources on ports %v, want 4", a.Sources(), ports)
		}
		for i, port := range ports {
			if port < 49152 || port == a.Local().Port() || slices.Contains(ports[:i], port) {
				t.Errorf("source %d has port %d of %v, listening on %v", i, port, ports, a.Local())
			}
			send(t, a, encap.Datagram{Remote: b.Local(), Source: uint8(i)})
			want := netip.AddrPortFrom(s.loopback, port)
			if got := receive(t, b, 1)[0].Remote; got != want {
				t.Errorf("source %d sends from %v, want %v", i, got, want)
			}
		}
	})
}

func TestNoSources(t *testing.T) {
	each(t, func(t *testing.T, s setup) {
		config := s.config()
		config.Sources = -1
		a, b := open(t, config), open(t, s.config())
		if a.Sources() != 0 {
			t.Errorf("%d sources, want none", a.Sources())
		}
		send(t, a, encap.Datagram{Remote: b.Local(), Source: 3})
		if got := receive(t, b, 1)[0].Remote; got != a.Local() {
			t.Errorf("sent from %v, want %v", got, a.Local())
		}
	})
}

// What is sent to a source port is nobody's, and disturbs nothing.
func TestSourcePortsAreNotHeard(t *testing.T) {
	each(t, func(t *testing.T, s setup) {
		a, b := open(t, s.config()), open(t, s.config())
		deaf := netip.AddrPortFrom(s.loopback, b.SourcePorts()[0])
		for range 1000 {
			send(t, a, encap.Datagram{Data: pattern(1000), Remote: deaf})
		}
		send(t, a, encap.Datagram{Data: []byte("heard"), Remote: b.Local()})
		if got := receive(t, b, 1)[0].Data; string(got) != "heard" {
			t.Errorf("received %q", got)
		}
		send(t, b, encap.Datagram{Data: []byte("answer"), Remote: a.Local(), Source: 0})
		if got := receive(t, a, 1)[0].Data; string(got) != "answer" {
			t.Errorf("received %q", got)
		}
	})
}

func TestHeaderFields(t *testing.T) {
	each(t, func(t *testing.T, s setup) {
		a := open(t, s.config())
		for _, portable := range []bool{false, true} {
			config := s.config()
			config.Portable = portable
			b := open(t, config)
			for _, want := range []encap.Datagram{
				{TOS: 0, TTL: 64}, {TOS: 1, TTL: 1}, {TOS: 2, TTL: 255}, {TOS: 3, TTL: 17},
				{TOS: 0xb8, TTL: 64}, {TOS: 0xff, TTL: 64}, {TOS: 0, TTL: 64},
			} {
				want.Remote, want.Source = b.Local(), 1
				send(t, a, want)
				got := receive(t, b, 1)[0]
				if !inForce(t, b, underlay.FeatureTOS) {
					want.TOS = 0
				}
				if got.TOS != want.TOS || got.TTL != want.TTL {
					t.Errorf("to the %s driver: TOS %#x TTL %d, want %#x and %d", b.Driver(), got.TOS, got.TTL, want.TOS, want.TTL)
				}
			}
			// After others, 0 is the system's own again.
			send(t, a, encap.Datagram{Remote: b.Local(), Source: 1})
			if got := receive(t, b, 1)[0]; got.TTL < 64 || got.TOS != 0 {
				t.Errorf("TTL 0 and TOS 0 arrive as %d and %#x", got.TTL, got.TOS)
			}
		}
	})
}

func TestTruncated(t *testing.T) {
	each(t, func(t *testing.T, s setup) {
		a, b := open(t, s.config()), open(t, s.config())
		for _, test := range []struct {
			sent, buffer int
			want         bool
		}{{100, 99, true}, {100, 100, false}, {100, 101, false}, {1, 0, true}, {0, 0, false}} {
			send(t, a, encap.Datagram{Data: pattern(test.sent), Remote: b.Local()})
			got := []encap.Datagram{{Data: make([]byte, test.buffer)}}
			if n, err := b.Recv(got); n != 1 || err != nil {
				t.Fatal(n, err)
			}
			if got[0].Truncated != test.want || !bytes.Equal(got[0].Data, pattern(min(test.sent, test.buffer))) {
				t.Errorf("%d bytes into %d: truncated %v, %d bytes", test.sent, test.buffer, got[0].Truncated, len(got[0].Data))
			}
		}
	})
}

// However a train is carried, its payload arrives in order and cut where it should be.
func TestTrain(t *testing.T) {
	each(t, func(t *testing.T, s setup) {
		a := open(t, s.config())
		payload := pattern(9*1000 + 400)
		for _, portable := range []bool{false, true} {
			config := s.config()
			config.Portable = portable
			b := open(t, config)
			send(t, a, encap.Datagram{
				Data: payload[:1234], More: [][]byte{payload[1234:5000], payload[5000:]},
				SegmentSize: 1000, Remote: b.Local(), TOS: 2, TTL: 33,
			})
			var whole []byte
			for len(whole) < len(payload) {
				got := receive(t, b, 1)[0]
				if got.SegmentSize != 1000 && len(got.Data) != min(1000, len(payload)-len(whole)) {
					t.Fatalf("at %d: %d bytes, segment size %d", len(whole), len(got.Data), got.SegmentSize)
				}
				if got.TTL != 33 {
					t.Errorf("at %d: TTL %d", len(whole), got.TTL)
				}
				whole = append(whole, got.Data...)
			}
			if !bytes.Equal(whole, payload) {
				t.Error("other bytes arrived")
			}
		}
	})
}

// A datagram that cannot be sent is reported with those before it, and those behind
// it can be sent still.
func TestSendErrors(t *testing.T) {
	each(t, func(t *testing.T, s setup) {
		a, b := open(t, s.config()), open(t, s.config())
		other := netip.AddrPortFrom(v6, 4789)
		if s.loopback.Is6() {
			other = netip.AddrPortFrom(v4, 4789)
		}
		for name, test := range map[string]struct {
			bad  encap.Datagram
			want error
		}{
			"other family":   {encap.Datagram{Remote: other}, syscall.EAFNOSUPPORT},
			"no remote":      {encap.Datagram{}, syscall.EAFNOSUPPORT},
			"no such source": {encap.Datagram{Remote: b.Local(), Source: 4}, syscall.EINVAL},
			"too big":        {encap.Datagram{Remote: b.Local(), Data: make([]byte, 65530)}, syscall.EMSGSIZE},
			"far too big":    {encap.Datagram{Remote: b.Local(), More: slices.Repeat([][]byte{make([]byte, 100)}, 2000)}, syscall.EMSGSIZE},
		} {
			good := func(text string) encap.Datagram {
				return encap.Datagram{Data: []byte(text), Remote: b.Local()}
			}
			dgrams := []encap.Datagram{good("one"), good("two"), test.bad, good("three")}
			n, err := a.Send(dgrams)
			var failed *underlay.SendError
			if n != 2 || !errors.Is(err, test.want) || !errors.As(err, &failed) || failed.Remote != test.bad.Remote {
				t.Errorf("%s: sent %d: %v; want 2 and %v", name, n, err, test.want)
				continue
			}
			send(t, a, dgrams[3:]...)
			var got []string
			for _, d := range receive(t, b, 3) {
				got = append(got, string(d.Data))
			}
			if !slices.Equal(got, []string{"one", "two", "three"}) {
				t.Errorf("%s: received %q", name, got)
			}
		}
	})
}

func TestMappedRemote(t *testing.T) {
	for _, portable := range []bool{false, true} {
		config := underlay.Config{Local: netip.MustParseAddrPort("127.0.0.1:0"), Portable: portable}
		a, b := open(t, config), open(t, config)
		mapped := netip.AddrPortFrom(netip.AddrFrom16(v4.As16()), b.Local().Port())
		send(t, a, encap.Datagram{Remote: mapped})
		if got := receive(t, b, 1)[0].Remote; !got.Addr().Is4() {
			t.Errorf("received from %v, want a plain address", got)
		}
	}
}

func TestCloseEndsRecv(t *testing.T) {
	each(t, func(t *testing.T, s setup) {
		a := open(t, s.config())
		started, ended := make(chan struct{}), make(chan error)
		go func() {
			dgrams := []encap.Datagram{{Data: make([]byte, 10)}}
			close(started)
			_, err := a.Recv(dgrams)
			ended <- err
		}()
		<-started
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Recv ended with %v", err)
		}
	})
}

// Close may come at any time.
func TestCloseWhileBusy(t *testing.T) {
	each(t, func(t *testing.T, s setup) {
		a, b := open(t, s.config()), open(t, s.config())
		ended := make(chan error)
		run := func(call func([]encap.Datagram) (int, error), d encap.Datagram) {
			for {
				if _, err := call([]encap.Datagram{d}); err != nil {
					ended <- err
					return
				}
			}
		}
		go run(a.Send, encap.Datagram{Data: []byte{1}, Remote: a.Local(), Source: 1})
		go run(a.Recv, encap.Datagram{Data: make([]byte, 10)})
		send(t, b, encap.Datagram{Remote: a.Local()})
		a.Drops()
		a.Close()
		for range 2 {
			if err := <-ended; !errors.Is(err, net.ErrClosed) {
				t.Errorf("ended with %v", err)
			}
		}
	})
}

// The ICMP answers to datagrams that nobody wants harm none that follow.
func TestClosedPortDisturbsNothing(t *testing.T) {
	each(t, func(t *testing.T, s setup) {
		a, b, gone := open(t, s.config()), open(t, s.config()), open(t, s.config())
		gone.Close()
		for _, source := range []uint8{0, encap.SourceListen} {
			for range 10 {
				send(t, a, encap.Datagram{Remote: gone.Local(), Source: source})
				send(t, a, encap.Datagram{Data: []byte("good"), Remote: b.Local(), Source: source})
				if got := receive(t, b, 1)[0].Data; string(got) != "good" {
					t.Errorf("received %q", got)
				}
			}
		}
		send(t, b, encap.Datagram{Data: []byte("answer"), Remote: a.Local()})
		if got := receive(t, a, 1)[0].Data; string(got) != "answer" {
			t.Errorf("received %q", got)
		}
	})
}

func TestAfterClose(t *testing.T) {
	each(t, func(t *testing.T, s setup) {
		a := open(t, s.config())
		wantBuffer, _ := a.ReceiveBuffer()
		a.Close()
		dgrams := []encap.Datagram{{Data: make([]byte, 10), Remote: a.Local()}}
		if _, err := a.Recv(dgrams); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Recv: %v", err)
		}
		if _, err := a.Send(dgrams); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Send: %v", err)
		}
		if err := a.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Close: %v", err)
		}
		if got, _ := a.ReceiveBuffer(); got != wantBuffer || a.Drops() != 0 {
			t.Errorf("receive buffer %d, was %d; %d drops", got, wantBuffer, a.Drops())
		}
		// The port is free again.
		config := s.config()
		config.Local = a.Local()
		open(t, config)
	})
}

// A driver that says it can poll finds what is there without waiting; whoever believed
// another would look in vain.
func TestPoll(t *testing.T) {
	each(t, func(t *testing.T, s setup) {
		a, b := open(t, s.config()), open(t, s.config())
		if portable := b.Driver() == "portable"; b.CanPoll() == portable {
			t.Fatalf("driver %s can poll: %t", b.Driver(), b.CanPoll())
		}
		send(t, a, encap.Datagram{Data: []byte{1}, Remote: b.Local(), Source: encap.SourceListen})
		if !b.CanPoll() {
			receive(t, b, 1)
			return
		}
		limit := time.AfterFunc(patience, func() { b.Close() })
		defer limit.Stop()
		dgrams := []encap.Datagram{{Data: make([]byte, 100)}}
		for n, err := 0, error(nil); n == 0; {
			if n, err = b.Poll(dgrams); err != nil {
				t.Fatal(err)
			}
		}
		if len(dgrams[0].Data) != 1 {
			t.Errorf("%d bytes", len(dgrams[0].Data))
		}
	})
}
