package underlay

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/encap"
)

// Where the system does not tell the TOS of what is received, that is said, and nothing
// leaves that a router would mark.
func TestBlindSendsNotECT(t *testing.T) {
	features := []Feature{{FeatureDF, nil}, {FeatureTOS, errors.New("no such option")}}
	if !blind(features) || !strings.Contains(features[1].Err.Error(), "not ECN-capable") {
		t.Errorf("without a TOS: %v", features)
	}
	if blind([]Feature{{FeatureDF, errPortable}, {FeatureTOS, nil}}) {
		t.Error("with one")
	}
	config := Config{Local: netip.MustParseAddrPort("127.0.0.1:0")}
	a, err := openPortable(config)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := openPortable(config)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	to := netip.AddrPortFrom(config.Local.Addr(), b.listenPort())
	for _, a.blind = range []bool{false, true} {
		want := uint8(0xb8 | encap.CE)
		if a.blind {
			want = 0xb8
		}
		one := []encap.Datagram{{Data: []byte("x"), Remote: to, Source: encap.SourceListen, TOS: 0xb8 | uint8(encap.CE)}}
		if _, err := a.Send(one); err != nil {
			t.Fatal(err)
		}
		got := []encap.Datagram{{Data: make([]byte, 10)}}
		if n, err := b.Recv(got); err != nil || n != 1 || got[0].TOS != want || got[0].TTL == 0 {
			t.Errorf("blind %t: TOS %#x, TTL %d; want TOS %#x, %v", a.blind, got[0].TOS, got[0].TTL, want, err)
		}
	}
}

// Control messages that are cut or made up do no harm.
func FuzzReadControlPortable(f *testing.F) {
	message := func(kind int32, data ...byte) []byte {
		b := make([]byte, unix.CmsgSpace(len(data)))
		b[0], b[8], b[12] = byte(unix.CmsgLen(len(data))), unix.IPPROTO_IP, byte(kind)
		copy(b[unix.CmsgLen(0):], data)
		return b
	}
	f.Add(append(message(unix.IP_TTL, 64, 0, 0, 0), message(unix.IP_TOS, 3)...))
	f.Add(message(unix.IP_TTL, 64, 0, 0, 0)[:18])
	f.Add(message(unix.IP_TOS))
	f.Fuzz(func(_ *testing.T, b []byte) {
		var r received
		r.readControl(b)
	})
}
