package mem_test

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

var (
	addrA = netip.MustParseAddrPort("10.9.0.1:4789")
	addrB = netip.MustParseAddrPort("10.9.0.2:4789")
	addr6 = netip.MustParseAddrPort("[fd00::1]:4789")
)

// listen puts an underlay on n for the length of the test.
func listen(t testing.TB, n *mem.Network, addr netip.AddrPort, cfg mem.UnderlayConfig) *mem.Underlay {
	t.Helper()
	u, err := n.Underlay(addr, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { u.Close() })
	return u
}

// recv receives one batch into buffers of size bytes.
func recv(t testing.TB, u *mem.Underlay, size int) []encap.Datagram {
	t.Helper()
	dgrams := make([]encap.Datagram, 200)
	for i := range dgrams {
		dgrams[i].Data = make([]byte, size)
	}
	n, err := u.Recv(dgrams)
	if err != nil {
		t.Fatal(err)
	}
	return dgrams[:n]
}

// send sends one datagram, which must be taken.
func send(t testing.TB, u *mem.Underlay, d encap.Datagram) {
	t.Helper()
	if n, err := u.Send([]encap.Datagram{d}); n != 1 || err != nil {
		t.Fatalf("Send = %d, %v", n, err)
	}
}

func TestNetworkCarries(t *testing.T) {
	n := mem.NewNetwork(mem.Impairments{}, 1)
	a := listen(t, n, addrA, mem.UnderlayConfig{Sources: 4})
	b := listen(t, n, addrB, mem.UnderlayConfig{})
	send(t, a, encap.Datagram{Data: []byte("he"), More: [][]byte{nil, []byte("llo")}, Remote: addrB, Source: encap.SourceListen, TOS: 0xb9, TTL: 7})
	send(t, a, encap.Datagram{Data: []byte("world!"), Remote: addrB, Source: 3})
	send(t, a, encap.Datagram{Remote: addrB, Source: 0})

	got := recv(t, b, 5)
	want := []encap.Datagram{
		{Data: []byte("hello"), Remote: addrA, TOS: 0xb9, TTL: 7},
		{Data: []byte("world"), Remote: netip.AddrPortFrom(addrA.Addr(), 49155), TTL: 64, Truncated: true},
		{Data: []byte{}, Remote: netip.AddrPortFrom(addrA.Addr(), 49152), TTL: 64},
	}
	if len(got) != len(want) {
		t.Fatalf("%d datagrams, want %d", len(got), len(want))
	}
	for i := range want {
		if !sameDatagram(got[i], want[i]) {
			t.Errorf("datagram %d is %+v, want %+v", i, got[i], want[i])
		}
	}
}

func sameDatagram(a, b encap.Datagram) bool {
	return bytes.Equal(a.Data, b.Data) && a.More == nil && a.Remote == b.Remote && a.SegmentSize == b.SegmentSize &&
		a.TOS == b.TOS && a.TTL == b.TTL && a.Truncated == b.Truncated
}

func TestNetworkTrains(t *testing.T) {
	train := encap.Datagram{Data: ether(700, 1), More: [][]byte{ether(700, 2), ether(650, 3)}, Remote: addrB, Source: encap.SourceListen, SegmentSize: 1000}
	whole := append(append(ether(700, 1), ether(700, 2)...), ether(650, 3)...)
	for _, tt := range []struct {
		name    string
		keep    bool
		lengths []int
		segment uint16
	}{
		{"split", false, []int{1000, 1000, 50}, 0},
		{"kept", true, []int{2050}, 1000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := mem.NewNetwork(mem.Impairments{KeepTrains: tt.keep}, 1)
			a, b := listen(t, n, addrA, mem.UnderlayConfig{}), listen(t, n, addrB, mem.UnderlayConfig{})
			send(t, a, train)
			got := recv(t, b, 65535)
			if len(got) != len(tt.lengths) {
				t.Fatalf("%d datagrams, want %d", len(got), len(tt.lengths))
			}
			var all []byte
			for i, d := range got {
				if len(d.Data) != tt.lengths[i] || d.SegmentSize != tt.segment {
					t.Errorf("datagram %d: %d bytes, segments of %d", i, len(d.Data), d.SegmentSize)
				}
				all = append(all, d.Data...)
			}
			if !bytes.Equal(all, whole) {
				t.Error("the bytes differ")
			}
		})
	}
	t.Run("of one", func(t *testing.T) {
		n := mem.NewNetwork(mem.Impairments{KeepTrains: true}, 1)
		a, b := listen(t, n, addrA, mem.UnderlayConfig{}), listen(t, n, addrB, mem.UnderlayConfig{})
		send(t, a, encap.Datagram{Data: ether(1000, 1), Remote: addrB, Source: encap.SourceListen, SegmentSize: 1000})
		if got := recv(t, b, 2000); len(got) != 1 || got[0].SegmentSize != 0 {
			t.Errorf("received %d datagrams, segments of %d", len(got), got[0].SegmentSize)
		}
	})
}

func TestSendErrors(t *testing.T) {
	n := mem.NewNetwork(mem.Impairments{MTU: 1500}, 1)
	a := listen(t, n, addrA, mem.UnderlayConfig{Sources: 2})
	a6 := listen(t, n, addr6, mem.UnderlayConfig{})
	listen(t, n, addrB, mem.UnderlayConfig{})
	gone := listen(t, n, netip.MustParseAddrPort("10.9.0.3:4789"), mem.UnderlayConfig{})
	gone.Close()
	to := func(remote netip.AddrPort, size int, segment uint16, source uint8) encap.Datagram {
		return encap.Datagram{Data: ether(size, 0), Remote: remote, SegmentSize: segment, Source: source}
	}
	const l = encap.SourceListen
	tests := []struct {
		name string
		from *mem.Underlay
		d    encap.Datagram
		want error
	}{
		{"fits", a, to(addrB, 1472, 0, l), nil},
		{"too big", a, to(addrB, 1473, 0, l), syscall.EMSGSIZE},
		{"fits IPv6", a6, to(addr6, 1452, 0, l), nil},
		{"too big for IPv6", a6, to(addr6, 1453, 0, l), syscall.EMSGSIZE},
		{"train fits", a, to(addrB, 60000, 1472, l), nil},
		{"train of segments too big", a, to(addrB, 60000, 1473, l), syscall.EMSGSIZE},
		{"train too long", a, to(addrB, 65508, 1400, l), syscall.EMSGSIZE},
		{"128 segments", a, to(addrB, 12800, 100, l), nil},
		{"129 segments", a, to(addrB, 12801, 100, l), syscall.EINVAL},
		{"last source", a, to(addrB, 1, 0, 1), nil},
		{"no such source", a, to(addrB, 1, 0, 2), syscall.EINVAL},
		{"nobody", a, to(netip.MustParseAddrPort("10.9.0.2:4790"), 1, 0, l), syscall.ENETUNREACH},
		{"closed", a, to(gone.Addr(), 1, 0, l), syscall.ENETUNREACH},
		{"other family", a, to(addr6, 1, 0, l), syscall.EAFNOSUPPORT},
		{"mapped", a6, to(netip.MustParseAddrPort("[::ffff:10.9.0.2]:4789"), 1, 0, l), syscall.EAFNOSUPPORT},
		{"no remote", a, to(netip.AddrPort{}, 1, 0, l), syscall.EAFNOSUPPORT},
		{"from closed", gone, to(addrB, 1, 0, l), net.ErrClosed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fine := to(tt.from.Addr(), 1, 0, l)
			n, err := tt.from.Send([]encap.Datagram{fine, tt.d, fine})
			switch {
			case tt.from == gone:
				if n != 0 || !errors.Is(err, tt.want) {
					t.Errorf("Send = %d, %v", n, err)
				}
			case tt.want == nil:
				if n != 3 || err != nil {
					t.Errorf("Send = %d, %v", n, err)
				}
			case n != 1 || !errors.Is(err, tt.want):
				t.Errorf("Send = %d, %v; want %v", n, err, tt.want)
			}
		})
	}
}

func TestBlackhole(t *testing.T) {
	n := mem.NewNetwork(mem.Impairments{Blackhole: true}, 1)
	a := listen(t, n, addrA, mem.UnderlayConfig{})
	send(t, a, encap.Datagram{Data: []byte{1}, Remote: addrB, Source: encap.SourceListen})
	if c := a.Counts(); c.Sent != 1 || c.Vanished != 1 {
		t.Errorf("counts %+v", c)
	}
}

func TestListenErrors(t *testing.T) {
	n := mem.NewNetwork(mem.Impairments{}, 1)
	listen(t, n, addrA, mem.UnderlayConfig{})
	listen(t, n, addrB, mem.UnderlayConfig{Shared: true})
	tests := []struct {
		addr string
		cfg  mem.UnderlayConfig
		want error
	}{
		{"10.9.0.1:4789", mem.UnderlayConfig{}, syscall.EADDRINUSE},
		{"10.9.0.1:4789", mem.UnderlayConfig{Shared: true}, syscall.EADDRINUSE},
		{"10.9.0.2:4789", mem.UnderlayConfig{}, syscall.EADDRINUSE},
		{"10.9.0.2:4789", mem.UnderlayConfig{Shared: true}, nil},
		{"0.0.0.0:4789", mem.UnderlayConfig{}, syscall.EADDRNOTAVAIL},
		{"239.1.1.1:4789", mem.UnderlayConfig{}, syscall.EADDRNOTAVAIL},
		{"[::ffff:10.9.0.3]:4789", mem.UnderlayConfig{}, syscall.EADDRNOTAVAIL},
		{"10.9.0.3:0", mem.UnderlayConfig{}, syscall.EADDRNOTAVAIL},
		{"10.9.0.3:4789", mem.UnderlayConfig{Sources: 3}, syscall.EINVAL},
		{"10.9.0.3:4789", mem.UnderlayConfig{Sources: 32}, syscall.EINVAL},
		{"10.9.0.3:4789", mem.UnderlayConfig{Sources: -1}, syscall.EINVAL},
		{"10.9.0.3:4789", mem.UnderlayConfig{Sources: 16}, nil},
	}
	for _, tt := range tests {
		u, err := n.Underlay(netip.MustParseAddrPort(tt.addr), tt.cfg)
		if !errors.Is(err, tt.want) {
			t.Errorf("Underlay(%s, %+v): %v, want %v", tt.addr, tt.cfg, err, tt.want)
		}
		if err == nil {
			t.Cleanup(func() { u.Close() })
		}
	}
}

func TestSharedAddressPinsFlows(t *testing.T) {
	n := mem.NewNetwork(mem.Impairments{}, 1)
	a := listen(t, n, addrA, mem.UnderlayConfig{Sources: 16})
	queues := []*mem.Underlay{
		listen(t, n, addrB, mem.UnderlayConfig{Shared: true, Sources: 1}),
		listen(t, n, addrB, mem.UnderlayConfig{Shared: true, Sources: 1}),
	}
	for i := range 160 {
		send(t, a, encap.Datagram{Data: []byte{8, byte(i)}, Remote: addrB, Source: uint8(i % 16)})
	}
	owner := map[uint16]int{}
	for q, u := range queues {
		for _, d := range recv(t, u, 10) {
			if first, seen := owner[d.Remote.Port()]; seen && first != q {
				t.Errorf("port %d went to both queues", d.Remote.Port())
			}
			owner[d.Remote.Port()] = q
		}
	}
	if len(owner) != 16 {
		t.Errorf("%d flows, want 16", len(owner))
	}
	// The source ports of the two queues are disjoint.
	for i, want := range []uint16{49152, 49168} {
		send(t, queues[i], encap.Datagram{Data: []byte{1}, Remote: addrA})
		if got := recv(t, a, 10)[0].Remote; got != netip.AddrPortFrom(addrB.Addr(), want) {
			t.Errorf("queue %d sends from %v", i, got)
		}
	}
}

func TestReceiveQueueIsBounded(t *testing.T) {
	n := mem.NewNetwork(mem.Impairments{}, 1)
	a, b := listen(t, n, addrA, mem.UnderlayConfig{}), listen(t, n, addrB, mem.UnderlayConfig{Depth: 3})
	for i := range byte(5) {
		send(t, a, encap.Datagram{Data: []byte{i}, Remote: addrB, Source: encap.SourceListen})
	}
	got := recv(t, b, 10)
	if len(got) != 3 || got[2].Data[0] != 2 || b.Drops() != 2 {
		t.Errorf("received %d, dropped %d", len(got), b.Drops())
	}
}

func TestRecvBlocksUntilClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := mem.NewNetwork(mem.Impairments{}, 1)
		u := listen(t, n, addrA, mem.UnderlayConfig{})
		ended := make(chan error, 1)
		go func() {
			_, err := u.Recv(make([]encap.Datagram, 1))
			ended <- err
		}()
		synctest.Wait()
		if len(ended) != 0 {
			t.Fatal("Recv returned with nothing to receive")
		}
		u.Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Recv: %v", err)
		}
		listen(t, n, addrA, mem.UnderlayConfig{}) // the address is free again
	})
}

func TestTapSeesEveryDatagram(t *testing.T) {
	n := mem.NewNetwork(mem.Impairments{Loss: 1}, 1)
	a := listen(t, n, addrA, mem.UnderlayConfig{Sources: 1})
	listen(t, n, addrB, mem.UnderlayConfig{})
	var seen []int
	n.Tap(func(from, to netip.AddrPort, d encap.Datagram) {
		if from.Port() != 49152 || to != addrB || d.TOS != 2 {
			t.Errorf("from %v to %v: %+v", from, to, d)
		}
		seen = append(seen, len(d.Data))
	})
	d := encap.Datagram{Data: ether(250, 0), Remote: addrB, SegmentSize: 100, TOS: 2}
	send(t, a, d)
	n.Tap(nil)
	send(t, a, d)
	if len(seen) != 3 || seen[0] != 100 || seen[2] != 50 {
		t.Errorf("seen datagrams of %v bytes", seen)
	}
}

func TestUnderlayRepeat(t *testing.T) {
	n := mem.NewNetwork(mem.Impairments{}, 1)
	u := listen(t, n, addrA, mem.UnderlayConfig{})
	u.Repeat([]encap.Datagram{{Data: []byte{1}, More: [][]byte{{2}}, Remote: addrB, TTL: 9}}, 3)
	got := recv(t, u, 10)
	if len(got) != 3 || !bytes.Equal(got[2].Data, []byte{1, 2}) || got[2].Remote != addrB || got[2].TTL != 9 {
		t.Errorf("received %+v", got)
	}
}
