package fdb_test

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/vxtap/vxtap/dataplane/fdb"
)

// TestReadersBesideWriter has readers check, while a writer learns, moves, expires and
// so grows and shrinks the table, that a MAC only ever leads to a destination that was
// set for it, and that an entry nobody touches is never out of sight.
func TestReadersBesideWriter(t *testing.T) {
	const (
		stable  = 50
		changed = 400 // few, so that the array is built anew all the time
		rounds  = 300
	)
	// MAC n may lead to places[n%7] or places[n%7+7], nowhere else.
	places := make([]*dest, 14)
	for i := range places {
		places[i] = &dest{}
	}
	table := fdb.New[dest](nil)
	for i := range stable {
		if err := table.Set(station(i+1), fdb.Static, places[(i+1)%7]); err != nil {
			t.Fatal(err)
		}
	}

	var done atomic.Bool
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for !done.Load() && !t.Failed() {
				n := 1 + rand.IntN(stable+changed)
				d, c := table.Lookup(station(n))
				switch {
				case n <= stable && (d != places[n%7] || c != fdb.Static):
					t.Errorf("stable entry %d: %p, %v", n, d, c)
				case d != nil && d != places[n%7] && d != places[n%7+7]:
					t.Errorf("entry %d leads to another's destination", n)
				case (d == nil) != (c == fdb.None):
					t.Errorf("entry %d: %p with class %v", n, d, c)
				}
				if d != nil {
					table.Learned(station(n), d, rand.Uint32N(100))
				}
				if len(table.Flood())%2 != 0 {
					t.Error("half a flood list")
				}
			}
		})
	}
	for round := range rounds {
		for range changed {
			n := 1 + stable + rand.IntN(changed)
			table.Learn(station(n), places[n%7+7*rand.IntN(2)], uint32(round))
		}
		table.SetFlood(places[:2*(round%7)])
		for e := range table.All() {
			if e.Dest == nil || e.Class == fdb.None {
				t.Errorf("All yields %v", e)
			}
		}
		if round%3 == 2 {
			table.Flush(func(e fdb.Entry[dest]) bool { return e.Class == fdb.Learned })
		}
	}
	done.Store(true)
	readers.Wait()
}
