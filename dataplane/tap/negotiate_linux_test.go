package tap

import (
	"errors"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/vxtap/vxtap/encap"
)

// A kernel that knows some offloads grants those, whichever they are, and the reason
// for the others is told.
func TestNegotiate(t *testing.T) {
	const uso = unix.TUN_F_USO4 | unix.TUN_F_USO6
	for _, c := range []struct {
		name        string
		knows       int
		read, write encap.OffloadSet
		asked       int
	}{
		{"6.2", offerTSO | unix.TUN_F_TSO_ECN | uso, encap.OffloadCSUM | encap.OffloadTSO | encap.OffloadUSO, encap.OffloadCSUM | encap.OffloadTSO | encap.OffloadUSO, 1},
		{"before USO", offerTSO | unix.TUN_F_TSO_ECN, encap.OffloadCSUM | encap.OffloadTSO, encap.OffloadCSUM | encap.OffloadTSO, 2},
		{"without ECN", offerTSO, encap.OffloadCSUM | encap.OffloadTSO, encap.OffloadCSUM | encap.OffloadTSO, 3},
		{"checksums", unix.TUN_F_CSUM, encap.OffloadCSUM, encap.OffloadCSUM | encap.OffloadTSO, 4},
		{"nothing", 0, 0, encap.OffloadCSUM | encap.OffloadTSO, 4},
	} {
		var asked []int
		g := negotiate(func(flags int) error {
			asked = append(asked, flags)
			if flags&^c.knows != 0 {
				return unix.EINVAL
			}
			return nil
		})
		if g.read != c.read || g.write != c.write || len(asked) != c.asked || slices.Contains(asked[1:], asked[0]) {
			t.Errorf("%s: reads %b and writes %b after %#x", c.name, g.read, g.write, asked)
		}
		if complete := c.asked == 1; complete != (g.why == nil) || !complete && !errors.Is(g.why, unix.EINVAL) {
			t.Errorf("%s: %v", c.name, g.why)
		}
	}
}

// What the kernel refuses later is said to be missing, for that reason.
func TestFeaturesShrink(t *testing.T) {
	q, _ := scripted(unix.EINVAL)
	d := &Device{queues: []*Queue{{q}}, granted: granted{read: q.Offloads(), write: q.Offloads()}}
	q.retract(encap.GSOTCP4)
	for _, f := range d.Features() {
		if want := f.Name == FeatureWriteTSO; want != (f.Err != nil) || want && !errors.Is(f.Err, errRefused) {
			t.Errorf("%s: %v", f.Name, f.Err)
		}
	}
}

// A superframe within the limits is one train, whatever its MTU, headers and segments.
func TestSuperframeFitsTrain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mtu := rapid.IntRange(encap.MinMTU, encap.MaxMTU).Draw(t, "mtu")
		segments, size := superframeLimits(mtu)
		if segments < 1 || segments > trainSegments || size < 1 || size > maxGSOSize {
			t.Fatalf("%d segments, %d bytes", segments, size)
		}
		if segments == 1 {
			return // one frame is none
		}
		packet := rapid.IntRange(encap.MinMTU, mtu).Draw(t, "packet")
		frame := packet + encap.EthernetSize + 2*encap.VLANTagSize
		if n := segments * (frame + encap.VXLANSize); n > trainBytes {
			t.Fatalf("%d segments of %d bytes are a train of %d", segments, packet, n)
		}
	})
}
