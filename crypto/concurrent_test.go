package crypto_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vxtap/vxtap/crypto"
)

// driver runs a node by real timers, as its owner does: one goroutine that receives and
// polls.
type driver struct {
	*crypto.Node
	inbox chan []byte
	wake  chan struct{}
	other *driver
	stop  chan struct{}
	moved atomic.Int64 // rotations
}

func newDriver(t *testing.T, i int) *driver {
	d := &driver{inbox: make(chan []byte, 64), wake: make(chan struct{}, 1), stop: make(chan struct{})}
	node, err := crypto.NewNode(crypto.Config{
		Identity: keyNumber(i), Local: addrNumber(i), Queues: 1,
		Wake: func() {
			select {
			case d.wake <- struct{}{}:
			default:
			}
		},
		Events: func(e crypto.Event) {
			if e.Kind == crypto.Rotated {
				d.moved.Add(1)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	d.Node = node
	return d
}

func (d *driver) run(from *driver, number int) {
	for {
		out, next := d.Poll(nil)
		d.post(out)
		timer := time.NewTimer(next)
		select {
		case <-d.stop:
			timer.Stop()
			return
		case m := <-d.inbox:
			d.post(d.Receive(m, addrNumber(number), nil))
		case <-d.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

func (d *driver) post(out []crypto.Message) {
	for _, m := range out {
		select {
		case d.other.inbox <- m.Data:
		default: // a full socket drops
		}
	}
}

// connect runs two nodes against each other.
func connect(t *testing.T) (a, b *driver, toB, toA *crypto.Peer, stop func()) {
	a, b = newDriver(t, 0), newDriver(t, 1)
	a.other, b.other = b, a
	var err error
	if toB, err = a.AddPeer(crypto.PeerConfig{Public: b.Public(), VTEP: addrNumber(1)}); err != nil {
		t.Fatal(err)
	}
	if toA, err = b.AddPeer(crypto.PeerConfig{Public: a.Public(), VTEP: addrNumber(0)}); err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() { a.run(b, 1) })
	running.Go(func() { b.run(a, 0) })
	return a, b, toB, toA, func() {
		close(a.stop)
		close(b.stop)
		running.Wait()
		a.Close()
		b.Close()
	}
}

// With the clock and timers that a node has when it is told of none.
func TestOwnClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, toB, toA, stop := connect(t)
		defer stop()
		time.Sleep(time.Second) // virtual
		if toB.Sending() == nil || toA.Sending() == nil {
			t.Fatal("no session after a second")
		}
		time.Sleep(36 * time.Hour)
		if x, y := a.moved.Load(), b.moved.Load(); min(x, y) < 3 || max(x, y) > 4 {
			t.Errorf("%d and %d rotations in 36 hours, want 3, or one more where the first handshakes crossed", x, y)
		}
	})
}

// Workers seal and open while keys are rotated beneath them: nothing is lost.
func TestWorkersDuringRotations(t *testing.T) {
	a, b, toB, _, stop := connect(t)
	defer stop()
	const frames, rotations = 20000, 40
	wire := make(chan []byte, 32)
	done := make(chan [2]int)
	go func() {
		opened, lost := 0, 0
		for packet := range wire {
			k := b.Receiving(crypto.Header(packet).Index())
			if k == nil {
				lost++
				continue
			}
			if _, _, v := k.Open(packet); v != crypto.Opened {
				lost++
				continue
			}
			opened++
		}
		done <- [2]int{opened, lost}
	}()
	sent := 0
	plain := make([]byte, 64)
	for next := 1; sent < frames || a.moved.Load() < rotations/2; {
		k := toB.Sending()
		if k == nil {
			toB.Want()
			continue
		}
		if packet, ok := k.Seal(0, nil, plain, 0); ok {
			wire <- packet
			sent++
		}
		if sent > next*frames/rotations {
			next++
			if err := a.Rotate(toB); err != nil {
				t.Fatal(err)
			}
		}
	}
	close(wire)
	if got := <-done; got[0] != sent || got[1] != 0 {
		t.Errorf("%d sent, %d opened, %d lost", sent, got[0], got[1])
	}
}
