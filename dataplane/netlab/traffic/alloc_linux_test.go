package traffic

import (
	"net/netip"
	"testing"
)

// What is done for each burst allocates nothing, so that no garbage collection falls
// into a measurement.
func TestBurstsDoNotAllocate(t *testing.T) {
	lo := netip.MustParseAddr("127.0.0.1")
	for _, flows := range []int{1, 4} {
		rx, ports, err := newReceiver(Here, lo, request{Token: 7, Flows: flows})
		if err != nil {
			t.Fatal(err)
		}
		defer rx.close()
		c := NewClient(Here, netip.AddrPortFrom(lo, 1))
		tx, err := c.newSender(UDPConfig{Sizes: imixSizes, Flows: flows}, ports, 7)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.socket.close()
		allocs := testing.AllocsPerRun(100, func() {
			n, _ := tx.pacer.due(0)
			if _, err := tx.send(n); err != nil {
				t.Fatal(err)
			}
			if _, err := rx.receive(); err != nil {
				t.Fatal(err)
			}
		})
		if allocs > 0 {
			t.Errorf("%d flows: %v allocations in a burst", flows, allocs)
		}
		for rx.total().Received < tx.number {
			if n, err := rx.receive(); n == 0 || err != nil {
				t.Fatalf("%d flows: %d of %d arrived, %v", flows, rx.total().Received, tx.number, err)
			}
		}
	}
}

var imixSizes = []int{12, 548, 12, 1372}
