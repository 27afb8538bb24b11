package dataplane

import (
	"errors"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

func TestDeviceStaysOpenWhileAWorkerIsAtIt(t *testing.T) {
	for _, inbound := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := newStepped(t, false, 1)
			gate := &s.out.gate
			if inbound {
				gate = &s.in.gate
			}
			closed := false
			p := mem.NewPort(mem.PortConfig{})
			if err := s.n.AddPort(PortConfig{Name: "p", MTU: 1450, Queues: []Queue{p}, Close: func() error { closed = true; return nil }}); err != nil {
				t.Fatal(err)
			}
			gate.enter()
			removed := make(chan error)
			go func() { removed <- s.n.RemovePort("p") }()
			<-time.After(time.Second)
			if closed {
				t.Error("closed under a worker's hands")
			}
			gate.leave()
			if err := <-removed; err != nil || !closed {
				t.Errorf("closed %t, %v", closed, err)
			}
		})
	}
}

func TestWorkerThatStopsCarriesWhatIsWaiting(t *testing.T) {
	s := newStepped(t, false, 1)
	const frames = 1000
	for range frames {
		s.first.Inject(steppedFrame(remoteMAC, steppedMAC, false, 10), encap.Offload{})
	}
	s.out.stop.Store(true)
	s.out.run()
	if out := s.n.Stats().Out; out.Forwarded != frames {
		t.Errorf("%d of %d frames were carried", out.Forwarded, frames)
	}
}

// noTrains is an underlay on a route that takes no trains, and not every datagram.
type noTrains struct {
	*mem.Underlay
	sent int
}

func (u *noTrains) Send(dgrams []encap.Datagram) (int, error) {
	for i := range dgrams {
		if dgrams[i].SegmentSize != 0 {
			return i, syscall.EIO
		}
		if u.sent++; u.sent%4 == 0 {
			return i, syscall.ENOBUFS
		}
	}
	return len(dgrams), nil
}

func TestRefusedTrainGoesAsDatagrams(t *testing.T) {
	s := newStepped(t, false, 1)
	s.out.sends.underlay = &noTrains{Underlay: s.u}
	for range 40 {
		s.first.Inject(steppedFrame(remoteMAC, steppedMAC, false, 10), encap.Offload{})
	}
	s.stepOut()
	if out := s.n.Stats().Out; out.Forwarded != 30 || out.Drops[DropSendFull] != 10 {
		t.Errorf("%d forwarded, %d dropped as %v; want 30 and 10", out.Forwarded, out.Drops[DropSendFull], DropSendFull)
	}
	s.conserved(t)
}

// The smallest of the ports' MTUs says how superframes are cut that others left whole.
func TestSetPortMTU(t *testing.T) {
	s := newStepped(t, false, 1)
	ports := *s.n.ports.Load()
	for _, mtu := range []int{1350, 8950, 1450} {
		for _, p := range ports {
			if err := s.n.SetPortMTU(p.name, mtu); err != nil {
				t.Fatal(err)
			}
		}
		if got := s.n.mtu.Load(); got != int64(mtu) {
			t.Errorf("the network's MTU is %d, not %d", got, mtu)
		}
	}
	if err := s.n.SetPortMTU("nothing", 1350); !errors.Is(err, ErrNotFound) {
		t.Errorf("a port that is not there: %v", err)
	}
}
