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

// readAllocations sends one datagram a run and reads until it has come.
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
	data := make([]byte, encap.MaxFrame)
	frames := make([]encap.Frame, 1)
	return testing.AllocsPerRun(200, func() {
		if _, err := unix.Write(fd, payload); err != nil {
			t.Fatal(err)
		}
		for {
			frames[0] = encap.Frame{Data: data}
			n, err := q.Read(frames)
			if err != nil {
				t.Fatal(err)
			}
			if n == 1 && string(frames[0].Data[max(0, len(frames[0].Data)-len(payload)):]) == "allocate" {
				return
			}
		}
	})
}
