package dataplane_test

import (
	"errors"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vxtap/vxtap/dataplane"
	"github.com/vxtap/vxtap/dataplane/mem"
	"github.com/vxtap/vxtap/encap"
)

// deaf is an underlay that fails to receive for as long as it has errors left.
type deaf struct {
	*mem.Underlay
	err  error
	left int
}

func (u *deaf) Recv(dgrams []encap.Datagram) (int, error) {
	if u.left > 0 {
		u.left--
		return 0, u.err
	}
	return u.Underlay.Recv(dgrams)
}

// heard collects events.
type heard struct {
	mu   sync.Mutex
	list []dataplane.Event
}

func (h *heard) event(e dataplane.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list = append(h.list, e)
}

func (h *heard) events() []dataplane.Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.list)
}

func TestReceiveErrors(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		times int
		fails bool
	}{
		"once":                     {syscall.EIO, 1, false},
		"for a while":              {syscall.EIO, 300, false},
		"for good":                 {syscall.EBADF, 1 << 30, true},
		"about others, for long":   {syscall.ECONNREFUSED, 3000, false},
		"the link is down, long":   {syscall.ENETDOWN, 3000, false},
		"a wrapped one, for long":  {errors.Join(syscall.EHOSTUNREACH), 3000, false},
		"one that is not the OS's": {errors.New("broken"), 1 << 30, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var h heard
				wire := newWire()
				a := newNode(t, wire, "10.9.0.1", setup{events: h.event, wrap: func(u dataplane.Underlay) dataplane.Underlay {
					return &deaf{Underlay: u.(*mem.Underlay), err: c.err, left: c.times}
				}})
				pass(4 * time.Second)
				if e := h.events(); len(e) != 0 {
					t.Errorf("given up too early: %+v", e)
				}
				pass(time.Minute)
				e, counted := h.events(), a.vtep.Stats().ReceiveErrors
				if !c.fails {
					f := toAll(foreignMAC)
					newStranger(t, wire, "10.9.0.2").say(t, a, encap.Datagram{Data: vxlan(f)})
					a.port.expect(t, f)
					if len(e) != 0 || counted != uint64(c.times) {
						t.Errorf("%d errors counted, want %d; events %+v", counted, c.times, e)
					}
					return
				}
				if len(e) != 1 || e[0].Port != "" || e[0].Remote.IsValid() || !errors.Is(e[0].Err, c.err) || counted == 0 {
					t.Errorf("%d errors counted, events %+v", counted, e)
				}
			})
		})
	}
}

// A route that takes no trains is told of once for each remote, however often it is
// tried again, and ends nothing.
func TestRefusedTrainsAreToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h heard
		refuse := func(d *encap.Datagram) error {
			if d.SegmentSize != 0 {
				return syscall.EIO
			}
			return nil
		}
		wire := newWire()
		newStranger(t, wire, "10.9.0.2")
		newStranger(t, wire, "10.9.0.3")
		a := newNode(t, wire, "10.9.0.1", setup{network: flooding("10.9.0.2", "10.9.0.3"), events: h.event,
			wrap: func(u dataplane.Underlay) dataplane.Underlay {
				return &scripted{Underlay: u.(*mem.Underlay), fail: refuse}
			}})
		frame, o := flowOf(station(1), encap.Broadcast, false).superframe(t, pattern(10*mss))
		for range 5 {
			a.port.inject(t, frame, o)
			pass(6 * time.Minute)
		}
		var told []string
		for _, e := range h.events() {
			if e.Port != "" || !errors.Is(e.Err, syscall.EIO) {
				t.Errorf("event %+v", e)
			}
			told = append(told, e.Remote.String())
		}
		slices.Sort(told)
		if want := []string{"10.9.0.2:4789", "10.9.0.3:4789"}; !slices.Equal(told, want) {
			t.Errorf("told of %v, want %v", told, want)
		}
		if out := a.network.Stats().Out; out.Forwarded != 50 || out.Copies != 50 {
			t.Errorf("counts %+v", out)
		}
	})
}
