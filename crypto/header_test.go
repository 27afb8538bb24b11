package crypto

import (
	"encoding/hex"
	"testing"
)

func TestHeader(t *testing.T) {
	b := appendHeader([]byte{0xee}, TypeData, FlagPartialChecksum, 0x0a0b0c0d, 3<<queueShift|0x0123456789)
	if got, want := hex.EncodeToString(b), "ee"+"40"+"01"+"0001"+"0a0b0c0d"+"03"+"00000123456789"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	h := Header(b[1:])
	if h.Type() != TypeData || h.Version() != Version || h.Flags() != FlagPartialChecksum ||
		h.Index() != 0x0a0b0c0d || h.Queue() != 3 || h.Counter() != 0x0123456789 {
		t.Errorf("read back: %x %d %x %x %d %x", h.Type(), h.Version(), h.Flags(), h.Index(), h.Queue(), h.Counter())
	}
}

// Of all first bytes, the eight that are ours are not plain VXLAN's, which has 0x08 set.
func TestSealed(t *testing.T) {
	for first := range 256 {
		want := first >= 0x40 && first <= 0x47
		if got := Sealed([]byte{byte(first)}); got != want {
			t.Errorf("first byte %#x: %t", first, got)
		}
		if want && first&0x08 != 0 {
			t.Errorf("first byte %#x has the I flag", first)
		}
	}
	if Sealed(nil) {
		t.Error("an empty datagram is sealed")
	}
}

func TestKnown(t *testing.T) {
	for _, c := range []struct {
		kind, version byte
		flags         uint16
		want          bool
	}{
		{TypeData, 1, 0, true},
		{TypeData, 1, FlagPartialChecksum, true},
		{TypeKeepalive, 1, 0, true},
		{TypeKeepalive, 1, FlagPartialChecksum, false},
		{TypeData, 0, 0, false},
		{TypeData, 2, 0, false},
		{TypeData, 1, 2, false},
		{TypeData, 1, 3, false},
		{TypeData, 1, 0x8000, false},
		{TypeData, 1, 0x0100, false},
		{TypeInitiation, 1, 0, false},
		{TypeResponse, 1, 0, false},
		{TypeCookie, 1, 0, false},
		{0x45, 1, 0, false},
		{0x08, 1, 0, false},
	} {
		h := Header(appendHeader(nil, c.kind, c.flags, 0, 0))
		h[versionOffset] = c.version
		if got := h.known(); got != c.want {
			t.Errorf("type %#x, version %d, flags %#x: %t", c.kind, c.version, c.flags, got)
		}
	}
}

func TestSlot(t *testing.T) {
	for _, c := range []struct{ queue, queues, want int }{
		{0, 1, 0}, {1, 1, -1}, {15, 1, -1}, {ControlQueue, 1, 1}, {17, 1, -1}, {255, 1, -1}, {-1, 1, -1},
		{3, 4, 3}, {4, 4, -1}, {ControlQueue, 4, 4},
		{15, 16, 15}, {ControlQueue, 16, 16}, {17, 16, -1},
	} {
		if got := slot(c.queue, c.queues); got != c.want {
			t.Errorf("queue %d of %d: slot %d, want %d", c.queue, c.queues, got, c.want)
		}
	}
}
