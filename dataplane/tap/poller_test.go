package tap_test

import (
	"errors"
	"net"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/dataplane/tap"
)

// pollers are the implementations, which do the same for tokens that are woken.
func pollers(t *testing.T, test func(t *testing.T, p dataplane.Poller)) {
	t.Helper()
	t.Run("system", func(t *testing.T) {
		p, err := tap.NewPoller()
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		test(t, p)
	})
	t.Run("parking", func(t *testing.T) {
		p, err := tap.NewParkingPoller()
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		test(t, p)
	})
	t.Run("wake", func(t *testing.T) {
		p := tap.NewWakePoller()
		defer p.Close()
		test(t, p)
	})
}

// wait returns the tokens of one Wait in order.
func wait(t rapid.TB, p dataplane.Poller, room int) []int {
	t.Helper()
	ready := make([]int, room)
	n, err := p.Wait(ready)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(ready[:n])
	return ready[:n]
}

// Tokens woken before a Wait, even several times, come with it, each once.
func TestPollerWakeBeforeWait(t *testing.T) {
	pollers(t, func(t *testing.T, p dataplane.Poller) {
		for range 3 {
			for _, token := range []int{7, 0, 7, 300, -1} {
				p.Wake(token)
			}
			if got := wait(t, p, 8); !slices.Equal(got, []int{0, 7, 300}) {
				t.Errorf("got tokens %v", got)
			}
		}
	})
}

// A Wait that sleeps is woken.
func TestPollerWakeDuringWait(t *testing.T) {
	pollers(t, func(t *testing.T, p dataplane.Poller) {
		got := make(chan int)
		go func() {
			defer close(got)
			var ready [1]int
			for {
				if _, err := p.Wait(ready[:]); err != nil {
					return
				}
				got <- ready[0]
			}
		}()
		for token := range 100 {
			p.Wake(token)
			if g := <-got; g != token {
				t.Errorf("got token %d, want %d", g, token)
			}
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		<-got
	})
}

// Tokens that do not fit come next, before anything newer.
func TestPollerSmallReady(t *testing.T) {
	pollers(t, func(t *testing.T, p dataplane.Poller) {
		for token := range 5 {
			p.Wake(token)
		}
		first := wait(t, p, 3)
		p.Wake(first[0])
		p.Wake(9)
		second := wait(t, p, 3)
		if all := slices.Sorted(slices.Values(append(first, second...))); !slices.Equal(all, []int{0, 1, 2, 3, 4}) {
			t.Errorf("got tokens %v, then %v", first, second)
		}
		if third := wait(t, p, 3); !slices.Equal(third, []int{first[0], 9}) {
			t.Errorf("then %v", third)
		}
		if n, err := p.Wait(nil); n != 0 || err != nil {
			t.Errorf("Wait without room: %d, %v", n, err)
		}
	})
}

// Close ends a Wait that is under way and all later ones; the rest does no harm.
func TestPollerClose(t *testing.T) {
	pollers(t, func(t *testing.T, p dataplane.Poller) {
		ended := make(chan error)
		p.Wake(1)
		p.Wake(2)
		wait(t, p, 2)
		p.Wake(3)
		p.Wake(4)
		go func() {
			var ready [1]int
			for {
				if _, err := p.Wait(ready[:]); err != nil {
					ended <- err
					return
				}
				if ready[0] == 4 { // both were seen; the next Wait sleeps
					ended <- nil
				}
			}
		}()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Wait under way ended with %v", err)
		}
		p.Wake(5)
		if _, err := p.Wait(make([]int, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Wait after Close ended with %v", err)
		}
		if err := p.Add(0, 1); err == nil {
			t.Error("Add after Close gave no error")
		}
		if err := p.Remove(0); err == nil {
			t.Error("Remove after Close gave no error")
		}
	})
}

// Many wake while one waits: no token is lost, whatever the room.
func TestPollerWakeConcurrently(t *testing.T) {
	pollers(t, func(t *testing.T, p dataplane.Poller) {
		const wakers, rounds = 8, 500
		turns := make([]chan struct{}, wakers)
		var all sync.WaitGroup
		for token := range turns {
			turns[token] = make(chan struct{}, 1)
			turns[token] <- struct{}{}
			all.Go(func() {
				for range rounds {
					<-turns[token]
					p.Wake(token)
				}
			})
		}
		seen := 0
		for seen < wakers*rounds {
			for _, token := range wait(t, p, 3) {
				seen++
				turns[token] <- struct{}{}
			}
		}
		all.Wait()
	})
}

// Whatever the order of waking and waiting, and the room: a token comes at most once in
// a Wait, none comes that was not woken, and none is forgotten.
func TestPollerAnyOrder(t *testing.T) {
	pollers(t, func(t *testing.T, p dataplane.Poller) {
		rapid.Check(t, func(t *rapid.T) {
			const last = 1000
			owed, known := map[int]bool{}, map[int]bool{last: true}
			collect := func(room int) (done bool) {
				got := wait(t, p, room)
				if len(got) == 0 || len(slices.Compact(slices.Clone(got))) != len(got) {
					t.Fatalf("got tokens %v", got)
				}
				for _, token := range got {
					if !known[token] {
						t.Fatalf("token %d was never woken", token)
					}
					delete(owed, token)
					done = done || token == last
				}
				return done
			}
			for range rapid.IntRange(1, 30).Draw(t, "steps") {
				for _, token := range rapid.SliceOfN(rapid.IntRange(0, 9), 0, 6).Draw(t, "woken") {
					p.Wake(token)
					owed[token], known[token] = true, true
				}
				if len(owed) > 0 {
					collect(rapid.IntRange(1, 12).Draw(t, "room"))
				}
			}
			p.Wake(last)
			for !collect(20) {
			}
			if len(owed) > 0 {
				t.Fatalf("tokens %v never came", owed)
			}
		})
	})
}

// A WakePoller says what it cannot do.
func TestWakePollerHasNoDescriptors(t *testing.T) {
	p := tap.NewWakePoller()
	if err := p.Add(3, 1); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Add: %v", err)
	}
	if err := p.Remove(3); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Remove: %v", err)
	}
}

// Waking and waiting allocate nothing once the tokens are known.
func TestPollerAllocatesNothing(t *testing.T) {
	pollers(t, func(t *testing.T, p dataplane.Poller) {
		ready := make([]int, 8)
		n := testing.AllocsPerRun(100, func() {
			p.Wake(1)
			p.Wake(2)
			if _, err := p.Wait(ready); err != nil {
				t.Error(err)
			}
		})
		if n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
}
