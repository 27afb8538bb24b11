package underlay

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"github.com/vxtap/vxtap/encap"
)

// FuzzReadControl: no control message makes the reader look beyond its bytes.
func FuzzReadControl(f *testing.F) {
	var b [controlSize]byte
	for _, v6 := range []bool{false, true} {
		n := writeControl(b[:], v6, &encap.Datagram{TOS: 3, TTL: 64, SegmentSize: 1400})
		f.Add(append([]byte(nil), b[:n]...))
		f.Add(append([]byte(nil), b[:n-7]...))
	}
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 1, 0, 0, 0})
	f.Fuzz(func(t *testing.T, control []byte) {
		var d encap.Datagram
		readControl(control, &d)
		if d.Data != nil || d.Remote.IsValid() || d.Truncated || d.Source != 0 {
			t.Errorf("control messages set %+v", d)
		}
	})
}

func TestControlRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := encap.Datagram{TOS: rapid.Uint8().Draw(t, "TOS"), TTL: rapid.Uint8().Draw(t, "TTL")}
		// The segment size is another message on the way out than on the way in.
		sent := want
		sent.SegmentSize = rapid.Uint16().Draw(t, "segment size")
		var b [controlSize]byte
		n := writeControl(b[:], rapid.Bool().Draw(t, "v6"), &sent)
		var got encap.Datagram
		readControl(b[:n], &got)
		if got.TOS != want.TOS || got.TTL != want.TTL || got.SegmentSize != 0 {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	})
}

func TestSockaddrRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ip := rapid.OneOf(rapid.SliceOfN(rapid.Byte(), 4, 4), rapid.SliceOfN(rapid.Byte(), 16, 16)).Draw(t, "address")
		a, _ := netip.AddrFromSlice(ip)
		want := netip.AddrPortFrom(a.Unmap(), rapid.Uint16().Draw(t, "port"))
		s := sockaddr(rapid.SliceOfN(rapid.Byte(), len(sockaddr{}), len(sockaddr{})).Draw(t, "left from before"))
		s.put(want, 7)
		if got := s.addrPort(); got != want {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

func TestSourcePortsRunOut(t *testing.T) {
	local := netip.MustParseAddr("192.0.2.1")
	seen := map[uint16]bool{}
	sockets, ports, err := openSources(local, 1<<15, func(at netip.AddrPort) (int, error) {
		if seen[at.Port()] {
			t.Fatalf("port %d tried again", at.Port())
		}
		seen[at.Port()] = true
		return 0, nil
	})
	if len(sockets) != len(ports) || len(seen) != lastSourcePort-firstSourcePort+1 || err == nil {
		t.Errorf("%d sockets of %d ports tried: %v", len(sockets), len(seen), err)
	}
}
