package tap_test

import (
	"os"
	"slices"
	"testing"

	"github.com/vxtap/vxtap/dataplane/tap"
)

// pipe returns both ends of a pipe, closed with the test.
func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// Descriptors are reported as long as they are readable, together with tokens that were
// woken, and a token that is both comes once.
func TestPollerDescriptors(t *testing.T) {
	p, err := tap.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var files []*os.File
	for token := range 3 {
		r, w := pipe(t)
		files = append(files, r)
		if err := p.Add(int(r.Fd()), token); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte("readable")); err != nil {
			t.Fatal(err)
		}
	}
	p.Wake(2)
	p.Wake(7)
	for range 3 {
		if got := wait(t, p, 8); !slices.Equal(got, []int{0, 1, 2, 7}) {
			t.Errorf("got tokens %v", got)
		}
		p.Wake(7) // and level-triggered ones without being asked
	}
	if err := p.Remove(int(files[1].Fd())); err != nil {
		t.Fatal(err)
	}
	if got := wait(t, p, 8); !slices.Equal(got, []int{0, 2, 7}) {
		t.Errorf("after Remove got tokens %v", got)
	}
	if err := p.Remove(int(files[1].Fd())); err == nil {
		t.Error("a descriptor was removed twice")
	}
	if err := p.Add(int(files[1].Fd()), -1); err == nil {
		t.Error("a negative token was taken")
	}
}

// More descriptors than one system call reports, and little room: all come, and woken
// tokens are not starved by them.
func TestPollerManyDescriptors(t *testing.T) {
	p, err := tap.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	const count = 150
	for token := range count {
		r, w := pipe(t)
		if err := p.Add(int(r.Fd()), token); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte{1}); err != nil {
			t.Fatal(err)
		}
	}
	p.Wake(count)
	seen := map[int]bool{}
	for range 10 * count {
		for _, token := range wait(t, p, 7) {
			seen[token] = true
		}
	}
	if len(seen) != count+1 {
		t.Errorf("%d of %d tokens came", len(seen), count+1)
	}
}
