package encap_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/vxtap/vxtap/encap"
)

func TestOverlayMTU(t *testing.T) {
	for _, c := range []struct {
		underlay     int
		ipv6, sealed bool
		tags, want   int
	}{
		{1500, false, false, 0, 1450},
		{1500, true, false, 0, 1430},
		{1500, false, true, 0, 1418},
		{1500, true, true, 0, 1398},
		{1500, false, false, 1, 1446},
		{1500, true, true, 2, 1390},
		{9000, false, false, 0, 8950},
		{50, false, false, 0, 0},
		{49, false, false, 0, -1},
	} {
		if got := encap.OverlayMTU(c.underlay, c.ipv6, c.sealed, c.tags); got != c.want {
			t.Errorf("%+v: got %d", c, got)
		}
	}
}

// A packet of the overlay's MTU, wrapped layer by layer, is as long as the underlay's.
func TestMTUIsWhatTheLayersAdd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		underlay := rapid.IntRange(576, 65535).Draw(t, "underlay")
		ipv6, sealed := rapid.Bool().Draw(t, "ipv6"), rapid.Bool().Draw(t, "sealed")
		tags := rapid.IntRange(0, 2).Draw(t, "tags")
		overlay := encap.OverlayMTU(underlay, ipv6, sealed, tags)

		tpids := []uint16{encap.EtherTypeQinQ, encap.EtherTypeVLAN}
		size := overlay + len(ethOf(encap.EtherTypeIPv4, tpids[:tags]...)) + encap.VXLANSize
		if sealed {
			size += 16 + 16 // sealed header, and tag of the cipher
		}
		size += len(udpOf(0))
		if ipv6 {
			size += len(ip6Of(encap.ProtoUDP, 0))
		} else {
			size += len(ip4Of(encap.ProtoUDP, 0, 0, 0))
		}
		if size != underlay {
			t.Fatalf("%d bytes make %d, not %d", overlay, size, underlay)
		}
		if back := encap.UnderlayMTU(overlay, ipv6, sealed, tags); back != underlay {
			t.Fatalf("%d bytes need %d, not %d", overlay, back, underlay)
		}
	})
}
