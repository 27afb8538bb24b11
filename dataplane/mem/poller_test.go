package mem_test

import (
	"errors"
	"net"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/vxtap/vxtap/dataplane/mem"
)

func TestPollerReturnsEachTokenOnceInOrder(t *testing.T) {
	p := mem.NewPoller()
	for _, token := range []int{3, 0, 3, 7, 0} {
		p.Wake(token)
	}
	ready := make([]int, 2)
	var got []int
	for len(got) < 3 {
		n, err := p.Wait(ready)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, ready[:n]...)
	}
	if want := []int{3, 0, 7}; !slices.Equal(got, want) {
		t.Errorf("ready %v, want %v", got, want)
	}
}

func TestPollerWaitBlocksUntilWake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := mem.NewPoller()
		got := make(chan int, 1)
		go func() {
			ready := make([]int, 1)
			if n, err := p.Wait(ready); n != 1 || err != nil {
				t.Errorf("Wait = %d, %v", n, err)
			}
			got <- ready[0]
		}()
		synctest.Wait()
		if len(got) != 0 {
			t.Fatal("Wait returned before any Wake")
		}
		p.Wake(5)
		if token := <-got; token != 5 {
			t.Errorf("token %d, want 5", token)
		}
	})
}

func TestPollerClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := mem.NewPoller()
		ended := make(chan error, 1)
		go func() {
			_, err := p.Wait(make([]int, 1))
			ended <- err
		}()
		synctest.Wait()
		p.Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Wait under way: %v", err)
		}
		p.Wake(1)
		if _, err := p.Wait(make([]int, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("later Wait: %v", err)
		}
		if err := p.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
	})
}

func TestPollerHasNoDescriptors(t *testing.T) {
	p := mem.NewPoller()
	if err := p.Add(3, 0); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Add: %v", err)
	}
	if err := p.Remove(3); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Remove: %v", err)
	}
}
