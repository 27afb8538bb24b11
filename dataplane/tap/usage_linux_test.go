package tap

import (
	"sync"
	"sync/atomic"
	"testing"
)

// However calls and shuts interleave, exactly one of them is told to close, and no call
// is under way then.
func TestUsage(t *testing.T) {
	for range 200 {
		var u usage
		var closed, inside atomic.Int32
		last := func(is bool) {
			if is {
				closed.Add(1)
				if n := inside.Load(); n != 0 {
					t.Errorf("closed under %d calls", n)
				}
			}
		}
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for u.enter() {
					inside.Add(1)
					if closed.Load() != 0 {
						t.Error("let in after it was closed")
					}
					inside.Add(-1)
					last(u.leave())
				}
			})
			all.Go(func() { last(u.shut()) })
		}
		all.Wait()
		if n := closed.Load(); n != 1 {
			t.Fatalf("closed %d times", n)
		}
	}
}
