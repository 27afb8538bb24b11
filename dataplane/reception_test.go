package dataplane

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/vxtap/vxtap/encap"
)

// backlog is an underlay with datagrams that wait, of given sizes and each with bytes of its
// own, of which a call returns as many as it may.
type backlog struct {
	Underlay
	t       interface{ Fatalf(string, ...any) }
	sizes   []int
	brought int
	calls   int
	fails   bool // once, when nothing waits
}

func (b *backlog) payload(i int) []byte {
	return bytes.Repeat([]byte{byte(i), byte(i >> 8)}, b.sizes[i]/2+1)[:b.sizes[i]]
}

func (b *backlog) Poll(dgrams []encap.Datagram) (int, error) {
	b.calls++
	if b.brought == len(b.sizes) && b.fails {
		b.fails = false
		return 0, errors.New("some error")
	}
	for i := range dgrams {
		d := &dgrams[i]
		if len(d.Data) < maxDatagram {
			b.t.Fatalf("a buffer of %d bytes is offered", len(d.Data))
		}
		if b.brought == len(b.sizes) {
			return i, nil
		}
		*d = encap.Datagram{Data: d.Data[:copy(d.Data, b.payload(b.brought))]}
		b.brought++
	}
	return len(dgrams), nil
}

// All datagrams come, once, in order and whole, whatever their sizes.
func TestReceptionKeepsAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		small := rapid.IntRange(0, 1600)
		size := rapid.OneOf(small, small, small, small, small, small, small, rapid.IntRange(0, maxDatagram))
		n := rapid.IntRange(0, 700).Draw(t, "datagrams")
		b := &backlog{t: t, sizes: rapid.SliceOfN(size, n, n).Draw(t, "sizes"), fails: rapid.Bool().Draw(t, "fails")}
		fails := b.fails
		var r reception
		r.use(b)
		for seen := 0; seen < len(b.sizes); {
			n, err := r.poll()
			if n == 0 {
				t.Fatalf("nothing after %d of %d: %v", seen, len(b.sizes), err)
			}
			for i := range r.dgrams[:n] {
				if !bytes.Equal(r.dgrams[i].Data, b.payload(seen)) {
					t.Fatalf("datagram %d, %d of its batch, is not what was sent", seen, i)
				}
				seen++
			}
			r.offer(n)
		}
		// A pass that failed behind others says so with the next batch.
		if n, err := r.poll(); n != 0 || (err != nil) != fails {
			t.Fatalf("%d more: %v", n, err)
		}
	})
}

// Small datagrams come in as many passes as there are, large ones in one.
func TestReceptionPasses(t *testing.T) {
	for _, c := range []struct{ size, waiting, batch, calls int }{
		{1450, 1000, maxReception, maxPasses},
		{1450, 3 * batchSize, 3 * batchSize, 4},
		{1450, batchSize + 1, batchSize + 1, 2},
		{1450, batchSize - 1, batchSize - 1, 1},
		{60000, 1000, batchSize, 1},
	} {
		b := &backlog{t: t, sizes: make([]int, c.waiting)}
		for i := range b.sizes {
			b.sizes[i] = c.size
		}
		var r reception
		r.use(b)
		if n, _ := r.poll(); n != c.batch || b.calls != c.calls {
			t.Errorf("%d of %d bytes: %d in %d calls, want %d in %d", c.waiting, c.size, n, b.calls, c.batch, c.calls)
		}
	}
}

// The error of a pass behind others is not lost, nor are they.
func TestReceptionFailsBehind(t *testing.T) {
	b := &backlog{t: t, sizes: make([]int, batchSize), fails: true}
	var r reception
	r.use(b)
	if n, err := r.poll(); n != batchSize || err != nil {
		t.Fatalf("%d: %v", n, err)
	}
	if n, err := r.poll(); n != 0 || err == nil {
		t.Fatalf("%d more: %v", n, err)
	}
}
