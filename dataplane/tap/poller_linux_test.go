package tap_test

import (
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

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
func TestPollerDescriptors(t *testing.T) { eachEpoll(t, testDescriptors) }

// epolls are the ways to wait by epoll.
var epolls = map[string]func() (*tap.Poller, error){"system": tap.NewPoller, "parking": tap.NewParkingPoller}

func eachEpoll(t *testing.T, test func(t *testing.T, p *tap.Poller)) {
	for name, open := range epolls {
		t.Run(name, func(t *testing.T) {
			p, err := open()
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			test(t, p)
		})
	}
}

func testDescriptors(t *testing.T, p *tap.Poller) {
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

// A Wait that sleeps is woken by a descriptor, again and again, and allocates nothing.
func TestPollerSleepsForDescriptors(t *testing.T) {
	eachEpoll(t, func(t *testing.T, p *tap.Poller) {
		r, w := pipe(t)
		if err := p.Add(int(r.Fd()), 3); err != nil {
			t.Fatal(err)
		}
		sleeps, one, got, ready := make(chan struct{}), []byte{1}, make([]byte, 1), make([]int, 4)
		defer close(sleeps)
		go func() {
			for range sleeps {
				if _, err := w.Write(one); err != nil {
					t.Error(err)
				}
			}
		}()
		allocs := testing.AllocsPerRun(300, func() {
			sleeps <- struct{}{}
			if n, err := p.Wait(ready); n != 1 || ready[0] != 3 || err != nil {
				t.Fatalf("%d tokens %v, %v", n, ready, err)
			}
			if _, err := unix.Read(int(r.Fd()), got); err != nil {
				t.Fatal(err)
			}
		})
		if allocs != 0 {
			t.Errorf("%v allocations", allocs)
		}
	})
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
