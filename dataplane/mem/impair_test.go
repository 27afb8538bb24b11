package mem_test

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

// arrival is a datagram by its first byte, and when it came.
type arrival struct {
	id byte
	at time.Duration
}

// run sends count datagrams from A to B, one every gap, and returns what comes. To be
// called in a bubble.
func run(t testing.TB, im mem.Impairments, seed uint64, count int, gap time.Duration) []arrival {
	t.Helper()
	n := mem.NewNetwork(im, seed)
	a, b := listen(t, n, addrA, mem.UnderlayConfig{}), listen(t, n, addrB, mem.UnderlayConfig{})
	start := time.Now()
	var got []arrival
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			d := []encap.Datagram{{Data: make([]byte, 10)}}
			if _, err := b.Recv(d); err != nil {
				return
			}
			got = append(got, arrival{d[0].Data[0], time.Since(start)})
		}
	})
	for i := range count {
		send(t, a, encap.Datagram{Data: []byte{byte(i)}, Remote: addrB, Source: encap.SourceListen})
		time.Sleep(gap) // in virtual time
	}
	time.Sleep(time.Minute)
	synctest.Wait()
	b.Close()
	wg.Wait()

	sent, arrived := a.Counts(), b.Counts()
	if sent.Sent+sent.Duplicated != sent.Lost+sent.Vanished+arrived.Arrived+arrived.Dropped {
		t.Errorf("not conserved: %+v, %+v", sent, arrived)
	}
	return got
}

func ids(a []arrival) []byte {
	var out []byte
	for _, x := range a {
		out = append(out, x.id)
	}
	return out
}

func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := run(t, mem.Impairments{Delay: 30 * time.Millisecond}, 1, 3, 10*time.Millisecond)
		want := []arrival{{0, 30 * time.Millisecond}, {1, 40 * time.Millisecond}, {2, 50 * time.Millisecond}}
		if !slices.Equal(got, want) {
			t.Errorf("arrivals %v, want %v", got, want)
		}
	})
}

func TestJitterKeepsOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := run(t, mem.Impairments{Delay: time.Second, Jitter: time.Second}, 7, 100, time.Millisecond)
		if len(got) != 100 || !slices.IsSorted(ids(got)) {
			t.Fatalf("arrivals %v", got)
		}
		early, late := got[0].at, got[0].at
		for i, a := range got {
			transit := a.at - time.Duration(i)*time.Millisecond
			early, late = min(early, transit), max(late, transit)
		}
		if early < time.Second || late >= 2*time.Second+100*time.Millisecond || late-early < 100*time.Millisecond {
			t.Errorf("transit from %v to %v", early, late)
		}
	})
}

func TestReorder(t *testing.T) {
	for _, im := range []mem.Impairments{
		{Reorder: 0.2},
		{Reorder: 0.2, Delay: 5 * time.Millisecond, Jitter: 2 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			got := ids(run(t, im, 3, 100, 10*time.Microsecond))
			if slices.IsSorted(got) {
				t.Error("arrived in order")
			}
			slices.Sort(got)
			if len(got) != 100 || len(slices.Compact(got)) != 100 {
				t.Errorf("arrivals %v", got)
			}
		})
	}
}

func TestLossAndDuplication(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if got := run(t, mem.Impairments{Loss: 1}, 1, 50, 0); len(got) != 0 {
			t.Errorf("%d came through total loss", len(got))
		}
		if got := run(t, mem.Impairments{Duplicate: 1}, 1, 50, 0); len(got) != 100 {
			t.Errorf("%d arrived of 50 sent twice", len(got))
		}
		if got := run(t, mem.Impairments{Loss: 0.3}, 1, 200, 0); len(got) < 100 || len(got) > 180 {
			t.Errorf("%d of 200 arrived with a loss of 30 %%", len(got))
		}
	})
}

// The same seed and the same sends end the same way, whatever the wire is like, and
// nothing is lost or made without being counted.
func TestFateIsSeeded(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		chance := rapid.SampledFrom([]float64{0, 0.1, 0.5})
		span := rapid.SampledFrom([]time.Duration{0, time.Microsecond, 3 * time.Millisecond})
		im := mem.Impairments{
			Delay:     span.Draw(rt, "delay"),
			Jitter:    span.Draw(rt, "jitter"),
			Loss:      chance.Draw(rt, "loss"),
			Duplicate: chance.Draw(rt, "duplicate"),
			Reorder:   chance.Draw(rt, "reorder"),
		}
		seed := rapid.Uint64().Draw(rt, "seed")
		gap := span.Draw(rt, "gap")
		synctest.Test(t, func(t *testing.T) {
			first := run(t, im, seed, 60, gap)
			if again := run(t, im, seed, 60, gap); !slices.Equal(first, again) {
				t.Errorf("%+v, seed %d: %v and then %v", im, seed, first, again)
			}
		})
	})
	synctest.Test(t, func(t *testing.T) {
		im := mem.Impairments{Loss: 0.5}
		if slices.Equal(run(t, im, 1, 60, 0), run(t, im, 2, 60, 0)) {
			t.Error("two seeds, one fate")
		}
	})
}

func TestCloseForgetsWhatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := mem.NewNetwork(mem.Impairments{Delay: time.Second}, 1)
		a, b := listen(t, n, addrA, mem.UnderlayConfig{}), listen(t, n, addrB, mem.UnderlayConfig{})
		send(t, a, encap.Datagram{Data: []byte{1}, Remote: addrB, Source: encap.SourceListen})
		b.Close()
		time.Sleep(2 * time.Second)
		if c := b.Counts(); c.Vanished != 1 || c.Arrived != 0 {
			t.Errorf("counts %+v", c)
		}
	})
}

func TestWireThatHealsKeepsOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := mem.NewNetwork(mem.Impairments{Delay: time.Second}, 1)
		a, b := listen(t, n, addrA, mem.UnderlayConfig{}), listen(t, n, addrB, mem.UnderlayConfig{})
		for i := range byte(4) {
			send(t, a, encap.Datagram{Data: []byte{i}, Remote: addrB, Source: encap.SourceListen})
			n.SetImpairments(mem.Impairments{})
		}
		for i, d := range recv(t, b, 10) {
			if d.Data[0] != byte(i) {
				t.Errorf("datagram %d came as number %d", d.Data[0], i)
			}
		}
	})
}
