package underlay_test

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/dataplane/underlay"
	"github.com/vxtap/vxtap/encap"
)

func TestFeaturesInForce(t *testing.T) {
	for _, local := range []netip.Addr{v4, v6} {
		s := open(t, underlay.Config{Local: netip.AddrPortFrom(local, 0)})
		for _, f := range s.Features() {
			if f.Err != nil {
				t.Errorf("%v: %s: %v", local, f.Name, f.Err)
			}
		}
		if s.Driver() != "linux" || s.Sources() != underlay.DefaultSources {
			t.Errorf("%s driver with %d sources", s.Driver(), s.Sources())
		}
	}
}

// The path of every frame allocates nothing.
func TestNoAllocations(t *testing.T) {
	for _, local := range []netip.Addr{v4, v6} {
		config := underlay.Config{Local: netip.AddrPortFrom(local, 0)}
		a, b := open(t, config), open(t, config)
		out := make([]encap.Datagram, 8)
		for i := range out {
			out[i] = encap.Datagram{
				Data: pattern(50), More: [][]byte{pattern(1400)}, Remote: b.Local(),
				Source: uint8(i / 2), TOS: 2, TTL: 64,
			}
		}
		out[7].SegmentSize = 800
		in := make([]encap.Datagram, underlay.Batch)
		buffers := make([][]byte, len(in))
		for i := range buffers {
			buffers[i] = make([]byte, 1<<16)
		}
		var failure error
		allocs := testing.AllocsPerRun(500, func() {
			if _, err := a.Send(out); err != nil {
				failure = err
			}
			if err := a.Post(&out[0]); err != nil {
				failure = err
			}
			for n := 0; n < len(out)+1 && failure == nil; {
				for i := range in {
					in[i].Data = buffers[i]
				}
				got, err := b.Recv(in)
				n, failure = n+got, err
			}
		})
		if allocs != 0 || failure != nil {
			t.Errorf("%v: %v allocations a batch, error %v", local, allocs, failure)
		}
	}
}

// A train crosses in one piece, with its segment size.
func TestTrainInOnePiece(t *testing.T) {
	for _, local := range []netip.Addr{v4, v6} {
		config := underlay.Config{Local: netip.AddrPortFrom(local, 0)}
		a, b := open(t, config), open(t, config)
		payload := pattern(40*1400 + 77)
		send(t, a, encap.Datagram{Data: payload, SegmentSize: 1400, Remote: b.Local()})
		got := receive(t, b, 1)[0]
		if got.SegmentSize != 1400 || !bytes.Equal(got.Data, payload) {
			t.Errorf("%v: %d bytes with segment size %d, want %d and 1400", local, len(got.Data), got.SegmentSize, len(payload))
		}
	}
}

func TestDropsAreCounted(t *testing.T) {
	config := underlay.Config{Local: netip.AddrPortFrom(v4, 0), ReceiveBuffer: 20000}
	a, b := open(t, config), open(t, config)
	const sent = 200
	for range sent {
		send(t, a, encap.Datagram{Data: pattern(1000), Remote: b.Local()})
	}
	drops := b.Drops()
	if drops == 0 || drops >= sent {
		t.Fatalf("%d of %d datagrams dropped", drops, sent)
	}
	receive(t, b, sent-int(drops))
	b.Close()
	if b.Drops() != drops {
		t.Errorf("%d drops after Close, %d before", b.Drops(), drops)
	}
}

func TestZeroChecksumIsAccepted(t *testing.T) {
	for _, test := range []struct {
		local         netip.Addr
		level, option int
	}{
		{v4, unix.SOL_SOCKET, unix.SO_NO_CHECK},
		{v6, unix.IPPROTO_UDP, unix.UDP_NO_CHECK6_TX},
	} {
		for _, portable := range []bool{false, true} {
			s := open(t, underlay.Config{Local: netip.AddrPortFrom(test.local, 0), Portable: portable})
			c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(s.Local()))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			raw, _ := c.SyscallConn()
			failed := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), test.level, test.option, 1) })
			if err := errors.Join(failed, err); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Write([]byte("unsummed")); err != nil {
				t.Fatal(err)
			}
			if got := receive(t, s, 1)[0]; string(got.Data) != "unsummed" {
				t.Errorf("received %q", got.Data)
			}
		}
	}
}
