//go:build linux

package main

import (
	"fmt"
	"testing"

	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/dataplane/netlab"
	"github.com/vxtap/vxtap/encap"
)

// reservedBits are all bits of the VXLAN header but the I flag and the VNI (RFC 7348
// section 5).
const reservedBits uint64 = 0xf7ffffff_000000ff

// eachReserved returns the reserved bits one by one, the first of the header first.
func eachReserved() []uint64 {
	var list []uint64
	for bit := uint64(1) << 63; bit != 0; bit >>= 1 {
		if bit&reservedBits != 0 {
			list = append(list, bit)
		}
	}
	return list
}

func TestReservedBits(t *testing.T) {
	t.Parallel()
	const group = 0x80000000_00000000 // the flag of VXLAN-GBP
	for _, tolerated := range []uint64{0, group, 1, reservedBits} {
		t.Run(fmt.Sprintf("%#016x", tolerated), func(t *testing.T) {
			t.Parallel()
			a, b := newPair(t, netlab.LinkConfig{})
			silence(t, a)
			args := []string{"--vni", "42", "--local", "10.9.0.1"}
			if tolerated != 0 {
				args = append(args, "--reserved-bits", fmt.Sprintf("%#x", tolerated))
			}
			v := startVXTAP(t, a, args...)
			inside := delivered(t, a, "vx42")
			f := newForeigner(t, b, "10.9.0.1")
			src := encap.MAC{2, 0, 0, 0, 0, 9}

			refused := uint64(0)
			for _, bit := range eachReserved() {
				f.send(42, bit, frame(broadcast, src, label(fmt.Sprintf("%016x", bit))))
				if bit&tolerated == 0 {
					refused++
				}
			}
			last := label("none")
			f.send(42, 0, frame(broadcast, src, last))
			waitFor(t, inside, last)

			for _, bit := range eachReserved() {
				want := 0
				if bit&tolerated != 0 {
					want = 1
				}
				if n := countOf(inside, label(fmt.Sprintf("%016x", bit))); n != want {
					t.Errorf("bit %#016x: delivered %d times, not %d", bit, n, want)
				}
			}
			var in api.Direction
			eventually(t, "all 40 frames are counted", func() bool {
				in = v.stats().In
				return in.Forwarded+in.Dropped == 40
			})
			if in.Frames != 40 || in.Drops["reserved_bits"] != refused || in.Dropped != refused || in.Forwarded != 40-refused {
				t.Errorf("of 39 reserved bits and none, want %d refused: %+v", refused, in)
			}
		})
	}
}
