package underlay_test

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/vxtap/vxtap/dataplane/underlay"
	"github.com/vxtap/vxtap/encap"
)

func post(t testing.TB, s *underlay.Socket, d encap.Datagram) {
	t.Helper()
	if err := s.Post(&d); err != nil {
		t.Fatal(err)
	}
}

// What is posted comes from the listening port, whatever it says about its source, in one
// piece and with its header fields.
func TestPost(t *testing.T) {
	each(t, func(t *testing.T, s setup) {
		a, b := open(t, s.config()), open(t, s.config())
		payload := pattern(1500)
		for source := range uint8(6) {
			d := encap.Datagram{
				Data: payload[:100], More: [][]byte{payload[100:101], payload[101:]},
				Remote: b.Local(), Source: source, SegmentSize: 700, TOS: 0xb8, TTL: 33,
			}
			want := d
			if err := a.Post(&d); err != nil {
				t.Fatal(err)
			}
			if d.Source != want.Source || d.SegmentSize != want.SegmentSize {
				t.Errorf("Post changed its datagram to %+v", d)
			}
			if !inForce(t, b, underlay.FeatureTOS) {
				want.TOS = 0
			}
			got := receive(t, b, 1)[0]
			if got.Remote != a.Local() || got.SegmentSize != 0 || got.TOS != want.TOS || got.TTL != want.TTL {
				t.Errorf("received from %v, segments of %d, TOS %#x, TTL %d", got.Remote, got.SegmentSize, got.TOS, got.TTL)
			}
			if !bytes.Equal(got.Data, payload) {
				t.Errorf("%d bytes arrived of %d, or others", len(got.Data), len(payload))
			}
		}
		// After others, 0 is the system's own again.
		post(t, a, encap.Datagram{Remote: b.Local()})
		if got := receive(t, b, 1)[0]; got.TTL < 64 || got.TOS != 0 {
			t.Errorf("TTL 0 and TOS 0 arrive as %d and %#x", got.TTL, got.TOS)
		}
	})
}

func TestPostErrors(t *testing.T) {
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
			"other family": {encap.Datagram{Remote: other}, syscall.EAFNOSUPPORT},
			"no remote":    {encap.Datagram{}, syscall.EAFNOSUPPORT},
			"too big":      {encap.Datagram{Remote: b.Local(), Data: make([]byte, 65530)}, syscall.EMSGSIZE},
			"far too big":  {encap.Datagram{Remote: b.Local(), More: slices.Repeat([][]byte{make([]byte, 100)}, 2000)}, syscall.EMSGSIZE},
		} {
			err := a.Post(&test.bad)
			var failed *underlay.SendError
			if !errors.Is(err, test.want) || !errors.As(err, &failed) || failed.Remote != test.bad.Remote {
				t.Errorf("%s: %v, want %v", name, err, test.want)
			}
			post(t, a, encap.Datagram{Data: []byte("good"), Remote: b.Local()})
			if got := receive(t, b, 1)[0].Data; string(got) != "good" {
				t.Errorf("%s: then received %q", name, got)
			}
		}
		a.Close()
		if err := a.Post(&encap.Datagram{Remote: b.Local()}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

// Many post while one sends from the same socket and one receives, and every datagram
// leaves with its own payload and TTL.
func TestPostBesideSend(t *testing.T) {
	const posters, rounds = 4, 200
	each(t, func(t *testing.T, s setup) {
		a, b := open(t, s.config()), open(t, s.config())
		// Who sends is the datagram's first byte, which also is its TTL less 100.
		one := func(who byte) encap.Datagram {
			d := encap.Datagram{Data: []byte{who}, Remote: b.Local(), Source: encap.SourceListen, TTL: 100 + who}
			for range who {
				d.More = append(d.More, []byte{who})
			}
			return d
		}
		var senders sync.WaitGroup
		for who := range byte(posters) {
			senders.Go(func() {
				for range rounds {
					d := one(who)
					if err := a.Post(&d); err != nil {
						t.Error(err)
					}
				}
			})
		}
		senders.Go(func() {
			for range rounds {
				if _, err := a.Send([]encap.Datagram{one(posters)}); err != nil {
					t.Error(err)
				}
			}
		})
		count := map[byte]int{}
		for range (posters + 1) * rounds {
			d := receive(t, b, 1)[0]
			who := d.TTL - 100
			count[who]++
			if !bytes.Equal(d.Data, bytes.Repeat([]byte{who}, 1+int(who))) || d.Remote != a.Local() {
				t.Fatalf("%x with TTL %d from %v", d.Data, d.TTL, d.Remote)
			}
		}
		senders.Wait()
		for who := range byte(posters + 1) {
			if count[who] != rounds {
				t.Errorf("%d of %d datagrams of sender %d", count[who], rounds, who)
			}
		}
	})
}

// Close may come while others post, and ends them with net.ErrClosed and nothing else.
func TestCloseWhilePosting(t *testing.T) {
	each(t, func(t *testing.T, s setup) {
		a, b := open(t, s.config()), open(t, s.config())
		const posters = 4
		ended := make(chan error)
		for range posters {
			go func() {
				for {
					if err := a.Post(&encap.Datagram{Data: []byte{1}, Remote: b.Local()}); err != nil {
						ended <- err
						return
					}
				}
			}()
		}
		receive(t, b, 10)
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		for range posters {
			if err := <-ended; !errors.Is(err, net.ErrClosed) {
				t.Errorf("ended with %v", err)
			}
		}
	})
}
