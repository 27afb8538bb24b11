//go:build linux || darwin || windows

package tap

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"github.com/vxtap/vxtap/encap"
)

// wire is a device in memory: what is sent on in is read, what is written lands on out.
type wire struct {
	in     chan []byte
	fault  chan error
	closed chan struct{}
	out    [][]byte
}

func newWire() *wire {
	return &wire{in: make(chan []byte), fault: make(chan error), closed: make(chan struct{})}
}

func (w *wire) Read(b []byte) (int, error) {
	select {
	case f := <-w.in:
		return copy(b, f), nil
	case err := <-w.fault:
		return 0, err
	case <-w.closed:
		return 0, os.ErrClosed
	}
}

func (w *wire) Write(b []byte) (int, error) {
	select {
	case <-w.closed:
		return 0, os.ErrClosed
	default:
	}
	if len(b) == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	w.out = append(w.out, bytes.Clone(b))
	return len(b), nil
}

func (w *wire) Close() error { close(w.closed); return nil }

func readBuffers(n, size int) []encap.Frame {
	frames := make([]encap.Frame, n)
	for i := range frames {
		frames[i].Data = make([]byte, size)
	}
	return frames
}

// Frames are announced when the ring goes from empty to readable, and read in order.
func TestPortableAnnounces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		q := newPortableQueue("vx42", w, 100, 0)
		defer q.close()
		announced := 0
		q.Notify(func() { announced++ })
		for round := 1; round <= 3; round++ {
			for i := range 5 {
				w.in <- bytes.Repeat([]byte{byte(i)}, 60)
			}
			synctest.Wait()
			if announced != round {
				t.Fatalf("announced %d times, want %d", announced, round)
			}
			frames := readBuffers(3, 100)
			for i := 0; i < 5; {
				n, err := q.Read(frames)
				if err != nil || n == 0 {
					t.Fatalf("read %d, %v", n, err)
				}
				for _, f := range frames[:n] {
					if len(f.Data) != 60 || f.Data[0] != byte(i) {
						t.Fatalf("frame %d: %d bytes of %d", i, len(f.Data), f.Data[0])
					}
					i++
				}
				frames = readBuffers(3, 100)
			}
			if n, err := q.Read(frames); n != 0 || err != nil {
				t.Fatalf("read %d more, %v", n, err)
			}
		}
		w.in <- make([]byte, 60)
		synctest.Wait()
		late := 0
		q.Notify(func() { late++ })
		if late != 1 {
			t.Errorf("a late Notify was called %d times", late)
		}
	})
}

// A full ring holds the pump up and loses nothing; a reader sets it going again.
func TestPortableFullRing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		q := newPortableQueue("vx42", w, 65000, 0)
		defer q.close()
		go func() {
			for i := range 3 * minSlots {
				w.in <- bytes.Repeat([]byte{byte(i)}, 60)
			}
		}()
		for i := 0; i < 3*minSlots; {
			synctest.Wait()
			frames := readBuffers(3*minSlots, 100)
			n, err := q.Read(frames)
			if n != minSlots || err != nil {
				t.Fatalf("read %d, %v; want %d", n, err, minSlots)
			}
			for _, f := range frames[:n] {
				if f.Data[0] != byte(i) {
					t.Fatalf("frame %d is %d", i, f.Data[0])
				}
				i++
			}
		}
	})
}

// An error comes behind the frames that came before it, is announced again for who
// thought the ring empty, and stays. Whatever it was, the queue is closed.
func TestPortableFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		q := newPortableQueue("vx42", w, 100, 0)
		defer q.close()
		announced := 0
		q.Notify(func() { announced++ })
		broken := errors.New("broken")
		w.in <- make([]byte, 60)
		for range maxFaults {
			w.fault <- broken
		}
		synctest.Wait()
		announced = 0
		if n, err := q.Read(readBuffers(8, 100)); n != 1 || err != nil || announced != 1 {
			t.Fatalf("read %d, %v, announced %d", n, err, announced)
		}
		for range 2 {
			if n, err := q.Read(readBuffers(8, 100)); n != 0 || !errors.Is(err, broken) || !errors.Is(err, net.ErrClosed) {
				t.Errorf("read %d, %v", n, err)
			}
		}
	})
}

// A read that fails is a lost frame, and those behind it are read.
func TestPortablePassingFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		q := newPortableQueue("vx42", w, 100, 0)
		defer q.close()
		for range 2 {
			for range maxFaults - 1 {
				w.fault <- io.ErrNoProgress
			}
			w.in <- make([]byte, 60)
		}
		synctest.Wait()
		if n, err := q.Read(readBuffers(8, 100)); n != 2 || err != nil || q.lost() != 2*(maxFaults-1) {
			t.Errorf("read %d, %v; %d lost", n, err, q.lost())
		}
		w.fault <- net.ErrClosed
		synctest.Wait()
		if _, err := q.Read(readBuffers(8, 100)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read: %v", err)
		}
	})
}

// Frames too long for the ring, or for the reader, are counted and skipped.
func TestPortableTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		q := newPortableQueue("vx42", w, 100, 0)
		defer q.close()
		for _, n := range []int{101, 5000, 100, 60} {
			w.in <- make([]byte, n)
		}
		synctest.Wait()
		frames := readBuffers(8, 99)
		if n, err := q.Read(frames); n != 1 || err != nil || len(frames[0].Data) != 60 || q.lost() != 3 {
			t.Errorf("read %d, %v; %d too long", n, err, q.lost())
		}
	})
}

// Close ends the pump wherever it is: in a read, or before a full ring.
func TestPortableClose(t *testing.T) {
	for _, sent := range []int{0, 1, minSlots} {
		synctest.Test(t, func(t *testing.T) {
			w := newWire()
			q := newPortableQueue("vx42", w, 65000, 0)
			for range sent {
				w.in <- make([]byte, 60)
			}
			synctest.Wait()
			for range 2 {
				if err := q.close(); err != nil {
					t.Error(err)
				}
			}
			_, rerr := q.Read(readBuffers(1, 100))
			_, werr := q.Write(readBuffers(1, 100))
			if !errors.Is(rerr, net.ErrClosed) || !errors.Is(werr, net.ErrClosed) {
				t.Errorf("Read: %v, Write: %v", rerr, werr)
			}
		})
	}
}

// Pieces are written as one frame, and an error stops at its frame.
func TestPortableWrite(t *testing.T) {
	w := newWire()
	q := newPortableQueue("vx42", w, 100, 0)
	defer q.close()
	frames := []encap.Frame{
		{Data: []byte("head"), More: [][]byte{[]byte("er"), nil, []byte(" and payload")}},
		{Data: []byte("plain")},
		{},
		{Data: []byte("behind")},
	}
	n, err := q.Write(frames)
	if n != 2 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("took %d, %v", n, err)
	}
	if n, err := q.Write(frames[3:]); n != 1 || err != nil {
		t.Errorf("took %d, %v", n, err)
	}
	if got := string(bytes.Join(w.out, []byte("|"))); got != "header and payload|plain|behind" {
		t.Errorf("wrote %q", got)
	}
}

// The ring against a slice.
func TestRing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRing(rapid.SampledFrom([]int{60, 1522, 65000}).Draw(t, "size"))
		var model []byte
		for range rapid.IntRange(1, 600).Draw(t, "steps") {
			if !r.full() && rapid.Bool().Draw(t, "push") {
				b := byte(len(model) + r.head)
				r.next()[0] = b
				r.push(1)
				model = append(model, b)
			} else if !r.empty() {
				if got := r.pop(); !slices.Equal(got, model[:1]) {
					t.Fatalf("popped %v, want %v", got, model[:1])
				}
				model = model[1:]
			}
			if r.empty() != (len(model) == 0) || r.full() != (len(model) == len(r.slots)) {
				t.Fatalf("empty %v, full %v with %d frames", r.empty(), r.full(), len(model))
			}
		}
	})
}
