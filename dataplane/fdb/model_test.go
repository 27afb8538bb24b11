package fdb_test

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/vxtap/vxtap/dataplane/fdb"
	"github.com/vxtap/vxtap/encap"
)

// model is the table as a map, with the table under test beside it. Each
// operation is done to both and compared.
type model struct {
	table    *fdb.Table[dest]
	entries  map[encap.MAC]fdb.Entry[dest]
	refs     map[*dest]int
	released map[*dest]int // calls, less those the model expects
	named    map[*dest]bool
	limit    int
	now      uint32
}

func newModel() *model {
	m := &model{
		entries:  make(map[encap.MAC]fdb.Entry[dest]),
		refs:     make(map[*dest]int),
		released: make(map[*dest]int),
		named:    make(map[*dest]bool),
	}
	m.table = fdb.New(func(d *dest) { m.released[d]++ })
	m.table.Watch(func(d *dest, named bool) { m.named[d] = named })
	return m
}

func (m *model) put(e fdb.Entry[dest]) {
	m.refs[e.Dest]++
	m.remove(e.MAC)
	m.entries[e.MAC] = e
}

func (m *model) remove(mac encap.MAC) {
	e, ok := m.entries[mac]
	if !ok {
		return
	}
	delete(m.entries, mac)
	if m.refs[e.Dest]--; m.refs[e.Dest] == 0 {
		m.released[e.Dest]--
	}
}

func (m *model) removeIf(f func(fdb.Entry[dest]) bool) (n int) {
	for mac, e := range m.entries {
		if f(e) {
			m.remove(mac)
			n++
		}
	}
	return n
}

func (m *model) count(c fdb.Class) (n int) {
	for _, e := range m.entries {
		if e.Class == c {
			n++
		}
	}
	return n
}

// learn is what Learn should do.
func (m *model) learn(mac encap.MAC, d *dest) fdb.Result {
	e, ok := m.entries[mac]
	switch {
	case !mac.IsUnicast():
		return fdb.Invalid
	case !ok && m.limit > 0 && m.count(fdb.Learned) >= m.limit:
		return fdb.Full
	case !ok:
		m.put(fdb.Entry[dest]{MAC: mac, Class: fdb.Learned, Dest: d, Seen: m.now})
		return fdb.Added
	case e.Dest == d:
		e.Seen = m.now
		m.entries[mac] = e
		return fdb.Refreshed
	case e.Class > fdb.Learned:
		return fdb.Held
	}
	m.put(fdb.Entry[dest]{MAC: mac, Class: fdb.Learned, Dest: d, Seen: m.now})
	return fdb.Moved
}

// set is what Set should do, and Add if only lower classes give way.
func (m *model) set(mac encap.MAC, c fdb.Class, d *dest, add bool) bool {
	e, ok := m.entries[mac]
	if mac.IsZero() || c < fdb.Static || ok && (e.Class > c || add && e.Class == c) {
		return false
	}
	m.put(fdb.Entry[dest]{MAC: mac, Class: c, Dest: d, Seen: e.Seen})
	return true
}

// failer is what testing.T and rapid.T share.
type failer interface {
	Fatalf(format string, args ...any)
}

// do runs one operation, named by a byte, on model and table.
func (m *model) do(t failer, op byte, mac encap.MAC, d *dest, arg byte) {
	c := fdb.Class(arg % 5)
	switch op % 9 {
	case 0, 1:
		if got, want := m.table.Learn(mac, d, m.now), m.learn(mac, d); got != want {
			t.Fatalf("Learn(%v): %v, want %v", mac, got, want)
		}
	case 2:
		held, known := m.table.Learned(mac, d, m.now)
		e := m.entries[mac]
		if held != e.Class || known != (e.Dest == d || e.Class > fdb.Learned) {
			t.Fatalf("Learned(%v): %v, %v; entry %v", mac, held, known, e)
		}
		if e.Dest == d {
			e.Seen = m.now
			m.entries[mac] = e
		}
	case 3:
		m.compareSet(t, m.table.Set(mac, c, d), m.set(mac, c, d, false))
	case 4:
		m.compareSet(t, m.table.Add(mac, c, d), m.set(mac, c, d, true))
	case 5:
		e, want := m.entries[mac]
		of := []fdb.Class{c}
		if c == fdb.None {
			of = nil
		}
		want = want && (e.Class == c || c == fdb.None)
		if want {
			m.remove(mac)
		}
		if got := m.table.Delete(mac, of...); got != want {
			t.Fatalf("Delete(%v, %v) = %v", mac, of, got)
		}
	case 6:
		m.now += uint32(arg)
		age := uint32(arg) / 2
		want := m.removeIf(func(e fdb.Entry[dest]) bool {
			return e.Class == fdb.Learned && age > 0 && m.now-e.Seen >= age
		})
		if got := m.table.Expire(m.now, age); got != want {
			t.Fatalf("Expire removed %d, want %d", got, want)
		}
	case 7:
		f := func(e fdb.Entry[dest]) bool { return e.Dest == d && e.Class <= c }
		if got, want := m.table.Flush(f), m.removeIf(f); got != want {
			t.Fatalf("Flush removed %d, want %d", got, want)
		}
	case 8:
		m.limit = int(arg)
		m.table.SetLimit(m.limit)
	}
	gotD, gotC := m.table.Lookup(mac)
	if e := m.entries[mac]; gotD != e.Dest || gotC != e.Class {
		t.Fatalf("after op %d Lookup(%v) = %v, %v; want %v", op%9, mac, gotD, gotC, e)
	}
}

func (m *model) compareSet(t failer, err error, ok bool) {
	var held *fdb.HeldError
	known := errors.As(err, &held) || errors.Is(err, fdb.ErrClass) || errors.Is(err, fdb.ErrZeroMAC)
	if ok != (err == nil) || err != nil && !known {
		t.Fatalf("set: %v, want success %v", err, ok)
	}
}

// check compares the whole of the table with the model.
func (m *model) check(t failer) {
	n := 0
	named := make(map[*dest]bool)
	for e := range m.table.All() {
		if e.Class > fdb.Learned {
			named[e.Dest] = true
		}
		if m.entries[e.MAC] != e {
			t.Fatalf("table has %v, model %v", e, m.entries[e.MAC])
		}
		n++
	}
	if n != len(m.entries) || m.table.Len() != n {
		t.Fatalf("All yields %d, Len is %d, model has %d", n, m.table.Len(), len(m.entries))
	}
	for c := fdb.Learned; c <= fdb.Local; c++ {
		if m.table.Count(c) != m.count(c) {
			t.Fatalf("%d %v entries, want %d", m.table.Count(c), c, m.count(c))
		}
	}
	for d := range m.refs {
		if m.named[d] != named[d] {
			t.Fatalf("%v is said to be named: %t", d, m.named[d])
		}
	}
	for d, n := range m.refs {
		if m.table.References(d) != n || m.released[d] != 0 {
			t.Fatalf("%v: %d references, want %d; released %d times too often",
				d, m.table.References(d), n, m.released[d])
		}
	}
}

var dests = []*dest{red, blue, {"green"}}

func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel()
		macs := rapid.SampledFrom([]int{1, 20, 5000}).Draw(t, "macs")
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			mac := station(rapid.IntRange(0, macs).Draw(t, "mac"))
			if rapid.IntRange(0, 50).Draw(t, "odd") == 0 {
				mac = rapid.SampledFrom([]encap.MAC{{}, encap.Broadcast}).Draw(t, "oddMAC")
			}
			m.do(t, rapid.Byte().Draw(t, "op"), mac,
				rapid.SampledFrom(dests).Draw(t, "dest"), rapid.Byte().Draw(t, "arg"))
		}
		m.check(t)
	})
}

// FuzzTable reads operations of five bytes: what to do, two for the MAC, the
// destination, an argument. An operation of 0xff repeats learning for a run of MACs, so
// that short inputs reach large tables.
func FuzzTable(f *testing.F) {
	f.Add([]byte{0, 0, 1, 0, 0, 0, 0, 1, 1, 0, 6, 0, 1, 0, 9})
	f.Add([]byte{0xff, 0, 0, 0, 255, 7, 0, 5, 0, 1, 0xff, 1, 0, 1, 200, 5, 0, 3, 0, 0})
	f.Add([]byte{8, 0, 0, 0, 2, 0, 0, 1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 3, 0, 0, 3, 0, 3, 1, 2})
	f.Fuzz(func(t *testing.T, ops []byte) {
		m := newModel()
		for ; len(ops) >= 5; ops = ops[5:] {
			mac := encap.MACFromUint64(uint64(ops[1])<<40 | uint64(ops[2]))
			d, arg := dests[int(ops[3])%len(dests)], ops[4]
			if ops[0] != 0xff {
				m.do(t, ops[0], mac, d, arg)
				continue
			}
			for i := range int(arg) {
				m.do(t, 0, encap.MACFromUint64(mac.Uint64()+uint64(i)), d, 0)
			}
		}
		m.check(t)
	})
}
