package fdb

import (
	"math/bits"
	"testing"

	"github.com/vxtap/vxtap/encap"
)

// TestHostileMACs: MACs in any regular pattern spread like random ones. The bound is
// that of a million entries, so chance does not reach it with these few.
func TestHostileMACs(t *testing.T) {
	for name, mac := range map[string]func(n uint64) uint64{
		"consecutive":        func(n uint64) uint64 { return n },
		"upper octets":       func(n uint64) uint64 { return n << 30 },
		"steps of 4096":      func(n uint64) uint64 { return n << 12 },
		"steps of an odd":    func(n uint64) uint64 { return n * 0x9e3779b1 },
		"bits reversed":      func(n uint64) uint64 { return bits.Reverse64(n) >> 16 },
		"halves alike":       func(n uint64) uint64 { return n | n<<24 },
		"two bits at a time": func(n uint64) uint64 { return 1<<(n%48) ^ 1<<(n/48%48) ^ n/48/48<<8 },
	} {
		table := New[int](nil)
		d := new(int)
		for n := range uint64(50_000) {
			if key := mac(n + 1); key&(1<<48-1) != 0 {
				if err := table.Set(encap.MACFromUint64(key), Static, d); err != nil {
					t.Fatal(err)
				}
			}
		}
		a := table.slots.Load()
		longest := 0
		for i := range a.at {
			if key := a.at[i].key.Load(); key != 0 {
				_, probes := a.probe(key)
				longest = max(longest, probes)
			}
		}
		if longest > maxProbes {
			t.Errorf("%s: longest probe %d", name, longest)
		}
		t.Logf("%s: %d entries, longest probe %d", name, table.Len(), longest)
	}
}

// TestSize: the array stays at most half full, drops dead slots, and shrinks.
func TestSize(t *testing.T) {
	table := New[int](nil)
	d := new(int)
	size := func() int { return len(table.slots.Load().at) }
	for n := range uint64(10_000) {
		table.Learn(encap.MACFromUint64((n+1)<<1), d, 0)
		if a := table.slots.Load(); a.used > len(a.at)/2 {
			t.Fatalf("%d of %d slots used", a.used, len(a.at))
		}
	}
	if size() != 1<<15 {
		t.Errorf("%d slots for 10000 entries", size())
	}
	table.Flush(func(Entry[int]) bool { return true })
	if size() != minSlots {
		t.Errorf("%d slots when empty", size())
	}
	for n := range uint64(10_000) {
		mac := encap.MACFromUint64((n + 1) << 1)
		table.Learn(mac, d, 0)
		table.Delete(mac)
	}
	if size() != minSlots {
		t.Errorf("%d slots after 10000 entries that came and went", size())
	}
}

// TestFindMissing: an empty slot is nobody's. A reader that kept it could find another
// MAC's destination in it a moment later.
func TestFindMissing(t *testing.T) {
	a := newSlots[int](0)
	if s := a.find(1); s != nil {
		t.Error("found a slot in an empty array")
	}
}
