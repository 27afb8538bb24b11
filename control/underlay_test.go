package control

import (
	"net/netip"
	"testing"

	"github.com/vxtap/vxtap/encap"
)

// A loopback takes more than an IP packet has: an overlay on it gets no more than fits.
func TestRoomOnLoopback(t *testing.T) {
	for local, want := range map[string]int{"127.0.0.1": 65535 - encap.PlainOverhead4, "::1": 65535 - encap.PlainOverhead6} {
		if got := room(netip.MustParseAddr(local), 65536, false); got != want {
			t.Errorf("%s: %d, want %d", local, got, want)
		}
	}
}
