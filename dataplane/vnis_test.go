package dataplane

import (
	"testing"

	"github.com/vxtap/vxtap/encap"
)

// Anyone can send datagrams of VNIs that nobody has; to find that out must not take a walk
// through all networks.
func TestVNIsAreFoundInFewSteps(t *testing.T) {
	for _, step := range []encap.VNI{1, 2, 10, 100, 256, 1000, 4096, 10000} {
		networks := make(map[encap.VNI]*Network)
		for i := range encap.VNI(1000) {
			vni := 1 + i*step
			networks[vni] = &Network{vni: vni}
		}
		x := newVNIIndex(networks)
		for vni, n := range networks {
			if x.find(vni) != n {
				t.Fatalf("step %d: VNI %d was not found", step, vni)
			}
		}
		if x.find(0) != nil || x.find(encap.MaxVNI) != nil {
			t.Errorf("step %d: found a VNI that nobody has", step)
		}
		run, longest := 0, 0
		for _, n := range append(x.slots, x.slots...) { // as it wraps
			run++
			if n == nil {
				run = 0
			}
			longest = max(longest, run)
		}
		if longest > 40 {
			t.Errorf("step %d: %d steps to the end of a search", step, longest)
		}
	}
}
