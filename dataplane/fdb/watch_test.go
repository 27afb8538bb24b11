package fdb_test

import (
	"slices"
	"testing"

	"github.com/vxtap/vxtap/dataplane/fdb"
)

func TestWatchTellsEachChangeOnce(t *testing.T) {
	table := fdb.New[dest](nil)
	type call struct {
		d     *dest
		named bool
	}
	var calls []call
	table.Watch(func(d *dest, named bool) { calls = append(calls, call{d, named}) })
	for _, step := range []struct {
		what string
		do   func()
		want []call
	}{
		{"learned", func() { table.Learn(station(1), red, 0) }, nil},
		{"flooded to", func() { table.AddFlood(red) }, []call{{red, true}}},
		{"and in an entry", func() { _ = table.Set(station(2), fdb.Static, red) }, nil},
		{"set again", func() { _ = table.Set(station(2), fdb.Static, red) }, nil},
		{"the flood list is another", func() { table.SetFlood([]*dest{blue}) }, []call{{blue, true}}},
		{"and both", func() { table.SetFlood([]*dest{red, blue}) }, nil},
		{"the learned entry becomes a port's", func() { _ = table.Set(station(1), fdb.Local, blue) }, nil},
		{"off the flood list", func() { table.RemoveFlood(red) }, nil},
		{"replaced", func() { _ = table.Set(station(2), fdb.Static, blue) }, []call{{red, false}}},
		{"no flood list", func() { table.SetFlood(nil) }, nil},
		{"flushed", func() { table.Flush(func(fdb.Entry[dest]) bool { return true }) }, []call{{blue, false}}},
	} {
		calls = nil
		step.do()
		if !slices.Equal(calls, step.want) {
			t.Errorf("%s: told %v, want %v", step.what, calls, step.want)
		}
	}
}

func TestWatchMayWrite(t *testing.T) {
	var released []*dest
	table := fdb.New(func(d *dest) { released = append(released, d) })
	table.Learn(station(1), red, 0)
	table.Watch(func(*dest, bool) { table.Delete(station(1), fdb.Learned) })
	table.AddFlood(blue)
	if table.Len() != 0 || !slices.Equal(released, []*dest{red}) {
		t.Errorf("%d entries, released %v", table.Len(), released)
	}
}
