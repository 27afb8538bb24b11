package fdb_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/vxtap/vxtap/dataplane/fdb"
	"github.com/vxtap/vxtap/encap"
)

// filled returns a table of n learned entries behind 100 destinations, and their MACs
// in random order, repeated to a power of two.
func filled(n int) (*fdb.Table[dest], []encap.MAC) {
	table := fdb.New[dest](nil)
	places := make([]dest, 100)
	for i := range n {
		table.Learn(station(i+1), &places[i%100], 0)
	}
	size := 1
	for size < n {
		size *= 2
	}
	macs := make([]encap.MAC, size)
	for i := range macs {
		macs[i] = station(i%n + 1)
	}
	rand.Shuffle(size, func(i, j int) { macs[i], macs[j] = macs[j], macs[i] })
	return table, macs
}

func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{1_000, 100_000, 1_000_000} {
		table, macs := filled(n)
		b.Run(fmt.Sprintf("hit/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if d, _ := table.Lookup(macs[i&(len(macs)-1)]); d == nil {
					b.Fatal("missing")
				}
				i++
			}
		})
		b.Run(fmt.Sprintf("miss/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				mac := macs[i&(len(macs)-1)]
				mac[1] = 1
				if d, _ := table.Lookup(mac); d != nil {
					b.Fatal("found")
				}
				i++
			}
		})
		b.Run(fmt.Sprintf("parallel/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := rand.Int(); pb.Next(); i++ {
					table.Lookup(macs[i&(len(macs)-1)])
				}
			})
		})
	}
}

func BenchmarkLearned(b *testing.B) {
	table, macs := filled(100_000)
	d, _ := table.Lookup(macs[0])
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		table.Learned(macs[i&(len(macs)-1)], d, uint32(i>>20))
		i++
	}
}

// BenchmarkInsert fills a table to a million entries: time is per entry, growth
// included.
func BenchmarkInsert(b *testing.B) {
	d := new(dest)
	b.ReportAllocs()
	table := fdb.New[dest](nil)
	for i := range b.N {
		if i%1_000_000 == 0 {
			table = fdb.New[dest](nil)
		}
		table.Learn(station(i%1_000_000+1), d, 0)
	}
}

// BenchmarkExpire scans a million entries of which none is old.
func BenchmarkExpire(b *testing.B) {
	table, _ := filled(1_000_000)
	for b.Loop() {
		table.Expire(1, 300)
	}
}
