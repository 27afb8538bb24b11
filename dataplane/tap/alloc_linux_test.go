package tap_test

import (
	"testing"

	"github.com/google/gopacket/layers"
	"golang.org/x/sys/unix"

	"github.com/vxtap/vxtap/dataplane/tap"
	"github.com/vxtap/vxtap/encap"
)

// Reading and writing allocate nothing, with either driver.
func TestAllocatesNothing(t *testing.T) {
	for _, portable := range []bool{false, true} {
		h := newHost(t)
		q := h.open(tap.Config{Portable: portable}).Queues()[0]
		plain := encap.Frame{Data: frame(t, ourUDP4, kernelUDP4, &layers.UDP{}, pattern(100))}
		batch := []encap.Frame{plain, plain}
		if !portable {
			super := unfinished(t, frame(t, ourUDP4, kernelUDP4, &layers.UDP{}, pattern(20000)), 1000)
			batch = append(batch, super, gathered(super, 1000))
		}
		n := testing.AllocsPerRun(200, func() {
			if taken, err := q.Write(batch); taken != len(batch) || err != nil {
				t.Errorf("took %d, %v", taken, err)
			}
		})
		if n != 0 {
			t.Errorf("portable %v: Write makes %v allocations", portable, n)
		}
		if n := readAllocations(t, h, q); n != 0 {
			t.Errorf("portable %v: Read makes %v allocations", portable, n)
		}
	}
}

// readAllocations sends some datagrams a run, more than one Read takes, and reads until all
// have come.
func readAllocations(t *testing.T, h *host, q *tap.Queue) float64 {
	t.Helper()
	fd := -1
	h.do(func() (err error) {
		if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		return unix.Connect(fd, &unix.SockaddrInet4{Port: 7001, Addr: ourUDP4.Addr().As4()})
	})
	defer unix.Close(fd)
	payload := []byte("allocate")
	frames, bufs := make([]encap.Frame, 8), make([][]byte, 8)
	for i := range bufs {
		bufs[i] = make([]byte, encap.ReadBuffer)
	}
	return testing.AllocsPerRun(200, func() {
		const datagrams = 20
		for range datagrams {
			if _, err := unix.Write(fd, payload); err != nil {
				t.Fatal(err)
			}
		}
		for came := 0; came < datagrams; {
			for i := range frames {
				frames[i] = encap.Frame{Data: bufs[i]}
			}
			n, err := q.Read(frames)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range frames[:n] {
				if string(f.Data[max(0, len(f.Data)-len(payload)):]) == "allocate" {
					came++
				}
			}
		}
	})
}
