package underlay_test

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/vxtap/vxtap/dataplane/underlay"
	"github.com/vxtap/vxtap/encap"
)

func TestMain(m *testing.M) {
	serveFaults()
	goleak.VerifyTestMain(m)
}

// patience is longer than anything here can take.
const patience = 30 * time.Second

// setup is a driver and a family that the same tests are run with.
type setup struct {
	name     string
	portable bool
	loopback netip.Addr
}

func (s setup) config() underlay.Config {
	return underlay.Config{Local: netip.AddrPortFrom(s.loopback, 0), Sources: 4, Portable: s.portable}
}

var (
	v4 = netip.MustParseAddr("127.0.0.1")
	v6 = netip.MustParseAddr("::1")
)

// each runs a test with every driver and family.
func each(t *testing.T, test func(t *testing.T, s setup)) {
	for _, s := range []setup{
		{"default/IPv4", false, v4},
		{"default/IPv6", false, v6},
		{"portable/IPv4", true, v4},
		{"portable/IPv6", true, v6},
	} {
		t.Run(s.name, func(t *testing.T) { test(t, s) })
	}
}

func open(t *testing.T, config underlay.Config) *underlay.Socket {
	t.Helper()
	s, err := underlay.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// send sends everything or fails.
func send(t testing.TB, s *underlay.Socket, dgrams ...encap.Datagram) {
	t.Helper()
	n, err := s.Send(dgrams)
	if err != nil || n != len(dgrams) {
		t.Fatalf("sent %d of %d: %v", n, len(dgrams), err)
	}
}

// receive returns the next n datagrams.
func receive(t testing.TB, s *underlay.Socket, n int) []encap.Datagram {
	t.Helper()
	limit := time.AfterFunc(patience, func() { s.Close() })
	defer limit.Stop()
	var all []encap.Datagram
	for len(all) < n {
		batch := make([]encap.Datagram, n-len(all))
		for i := range batch {
			batch[i].Data = make([]byte, 1<<16)
		}
		got, err := s.Recv(batch)
		if err != nil {
			t.Fatalf("after %d of %d datagrams: %v", len(all), n, err)
		}
		all = append(all, batch[:got]...)
	}
	return all
}

// deliver sends d again and again until it is received. It is for paths that are new: a
// kernel that has just been given an IPv6 address may lose the first datagrams to it.
func deliver(t testing.TB, from, to *underlay.Socket, d encap.Datagram) encap.Datagram {
	t.Helper()
	arrived, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		again := time.NewTicker(20 * time.Millisecond)
		defer again.Stop()
		for {
			if _, err := from.Send([]encap.Datagram{d}); err != nil {
				t.Error(err)
			}
			select {
			case <-arrived:
				return
			case <-again.C:
			}
		}
	}()
	defer func() { close(arrived); <-done }()
	for {
		if got := receive(t, to, 1)[0]; bytes.Equal(got.Data, d.Data) {
			return got
		}
	}
}

// inForce reports whether a socket has a feature.
func inForce(t testing.TB, s *underlay.Socket, name string) bool {
	t.Helper()
	for _, f := range s.Features() {
		if f.Name == name {
			return f.Err == nil
		}
	}
	t.Fatalf("feature %q is not listed", name)
	return false
}
