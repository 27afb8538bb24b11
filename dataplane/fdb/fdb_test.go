package fdb_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/vxtap/vxtap/dataplane/fdb"
	"github.com/vxtap/vxtap/encap"
)

// dest stands for the dataplane's destinations.
type dest struct{ name string }

var (
	red  = &dest{"red"}
	blue = &dest{"blue"}
)

// station returns the n-th MAC of a made-up network.
func station(n int) encap.MAC { return encap.MACFromUint64(0x02_00_00_00_00_00 | uint64(n)) }

func wantLookup(t *testing.T, table *fdb.Table[dest], mac encap.MAC, d *dest, c fdb.Class) {
	t.Helper()
	if gotD, gotC := table.Lookup(mac); gotD != d || gotC != c {
		t.Errorf("Lookup(%v) = %v, %v; want %v, %v", mac, gotD, gotC, d, c)
	}
}

func TestPrecedence(t *testing.T) {
	order := []fdb.Class{fdb.Learned, fdb.Static, fdb.Controlled, fdb.Local}
	mac := station(1)
	for _, first := range order {
		for _, second := range order[1:] {
			table := fdb.New[dest](nil)
			put(t, table, mac, first, red)

			var held *fdb.HeldError
			err := table.Set(mac, second, blue)
			if second >= first {
				if err != nil {
					t.Errorf("Set %v over %v: %v", second, first, err)
				}
				wantLookup(t, table, mac, blue, second)
			} else {
				if !errors.As(err, &held) || held.Class != first || held.MAC != mac {
					t.Errorf("Set %v over %v: %v, want HeldError", second, first, err)
				}
				wantLookup(t, table, mac, red, first)
			}
			if table.Len() != 1 || table.Count(max(first, second)) != 1 {
				t.Errorf("Set %v over %v: %d entries", second, first, table.Len())
			}
		}
	}
}

func put(t *testing.T, table *fdb.Table[dest], mac encap.MAC, c fdb.Class, d *dest) {
	t.Helper()
	if c == fdb.Learned {
		table.Learn(mac, d, 0)
		return
	}
	if err := table.Set(mac, c, d); err != nil {
		t.Fatal(err)
	}
}

func TestAdd(t *testing.T) {
	table := fdb.New[dest](nil)
	mac := station(1)
	table.Learn(mac, red, 7)
	if err := table.Add(mac, fdb.Static, blue); err != nil {
		t.Errorf("Add over a learned entry: %v", err)
	}
	err := table.Add(mac, fdb.Static, red)
	var held *fdb.HeldError
	if !errors.As(err, &held) || err.Error() != "02:00:00:00:00:01 already has a static entry" {
		t.Errorf("second Add: %v", err)
	}
	wantLookup(t, table, mac, blue, fdb.Static)
	if err := table.Add(encap.MAC{}, fdb.Static, red); !errors.Is(err, fdb.ErrZeroMAC) {
		t.Errorf("Add of the zero MAC: %v", err)
	}
	for _, c := range []fdb.Class{fdb.None, fdb.Learned, fdb.Local + 1} {
		if err := table.Add(mac, c, red); !errors.Is(err, fdb.ErrClass) {
			t.Errorf("Add of class %v: %v", c, err)
		}
	}
}

func TestLearn(t *testing.T) {
	table := fdb.New[dest](nil)
	mac, port := station(1), station(2)
	if err := table.Set(port, fdb.Local, red); err != nil {
		t.Fatal(err)
	}
	for i, step := range []struct {
		mac  encap.MAC
		d    *dest
		want fdb.Result
	}{
		{mac, red, fdb.Added},
		{mac, red, fdb.Refreshed},
		{mac, blue, fdb.Moved},
		{mac, blue, fdb.Refreshed},
		{port, red, fdb.Refreshed},
		{port, blue, fdb.Held},
		{encap.MAC{}, red, fdb.Invalid},
		{encap.Broadcast, red, fdb.Invalid},
		{encap.MAC{1}, red, fdb.Invalid},
	} {
		if got := table.Learn(step.mac, step.d, uint32(i)); got != step.want {
			t.Errorf("step %d: %v, want %v", i, got, step.want)
		}
	}
	wantLookup(t, table, mac, blue, fdb.Learned)
	wantLookup(t, table, port, red, fdb.Local)
	wantLookup(t, table, encap.MAC{}, nil, fdb.None)
}

func TestLearned(t *testing.T) {
	table := fdb.New[dest](nil)
	mac, port := station(1), station(2)
	if err := table.Set(port, fdb.Local, red); err != nil {
		t.Fatal(err)
	}
	want := func(mac encap.MAC, d *dest, held fdb.Class, known bool) {
		t.Helper()
		if h, k := table.Learned(mac, d, 5); h != held || k != known {
			t.Errorf("Learned(%v) = %v, %v; want %v, %v", mac, h, k, held, known)
		}
	}
	want(mac, red, fdb.None, false)
	table.Learn(mac, red, 3)
	want(mac, red, fdb.Learned, true)
	want(mac, blue, fdb.Learned, false)
	want(port, red, fdb.Local, true)
	want(port, blue, fdb.Local, true)
	want(encap.MAC{}, blue, fdb.None, false)
	if seen := seenOf(table, mac); seen != 5 {
		t.Errorf("seen %d, want 5", seen)
	}
	table.Learned(mac, red, 4)
	if seen := seenOf(table, mac); seen != 5 {
		t.Errorf("a clock behind turned seen back to %d", seen)
	}
	table.Delete(mac)
	want(mac, red, fdb.None, false)
}

func seenOf(table *fdb.Table[dest], mac encap.MAC) uint32 {
	for e := range table.All() {
		if e.MAC == mac {
			return e.Seen
		}
	}
	return 0
}

func TestExpire(t *testing.T) {
	const now = 2 // just after the seconds have wrapped
	table := fdb.New[dest](nil)
	for age := range uint32(10) {
		table.Learn(station(int(age)+1), red, now-age)
	}
	table.Learn(station(100), red, now+1)
	if err := table.Set(station(101), fdb.Static, red); err != nil {
		t.Fatal(err)
	}
	if n := table.Expire(now, 0); n != 0 {
		t.Errorf("age 0 removed %d", n)
	}
	if n := table.Expire(now, 4); n != 6 {
		t.Errorf("removed %d, want 6", n)
	}
	wantLookup(t, table, station(4), red, fdb.Learned)
	wantLookup(t, table, station(5), nil, fdb.None)
	wantLookup(t, table, station(100), red, fdb.Learned)
	wantLookup(t, table, station(101), red, fdb.Static)
}

func TestLimit(t *testing.T) {
	table := fdb.New[dest](nil)
	table.SetLimit(2)
	table.Learn(station(1), red, 0)
	table.Learn(station(2), red, 0)
	if r := table.Learn(station(3), red, 0); r != fdb.Full {
		t.Errorf("third MAC: %v", r)
	}
	if r := table.Learn(station(2), blue, 0); r != fdb.Moved {
		t.Errorf("move at the limit: %v", r)
	}
	if err := table.Add(station(3), fdb.Static, red); err != nil {
		t.Errorf("static entry at the limit: %v", err)
	}
	table.Delete(station(1))
	if r := table.Learn(station(4), red, 0); r != fdb.Added {
		t.Errorf("after a deletion: %v", r)
	}
	table.SetLimit(1)
	if table.Count(fdb.Learned) != 2 {
		t.Error("lowering the limit evicted an entry")
	}
	table.SetLimit(0)
	table.Learn(station(5), red, 0)
	if table.Count(fdb.Learned) != 3 || table.Refused() != 1 {
		t.Errorf("%d learned, %d refused", table.Count(fdb.Learned), table.Refused())
	}
}

func TestDeleteByClass(t *testing.T) {
	table := fdb.New[dest](nil)
	if err := table.Set(station(1), fdb.Static, red); err != nil {
		t.Fatal(err)
	}
	if table.Delete(station(2)) || table.Delete(station(1), fdb.Learned, fdb.Local) {
		t.Error("deleted what was not asked for")
	}
	if !table.Delete(station(1), fdb.Learned, fdb.Static) || table.Delete(station(1)) {
		t.Error("the entry was not deleted exactly once")
	}
	if table.Len() != 0 || len(slices.Collect(table.All())) != 0 {
		t.Error("an entry is left")
	}
}

func TestFlood(t *testing.T) {
	table := fdb.New[dest](nil)
	green := &dest{"green"}
	want := func(list ...*dest) {
		t.Helper()
		if !slices.Equal(table.Flood(), list) {
			t.Errorf("flood list %v, want %v", table.Flood(), list)
		}
	}
	want()
	if !table.AddFlood(red) || !table.AddFlood(blue) || table.AddFlood(red) {
		t.Error("AddFlood")
	}
	before := table.Flood()
	want(red, blue)
	if !table.RemoveFlood(red) || table.RemoveFlood(red) {
		t.Error("RemoveFlood")
	}
	want(blue)
	table.SetFlood([]*dest{green, blue, green})
	want(green, blue)
	if !slices.Equal(before, []*dest{red, blue}) {
		t.Errorf("a reader's list changed under it: %v", before)
	}
}

func TestReleased(t *testing.T) {
	var freed []*dest
	var table *fdb.Table[dest]
	table = fdb.New(func(d *dest) {
		if n := table.References(d); n != 0 { // would block if a lock were held
			t.Errorf("released with %d references", n)
		}
		freed = append(freed, d)
	})
	want := func(what string, list ...*dest) {
		t.Helper()
		if !slices.Equal(freed, list) {
			t.Errorf("%s released %v, want %v", what, freed, list)
		}
		freed = nil
	}
	table.Learn(station(1), red, 0)
	table.Learn(station(2), red, 0)
	table.AddFlood(red)
	if n := table.References(red); n != 3 {
		t.Errorf("%d references, want 3", n)
	}
	if err := table.Set(station(1), fdb.Static, red); err != nil {
		t.Fatal(err)
	}
	want("a change of class")
	table.Learn(station(2), blue, 0)
	table.SetFlood([]*dest{red})
	table.Delete(station(1))
	want("all but the last use")
	table.SetFlood(nil)
	want("the end of the flood list", red)
	table.Learn(station(2), red, 0)
	want("a move", blue)
	table.Expire(10, 5)
	want("expiry", red)
}

func TestReadersDoNotAllocate(t *testing.T) {
	table := fdb.New[dest](nil)
	table.AddFlood(red)
	for i := range 1000 {
		table.Learn(station(i+1), red, 0)
	}
	now := uint32(0)
	for name, f := range map[string]func(){
		"Lookup":  func() { table.Lookup(station(5)); table.Lookup(station(5000)) },
		"Learned": func() { now++; table.Learned(station(5), red, now); table.Learned(station(5), blue, now) },
		"Flood":   func() { table.Flood() },
		"Learn":   func() { now++; table.Learn(station(5), red, now) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}
